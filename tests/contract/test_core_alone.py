"""`bertft_core` trains where neither Prefect nor MLflow nor Optuna is installed; so does what checks a GPU there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.gpu.needs import NEEDED
from tests.helpers.bare_python import bare_python, with_requirements

ROOT = Path(__file__).parents[2]
ABSENT = ("prefect", "mlflow", "optuna", "ray", "bertft")
RUN = """
import sys
from importlib.util import find_spec
from pathlib import Path
from benchmarks.gpu.study import TINY, make_study, seeds_of
from bertft_core.training.run import train_run

assert [name for name in sys.argv[2].split(",") if name != "bertft" and find_spec(name) is not None] == []
directory = Path(sys.argv[1])
spec = seeds_of(*make_study(directory, TINY, "cpu"), "fp32")[0]
record = train_run(spec, run_dir=directory / "run")
print(record.status, record.n_steps, len(record.final))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    return bare_python(tmp_path_factory.mktemp("bare") / "venv", NEEDED.values())


def environment() -> dict[str, str]:
    """Ours; nothing is installed, and no wheels are beside the script."""
    return os.environ | {"OMP_NUM_THREADS": "1", "WHEELS": "none"}


def test_what_is_needed_requires_none_of_the_others():
    assert len(with_requirements(NEEDED.values())) >= 40
    assert with_requirements(NEEDED.values()).isdisjoint(ABSENT)


def test_a_run_is_trained_without_prefect_mlflow_and_optuna(python, tmp_path):
    words = [str(python), "-P", "-c", RUN, str(tmp_path), ",".join(ABSENT)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment() | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    status, n_steps, n_splits = done.stdout.split()[-3:]
    assert status in ("ok", "collapsed")
    assert (n_steps, n_splits) == ("4", "3")


def test_a_python_that_lacks_something_is_refused_with_the_command_that_fetches_it(tmp_path):
    python = bare_python(tmp_path / "venv", ["torch", "numpy"])
    script = ROOT / "benchmarks" / "gpu" / "check.sh"
    done = subprocess.run([script], capture_output=True, text=True, env=environment() | {"PYTHON": str(python)}, cwd=tmp_path)
    assert done.returncode == 1
    assert "lacks transformers, accelerate, annotated-types" in done.stderr
    assert "benchmarks/gpu/wheels.sh transformers accelerate" in done.stderr
    assert "torch," not in done.stderr


@pytest.mark.slow
def test_the_check_of_a_gpu_goes_through_all_its_parts_on_a_cpu(python, tmp_path):
    """The whole script, with one of the laws: all of them together take minutes here (`BERTFT_TEST_DEVICE=cpu pytest -m gpu`)."""
    script, figures_path = ROOT / "benchmarks" / "gpu" / "check.sh", tmp_path / "figures.json"
    words = [script, "--dry-run", "--json", figures_path, "--tests", "kill and fp32", "--minutes", "30"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment() | {"PYTHON": str(python)}, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(figures_path.read_text())
    assert (figures["dry_run"], figures["errors"], figures["left_out"]) == (True, {}, [])
    assert (figures["tests"]["passed"], figures["tests"]["failed"]) == (1, 0)
    assert {name for each in figures["peak_tflops"].values() for name in each} == {"square", "of_a_step"}
    done_by = {(each["who"], each["precision"], each["at_once"]): each["n_seeds"] for each in figures["contests"]}
    ours = {("bertft", precision, n): 2 * n for precision in ("bf16", "fp32") for n in (1, 2)}
    assert done_by == ours | {("trainer", precision, 1): 2 for precision in ("bf16", "fp32")}
    assert all(each["share_of_peak"] > 0 and each["against_trainer_alone"] > 0 for each in figures["contests"])
    assert "no figure means anything" in done.stdout
