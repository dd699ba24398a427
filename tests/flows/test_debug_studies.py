"""The debug studies of how seeds come about, whole: a crossed design, seeds until an interval is narrow, the best of
many, folds.

Only the encoder is another one, a tiny random one, and learning is faster, so that seeds differ. One process runs all commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from bertft_core.config import StudyConfig, load_study
from bertft_core.records import RunRecord, StudySummary
from bertft_core.report.prose import seed_designs_text
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import StudyDir, read_record
from tests.helpers.markdown import ROOT
from tests.helpers.study_commands import Ended, run_several

pytestmark = pytest.mark.slow
DEBUG = ROOT / "configs" / "debug"
NAMES = ("crossed", "adaptive", "start_many", "folds")


class Ran(NamedTuple):
    """A study that was run, and the commands over it."""

    study: StudyConfig
    summary: StudySummary
    records: list[RunRecord]
    ended: dict[str, Ended]
    dir: StudyDir


@pytest.fixture(scope="module")
def ran(shared, server_environment, tmp_path_factory) -> dict[str, Ran]:
    """Every study by its file's name."""
    home = tmp_path_factory.mktemp("debug")
    changes = (
        f"encoder.path={shared / 'encoder'}",
        "training.learning_rate=0.01",
        "tracking.log_models=false",
        "execution.slots=1",
    )
    settings = tuple(word for change in changes for word in ("--set", change))
    commands = {}
    for name in NAMES:
        config, study = str(DEBUG / f"{name}.yaml"), load_study(DEBUG / f"{name}.yaml").name
        commands[name, "run"] = ["run", config, *settings, "--home", str(home)]
        commands[name, "plan"] = ["plan", config, *settings, "--home", str(home)]
        commands |= {(name, verb): [verb, study, "--home", str(home)] for verb in ("status", "show")}
    ended = dict(zip(commands, run_several(list(commands.values()), server_environment), strict=True))
    return {name: look(name, home, {verb: end for (of, verb), end in ended.items() if of == name}) for name in NAMES}


def look(name: str, home: Path, ended: dict[str, Ended]) -> Ran:
    study = load_study(DEBUG / f"{name}.yaml")
    folder = StudyDir(home, study.name)
    summary = read_record(folder.summary_path, StudySummary)
    assert summary is not None, ended["run"].stderr
    return Ran(study, summary, list(folder.records()), ended, folder)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_study_passes_and_every_command_understands_it(ran, name):
    for verb, end in ran[name].ended.items():
        assert end.code == 0, f"{verb}: {end.stderr}"
        assert "Traceback" not in end.stderr
    n = sum(arm.n_planned for arm in ran[name].summary.arms)
    assert f"{n // len(ran[name].summary.arms)} done, 0 running, 0 failed, 0 missing" in ran[name].ended["status"].stdout
    assert "nothing to train" in ran[name].ended["plan"].stdout
    assert {status for arm in ran[name].summary.arms for status in arm.counts} <= {"ok", "collapsed", "pruned"}
    selection = ran[name].summary.model_selection
    assert selection is not None
    assert {use.split for use in selection.splits if use.n_choices} == {"validation"}
    assert "decided nothing" in (ran[name].dir.report_dir / "report.html").read_text()


def test_the_crossed_study_has_every_cell_twice_and_a_floor(ran):
    (arm,) = ran["crossed"].summary.arms
    assert sorted((s.cell.init, s.cell.order, s.cell.replicate) for s in arm.seeds) == [
        (init, order, replicate) for init in range(2) for order in range(2) for replicate in range(2)
    ]
    assert len({seed.init_seed for seed in arm.seeds}) == len({seed.order_seed for seed in arm.seeds}) == 2
    assert len({seed.dropout_seed for seed in arm.seeds}) == 8
    assert len({seed.weights_sha256 for seed in arm.seeds}) == 8
    (floor,) = ran["crossed"].summary.floors
    assert (floor.n, floor.bitwise) == (2, True)


def test_every_fold_is_tested_once_in_each_repeat_and_a_second_run_trains_nothing(ran):
    records = {record.digest: record for record in ran["folds"].records}
    arms = {arm.arm: arm.seeds for arm in ran["folds"].summary.arms}
    assert len(records) == 24
    for seeds in arms.values():
        assert len({seed.weights_sha256 for seed in seeds}) == 12
        tested: dict[tuple[int, int], list[str]] = {}
        for seed in seeds:
            folder = ran["folds"].dir.run_dir(seed.run_digest)
            table = read_predictions(folder / records[seed.run_digest].predictions["best"]["test"])
            tested.setdefault((seed.split.repeat, seed.split.seed), []).extend(table["example_id"].to_pylist())
        assert [len(set(ids)) for ids in tested.values()] == [len(ids) for ids in tested.values()] == [60] * 4
    (pair,) = ran["folds"].summary.comparison.headline_pairs
    assert (pair.n_examples, pair.n_seeds_arm) == (60, 12)
    assert {component.source for component in ran["folds"].summary.insights.variance[0].components} == {"split", "seeds"}
    assert "6 splits × 2 seeds (12 runs of each arm)" in ran["folds"].ended["plan"].stdout


def test_the_adaptive_study_stops_by_its_rule_with_the_same_seeds_in_both_arms(ran):
    study, summary = ran["adaptive"].study, ran["adaptive"].summary
    printed = summary.adaptive
    assert printed is not None
    assert printed.plan == study.seeds.interim_sizes == (3, 5, 7)
    assert printed.ended != "not yet"
    assert {arm.n_planned for arm in summary.arms} == {printed.interim_analyses[-1].n}
    assert [one.is_enough for one in printed.interim_analyses[:-1]] == [False] * (len(printed.interim_analyses) - 1)
    assert printed.level > 0.95
    assert seed_designs_text.adaptive(printed, study.arms)[1:] in ran["adaptive"].ended["show"].stdout


def test_the_best_of_many_went_on_and_the_others_are_pruned(ran):
    study, summary = ran["start_many"].study, ran["start_many"].summary
    (arm,) = summary.arms
    assert arm.selected is not None
    assert (arm.counts["pruned"], arm.n_planned) == (4, 6)
    by_index = {record.spec.index: record for record in ran["start_many"].records}
    for seed in arm.selected.seeds:
        record = by_index[seed.index]
        assert (record.n_steps, record.spec.kept_of) == ((6, 6) if seed.kept else (3, None))
        assert not list(ran["start_many"].dir.run_dir(record.digest).glob("checkpoint/*"))
    scores = [seed.score_at_cut for seed in arm.selected.seeds]
    assert scores == sorted(scores, reverse=True)
    kept = [record for record in by_index.values() if (ran["start_many"].dir.run_dir(record.digest) / "model").exists()]
    assert [record.spec.index for record in kept] == [arm.selected.best]
    assert study.is_selected
    shown = ran["start_many"].ended["show"].stdout
    assert "full, best of 6" in shown
    assert "no sd, interval or comparison" in shown


def test_the_table_names_the_level_of_the_looks(ran):
    assert ran["adaptive"].summary.adaptive is not None
    level = ran["adaptive"].summary.adaptive.level
    assert level > 0.95
    assert f"{100 * level:.4g} % t-interval" in ran["adaptive"].ended["show"].stdout
    assert "95 % t-interval" in ran["crossed"].ended["show"].stdout
