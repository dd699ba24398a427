"""The ready studies of papers: the full ones at full size, and each small one a version of its full one that can be run here."""

from __future__ import annotations

import pytest

from bertft_core.config import load_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.planning.run_specs import plan_runs
from tests.helpers.markdown import ROOT
from tests.helpers.tiny_encoders import tiny_encoder

PAPERS = ROOT / "configs" / "papers"
NAMES = sorted(path.stem for path in PAPERS.glob("*.yaml"))


def full(name):
    return load_study(PAPERS / f"{name}.yaml")


def small(name, *overrides):
    return load_study(PAPERS / "small" / f"{name}.yaml", list(overrides))


def kinds(study, arm):
    return {strategy.kind for strategy in study.arms[arm].strategies}


def test_every_paper_has_both_versions():
    assert NAMES == ["dodge2020", "lee2020", "mosbach2021", "zhang2021"]
    assert sorted(path.stem for path in (PAPERS / "small").glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_full_version_is_of_a_large_encoder_at_a_commit(name):
    study = full(name)
    assert study.encoder.checkpoint == "google-bert/bert-large-uncased"
    assert len(str(study.encoder.revision)) == len(str(study.data.revision)) == 40
    assert study.n_runs_per_arm >= 20


@pytest.mark.parametrize("name", NAMES)
def test_the_small_version_has_the_same_baseline_and_arms(name):
    of_full, of_small = full(name), small(name)
    assert next(iter(of_small.arms)) == next(iter(of_full.arms))
    assert {arm for arm in of_small.arms if kinds(of_small, arm) != kinds(of_full, arm)} == set()
    assert of_small.data.source == "bundled"


@pytest.mark.parametrize("name", NAMES)
def test_the_small_version_is_planned_from_the_bundled_data(name, tmp_path):
    study = small(name, f"encoder.path={tiny_encoder(tmp_path / 'encoder', num_hidden_layers=6)}")
    card = prepare_data(study, home_dir=tmp_path / "home")
    specs = plan_runs(study, card, {})
    assert len(specs) == len(study.arms) * study.n_runs_per_arm
    assert len({spec.digest for spec in specs}) == len(specs), "no two arms ask for the same run"


def test_what_the_papers_compare_is_there():
    mosbach, zhang, lee, dodge = (full(name) for name in ("mosbach2021", "zhang2021", "lee2020", "dodge2020"))
    assert [(kinds(mosbach, arm), mosbach.training_of(arm).epochs) for arm in mosbach.arms] == [
        ({"legacy_adam"}, 3.0),
        ({"full"}, 3.0),
        ({"full"}, 20.0),
    ]
    depths = [s.layers for arm in zhang.arms.values() for s in arm.strategies if s.kind == "reinit" and arm.max_steps is None]
    assert depths == [1, 2, 3, 4, 5, 6]
    assert {"llrd", "mixout", "prior_decay", "legacy_adam"} <= {kind for arm in zhang.arms for kind in kinds(zhang, arm)}
    assert zhang.training_of("longer").max_steps == 400
    assert {s.p for arm in lee.arms.values() for s in arm.strategies if s.kind == "mixout"} == {0.7, 0.8, 0.9}
    assert (dodge.n_runs_per_arm, small("dodge2020").n_runs_per_arm) == (625, 9)
