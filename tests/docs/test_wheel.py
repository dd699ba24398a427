"""The wheel, installed outside the checkout: the command, its version, the ready studies by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from bertft_core import __version__
from bertft_core.config import UserError, load_study
from bertft_core.config.ready_studies import READY_DIR, config_path, ready_names
from tests.helpers.markdown import ROOT

SOURCES = ("bertft_core", "flows", "tasks", "configs", "prefect.yaml", "deploy", "pyproject.toml", "README.md", "LICENSE")


def test_the_ready_studies_are_those_of_the_checkout():
    files = [path.relative_to(ROOT / "configs").as_posix() for path in (ROOT / "configs").rglob("*.yaml")]
    assert len(files) >= 30
    assert ready_names() == sorted(name.removesuffix(".yaml") for name in files)
    assert READY_DIR.resolve() == ROOT / "configs", "one place in a checkout"


def test_a_name_finds_a_ready_study_and_a_path_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_study("quickstart") == load_study(ROOT / "configs" / "quickstart.yaml")
    assert load_study("papers/small/dodge2020").name == load_study(ROOT / "configs/papers/small/dodge2020.yaml").name
    shutil.copy(ROOT / "configs" / "topics.yaml", tmp_path / "quickstart")
    assert config_path("quickstart") == Path("quickstart")
    assert load_study("quickstart").name == "topics"


@pytest.mark.parametrize(
    ("asked", "near"), [("quickstrat", "quickstart"), ("rte", "glue/rte"), ("configs/topcs.yaml", "topics"), ("xyz", None)]
)
def test_an_unknown_name_gets_near_ones(asked, near, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        load_study(asked)
    hint = str(caught.value).splitlines()[-1]
    assert "check the path" in hint if near is None else f"did you mean {near}" in hint


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "bertft_core.__version__"}
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def ran(*command: str | Path, cwd: Path) -> str:
    """What a command prints, in an environment that names no home, server or path of ours. It must succeed."""
    left_out = ("BERTFT_HOME", "PREFECT_API_URL", "PREFECT_HOME", "MLFLOW_TRACKING_URI", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the checkout, so that nothing is left behind in it."""
    copy, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, copy / name)
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir")
    ran(sys.executable, "-m", "pip", "wheel", *options, target, copy, cwd=copy)
    (built,) = target.glob("bertft-*.whl")
    return built


@pytest.fixture(scope="module")
def bertft(wheel, tmp_path_factory) -> Path:
    """The command, installed from the wheel beside the packages of this environment."""
    env = tmp_path_factory.mktemp("installed") / "env"
    ran(sys.executable, "-m", "venv", "--without-pip", env, cwd=env.parent)
    python = env / "bin" / "python"
    ran(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=env)
    (packages,) = env.glob("lib/python*/site-packages")
    base = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "base.pth").write_text("\n".join(base), encoding="utf-8")
    return env / "bin" / "bertft"


@pytest.mark.slow
def test_the_wheel_holds_types_ready_studies_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"{package}/py.typed" for package in ("bertft_core", "flows", "tasks")} <= set(names)
    assert {f"bertft_core/ready_studies/{name}.yaml" for name in ready_names()} <= set(names)
    assert len([name for name in names if name.startswith("tasks/tracking/schemas/")]) == 2, "the stores of a new home"
    metadata = {f"bertft-{__version__}.{kind}" for kind in ("dist-info", "data")}
    assert {name.partition("/")[0] for name in names} == {"bertft_core", "flows", "tasks"} | metadata


@pytest.mark.slow
def test_the_installed_command_runs_ready_studies_by_name(bertft, tmp_path):
    where = ran(bertft.with_name("python"), "-c", "import flows, bertft_core; print(flows.__file__)", cwd=tmp_path)
    assert str(ROOT) not in where
    assert ran(bertft, "--version", cwd=tmp_path) == f"bertft {__version__}\n"
    assert "positive" in ran(bertft, "check-data", "quickstart", cwd=tmp_path)
    assert "time   about" in ran(bertft, "plan", "quickstart", cwd=tmp_path)
    assert "time   about" in ran(bertft, "plan", "debug/reviews", cwd=tmp_path)
