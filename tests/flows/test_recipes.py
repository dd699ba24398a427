"""A recommended study runs as it was written, and `bertft diagnose` reads what it left."""

from __future__ import annotations

import json

import pytest

from bertft_core.config import load_study


@pytest.mark.slow
def test_a_recommended_study_is_planned_run_and_diagnosed(new_study):
    study = new_study()
    shown = study.command("recommend", str(study.config), "--output", "advised.yaml").stdout
    assert "optimizer steps" in shown
    advised = study.config.parent / "advised.yaml"
    assert load_study(advised).name == study.name
    assert f"{study.name}: 3 arms" in study.command("plan", str(advised)).stdout
    arms = list(load_study(advised).arms)
    assert arms == ["features", "full", "frozen_half"]
    small = ["seeds.n=1", "training.epochs=2", *(f"arms.{arm}.search.n_trials=1" for arm in arms)]
    small += [f"arms.{arm}.search.n_seeds=1" for arm in arms]
    study.command("run", str(advised), *(word for part in small for word in ("--set", part)))
    assert [arm.counts.get("failed", 0) for arm in study.summary.arms] == [0, 0, 0]
    assert [arm.n_planned for arm in study.summary.arms] == [1, 1, 1]
    diagnosed = json.loads(study.command("diagnose", study.name, "--json").stdout)
    assert diagnosed["study"] == study.name
    verdicts = {check["check"]: check["verdict"] for check in diagnosed["checks"]}
    assert verdicts["few_seeds"] == "problem"
    assert verdicts["under_training"] == "problem"
    assert verdicts["label_conflicts"] == "ok"
    printed = study.command("diagnose", study.name).stdout
    assert "PROBLEM  few_seeds" in printed
    assert printed.index("PROBLEM") < printed.index("\nok ")


def test_a_study_that_is_not_there_or_was_not_run_is_reported(new_study):
    study = new_study()
    assert "there is no study 'gone' here" in study.command("diagnose", "gone", expect=2).stderr
    assert "there is no study 'tiny' here" in study.command("diagnose", study.name, expect=2).stderr
