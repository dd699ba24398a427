"""One study of encoders with tokenizers of their own, with a CRF and without, at two lengths: every pair of arms is paired."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

import pytest
import yaml

from bertft_core.records import StudySummary
from bertft_core.records.comparison_record import Comparison
from bertft_core.storage.study_dir import StudyDir, read_record
from tasks.tracking.mlflow_store import open_store, runs_where
from tests.helpers.compared_encoders import ARMS, SUBSAMPLE, compared_encoders
from tests.helpers.report_pages import Page
from tests.helpers.study_commands import Ended, run_several

pytestmark = pytest.mark.slow
N_SEEDS = 3


class Ran(NamedTuple):
    """The study after its run, and the plans before and after."""

    before: Ended
    run: Ended
    after: Ended
    dir: StudyDir

    @property
    def summary(self) -> StudySummary:
        found = read_record(self.dir.summary_path, StudySummary)
        assert found is not None, self.run.stderr
        return found

    @property
    def comparison(self) -> Comparison:
        assert self.summary.comparison is not None
        return self.summary.comparison


@pytest.fixture(scope="module")
def ran(server_environment, tmp_path_factory) -> Ran:
    folder = tmp_path_factory.mktemp("encoders")
    config, home = folder / "study.yaml", folder / "home"
    values = compared_encoders(folder / "encoders")
    config.write_text(yaml.safe_dump(values, sort_keys=False))
    commands = [[verb, str(config), "--home", str(home)] for verb in ("plan", "run", "plan")]
    return Ran(*run_several(commands, server_environment), StudyDir(home, values["name"]))


def test_every_run_ends(ran):
    assert [end.code for end in (ran.before, ran.run, ran.after)] == [0, 0, 0], ran.run.stderr
    records = list(ran.dir.records())
    assert len(records) == N_SEEDS * len(ARMS)
    assert {record.status for record in records} <= {"ok", "collapsed"}
    assert len({record.weights_sha256 for record in records}) == len(records)


def test_every_pair_is_paired_over_seeds_and_examples(ran):
    assert ran.comparison.refused == ()
    pairs = [pair for pair in ran.comparison.pairs if pair.metric == "f1"]
    assert {frozenset((pair.arm, pair.baseline)) for pair in pairs} == {
        frozenset(pair) for pair in itertools.combinations(ARMS, 2)
    }
    for pair in pairs:
        assert (pair.paired, pair.n_seeds_arm, pair.n_seeds_baseline) == (True, N_SEEDS, N_SEEDS)
        assert pair.n_examples == SUBSAMPLE["test"]


def test_the_arms_score_differently(ran):
    scores = {record.best["test"]["f1"] for record in ran.dir.records()}
    assert len(scores) > len(ARMS), "or nothing would be compared"


def test_the_plan_says_what_each_arm_costs(ran):
    for arm in ARMS.values():
        size = rf"  {arm.name} +0\.0\d+ M parameters, inputs of at most {arm.max_length} tokens, 3 steps of 8,"
        assert re.search(rf"{size} up to \d\.\d GiB of memory\n", ran.before.stdout)
        assert re.search(rf"{size} \d\.\d GiB of memory \(measured\)\n", ran.after.stdout)
    assert "nothing to train; a run would only rebuild the report" in ran.after.stdout


def test_the_report_begins_with_how_the_arms_differ_and_has_score_and_cost(ran):
    html = (ran.dir.report_dir / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.ids.index("question") < page.ids.index("answer") < page.ids.index("cost")
    table = html[html.index('id="question"') : html.index('id="answer"')]
    for column in ("data.max_length", "encoder.path", "head.crf"):
        assert f">{column}</th>" in table
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]]
    for arm, row in zip(ARMS.values(), rows, strict=True):
        assert row[0].endswith(arm.name)
        assert row[5:8] == [str(arm.max_length), arm.kind, str(arm.crf).lower()]
    cost = html[html.index('id="cost"') : html.index('id="curves"')]
    assert cost.count("<svg") == 2, "over time and over parameters"
    assert {"score_over_time", "score_over_parameters"} <= {path.stem for path in (ran.dir.report_dir / "figures").iterdir()}


def test_mlflow_knows_what_each_arm_changes(ran):
    client, experiment = open_store(ran.dir.home_dir, None, "encoders")
    runs = runs_where(client, experiment, "tags.`bertft.stage` = 'seeds'")
    assert len(runs) == N_SEEDS * len(ARMS)
    for run in runs:
        arm, found = ARMS[run.data.tags["bertft.arm"]], run.data.params
        assert (found["encoder"], found["head.crf"], found["data.max_length"]) == (
            arm.kind,
            str(arm.crf).lower(),
            str(arm.max_length),
        )
        assert found["data.n_train_examples"] == str(SUBSAMPLE["train"])
