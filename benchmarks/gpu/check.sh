#!/bin/sh
# Checks bertft on this machine's GPU: its laws, then its speed and memory beside transformers' Trainer; see docs/benchmarks/gpu.md.
#   [PYTHON=python3] [WHEELS=benchmarks/gpu/wheels] benchmarks/gpu/check.sh [--json FILE] [--minutes 8] [--dry-run]
# Needs neither a network nor Prefect, MLflow or Optuna, nor that bertft is installed. Without a GPU it is a dry run on the CPU.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
wheels=${WHEELS:-$here/wheels}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if ls "$wheels"/*.whl >/dev/null 2>&1; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl
fi
export PYTHONPATH="$root:$site" PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
"$python" -m benchmarks.gpu.needs
"$python" -m benchmarks.gpu.check "$@"
