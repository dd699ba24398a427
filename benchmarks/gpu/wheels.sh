#!/bin/sh
# Fetches wheels for a GPU machine without a network into benchmarks/gpu/wheels/, at the versions of requirements.lock:
#   [PYTHON=.venv/bin/python] [FOR=3.12] benchmarks/gpu/wheels.sh [DISTRIBUTION ...]
# Without names: what a machine with torch, transformers, pandas, pyarrow and scipy usually lacks.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- pydantic pydantic-core annotated-types typing-inspection
rm -rf "$here/wheels"
"${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: --python-version "${FOR:-3.12}" \
    --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --constraint "$here/../../requirements.lock" --dest "$here/wheels" "$@"
ls "$here/wheels"
