"""`bertft diff`: every part of two runs in which they can differ, how it is described, and how a run is found by its names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bertft_core.config import UserError
from bertft_core.evaluation.run_diff.diff_runs import DataChange, RunDiff, card_changes, diff_runs
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk
from bertft_core.records import DatasetCard
from bertft_core.records.compute import Compute
from bertft_core.report.prose.run_diff_text import describe
from bertft_core.storage.study_dir import StudyDir, write_record
from flows.cli.app import main
from flows.cli.diff_command import find_run
from tests.helpers.small_records import make_card, make_environment, make_record, make_spec, make_study


@pytest.fixture
def home(tmp_path) -> Path:
    """A study of two arms and three seeds, all run; the arms differ in strategy and learning rate."""
    study = make_study(arms={"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {"learning_rate": 3e-5}})
    card, study_dir = make_card(tmp_path), StudyDir(tmp_path, study.name)
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    for arm in ("features", "full"):
        for index in range(3):
            make_record(make_spec(study, card, arm, index), card, study_dir, accuracy=0.6 + 0.1 * index)
    return tmp_path


def found(home: Path, a: str, b: str, **changes: Any) -> RunDiff:
    """The difference of two runs of the home; `changes` are to the record of the second."""
    one, other = (find_run(name, home, home) for name in (a, b))
    second = RunOnDisk(other.stored.record.model_copy(update=changes), other.stored.run_dir)
    return diff_runs(one.stored, second, (one.card, other.card), (one.title, other.title))


def test_a_run_does_not_differ_from_itself(home):
    same = found(home, "small/full/0", "small/full/0")
    assert not any([same.settings, same.seeds, same.data, same.encoder, same.environment, same.hashes, same.metrics])
    assert same.first_diverging_step is None
    shown = describe(same).splitlines()
    assert shown[0].startswith("A  small · full · seed 000   ")
    assert [line.split()[0] for line in shown[3:]] == [
        "settings", "seeds", "data", "encoder", "environment", "hashes", "metrics", "curves",
    ]  # fmt: skip
    assert all(line.endswith("the same") for line in shown[3:])


def test_two_seeds_differ_in_seeds_hashes_metrics_and_curves_alone(home):
    two = found(home, "small/full/0", "small/full/2", batch_order_sha256=("a",))
    assert {pair.name for pair in two.seeds} == {"init", "order", "dropout"}
    assert not any([two.settings, two.data, two.encoder, two.environment])
    assert [pair.name for pair in two.hashes] == ["weights_sha256"]
    assert two.first_steps == {"loss": 1, "learning_rate": None, "grad_norm": None}
    shown = describe(two)
    assert re.search(r"  final/test/accuracy +0.6000 → 0.8000  \(\+0.2\)\n", shown)
    assert re.search(r"  and \d+ other metrics +all of them with --json\n", shown)
    assert "  loss  differs from step 1 on" in shown


def test_two_arms_differ_in_their_settings_by_dotted_path(home):
    arms = found(home, "small/features/0", "small/full/0")
    assert [(pair.name, pair.a, pair.b) for pair in arms.settings] == [
        ("training.learning_rate", 2e-5, 3e-5),
        ("strategies.feature_extraction", True, "–"),
        ("strategies.full", "–", True),
    ]
    assert arms.seeds == ()


def test_the_first_epoch_with_another_order_is_named(home):
    orders = {"batch_order_sha256": ("a", "b", "c")}
    first = find_run("small/full/0", home, home).stored
    one = RunOnDisk(first.record.model_copy(update=orders), first.run_dir)
    two = RunOnDisk(first.record.model_copy(update={"batch_order_sha256": ("a", "x")}), first.run_dir)
    assert diff_runs(one, two, (None, None), ("one", "two")).first_other_epoch == 2
    assert "batch order  differs from epoch 2 on" in describe(diff_runs(one, two, (None, None), ("one", "two")))


def test_other_kernels_are_named_as_a_setting_and_as_an_environment(home):
    spec, environment = find_run("small/full/0", home, home).stored.record.spec, make_environment()
    changes = {"spec": spec.model_copy(update={"compute": Compute(kernels="onednn"), "device": "cpu"})}
    assert [(each.name, each.a, each.b) for each in found(home, "small/full/0", "small/full/0", **changes).settings] == [
        ("compute.kernels", "mkl", "onednn")
    ]
    both = (environment.model_copy(update={"kernels": kernels}) for kernels in ("onednn", "mkl"))
    (change,) = environment_changes(*both)
    assert (change.part, change.decides) == ("kernels", True)
    on_gpu = {"environment": environment.model_copy(update={"gpu_driver": "570"})}
    assert ("compute.device", "cpu", "cuda") in [
        (each.name, each.a, each.b) for each in found(home, "small/full/0", "small/full/0", **on_gpu).settings
    ]


def test_other_data_are_reported_by_their_cards_and_an_environment_by_its_parts(home):
    first = find_run("small/full/0", home, home).stored
    card = make_card(home)
    splits = card.splits | {"train": card.splits["train"].model_copy(update={"sha256": "b" * 64, "n_examples": 90})}
    other = card.model_copy(update={"fingerprint": "0" * 64, "splits": splits})
    changes = {
        "spec": first.record.spec.model_copy(update={"data_fingerprint": "0" * 64}),
        "environment": make_environment().model_copy(update={"threads": 2}),
    }
    second = RunOnDisk(first.record.model_copy(update=changes), first.run_dir)
    found = diff_runs(first, second, (card, other), ("one", "two"))
    fingerprints = DataChange(code="fingerprint", a="f" * 16, b="0" * 16)
    assert found.data == (fingerprints, DataChange(code="split_examples", split="train", a=80, b=90))
    assert [(change.part, change.a, change.b) for change in found.environment] == [("threads", "1", "2")]
    shown = describe(found)
    assert f"fingerprint: {'f' * 16} → {'0' * 16}" in shown
    assert "split train: different examples (80 → 90)" in shown
    assert "threads per run  1 → 2" in shown
    assert diff_runs(first, second, (card, None), ("one", "two")).data == (fingerprints, DataChange(code="card_missing"))


def test_cards_differ_in_name_labels_length_and_splits(tmp_path):
    card = make_card(tmp_path)
    assert card_changes(card, card) == []
    fewer = {name: split for name, split in card.splits.items() if name != "test"}
    changed = card.model_copy(update={"labels": ("no", "yes"), "max_length": 64, "splits": fewer, "name": "others"})
    assert card_changes(card, changed) == [
        DataChange(code="name", a="reviews (bundled)", b="others (bundled)"),
        DataChange(code="labels", a="negative, positive", b="no, yes"),
        DataChange(code="max_length", a=32, b=64),
        DataChange(code="split_missing", split="test", a=card.splits["test"].n_examples, b=None),
    ]
    assert card_changes(card, card.model_copy(update={"fingerprint": "0" * 64})) == [DataChange(code="tokenisation")]


def test_a_run_is_found_by_digest_and_by_place(home):
    by_place = find_run("small/full/1", home, home)
    digest = by_place.stored.record.digest
    assert find_run(digest[:8], home, home).stored == find_run(digest, home, home).stored == by_place.stored
    assert isinstance(by_place.card, DatasetCard)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("small/fool/0", "has no arm 'fool'"),
        ("small/full/7", "has no seed 7"),
        ("small/full", "named by the index of its seed too"),
        ("other/full/0", "there is no study 'other'"),
        ("0" * 10, "there is no such run here"),
        ("abc", "no matching run"),
        ("0" * 32, "there is no MLflow store here"),
    ],
)
def test_a_name_that_leads_to_no_run_is_reported(home, name, words):
    with pytest.raises(UserError, match=words):
        find_run(name, home, home)


def test_a_prefix_of_several_runs_is_refused_with_all_of_them(home):
    study_dir = StudyDir(home, "other")
    record = find_run("small/full/1", home, home).stored.record
    twin = record.digest[:20] + "0" * 44
    write_record(study_dir.run_dir(twin) / "record.json", record.model_copy(update={"digest": twin}))
    with pytest.raises(UserError, match="several runs") as error:
        find_run(record.digest[:10], home, home)
    assert str(error.value).count("full · seed 001") == 2


def test_the_command_prints_text_and_json(home, capsys):
    words = ["diff", "small/full/0", "small/full/1", "--home", str(home)]
    for extra in ([], ["--json"]):
        with pytest.raises(SystemExit) as end:
            main(words + extra)
        assert end.value.code == 0
    shown = capsys.readouterr().out
    text, _, values = shown.partition("{")
    assert "settings     the same" in text
    assert RunDiff.model_validate(json.loads("{" + values)) == found(home, "small/full/0", "small/full/1")


def test_a_run_of_mlflow_comes_from_the_store_that_is_named(home, monkeypatch, capsys):
    asked = []

    def not_there(run_id, folder, *, home_dir, uri):
        asked.append((run_id, uri))
        raise UserError("it is not there", code="mlflow.unreadable-run", hint="name another")

    monkeypatch.setattr("tasks.tracking.logged_runs.fetch_run", not_there)
    with pytest.raises(SystemExit):
        main(["diff", "0" * 32, "small/full/1", "--home", str(home), "--tracking-uri", "http://127.0.0.1:9"])
    assert asked == [("0" * 32, "http://127.0.0.1:9")]
