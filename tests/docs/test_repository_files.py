"""The files that GitHub and pre-commit read are valid, and say what the documents and `pyproject.toml` say."""

from __future__ import annotations

import re
import tomllib

import yaml

from tests.helpers.markdown import ROOT, blocks

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def test_the_workflow_runs_the_documented_commands_on_every_python_that_is_named():
    job = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["test"]
    documented = [
        line
        for name in ("README.md", "CONTRIBUTING.md")
        for block in blocks(ROOT / name, "sh")
        for line in block.text.splitlines()
    ]
    commands = [step["run"].removesuffix(" PYTHON=python") for step in job["steps"] if "run" in step]
    assert len(commands) >= 4
    assert set(commands) <= set(documented)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [match[1] for line in project["classifiers"] if (match := re.search(r":: (3\.\d+)$", line))]
    assert job["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"


def test_the_hooks_are_the_checks_of_the_makefile():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    programs = [hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repository["hooks"]]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck: install\n")[2].partition("\n\n")[0]
    assert len(programs) == 4
    assert programs == re.findall(r"^\t\$\(BIN\)/([\w-]+)", recipe, re.MULTILINE)


def test_the_issue_forms_have_a_name_and_fields():
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(forms) >= 2
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert form["name"]
        assert all(field["attributes"]["label"] for field in form["body"])
