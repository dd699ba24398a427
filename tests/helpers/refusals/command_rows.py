"""Refusals of commands over studies that are there."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

import bertft_core as bertft
from bertft_core.config.head_settings import RegressionHead
from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.comparison.request import ComparisonRequest, plan_comparison
from bertft_core.library.export_model import empty_folder
from bertft_core.records import DatasetCard, StudySummary
from bertft_core.storage.study_dir import StudyDir, checked_record
from bertft_core.storage.study_results import StudyResults
from flows.cli.app import app
from tasks.lease_places import StorePlace
from tasks.process_environment import check_current_folder, check_interpreter
from tasks.study_lease import StudyLease, lost
from tasks.study_lock import held, refuse_older, take_lock
from tests.helpers.refusals.refusal import Refusal
from tests.helpers.refusals.stored_copies import own_copy


def _results(folder: Path, name: str) -> StudyResults:
    study_dir = StudyDir(folder / "home", name)
    study, card = checked_record(study_dir.config_path, StudyConfig), checked_record(study_dir.card_path, DatasetCard)
    summary = checked_record(study_dir.summary_path, StudySummary)
    return StudyResults(study, card, study_dir, {}, evaluated=summary)


def _different_tasks(folder: Path) -> None:
    first, other = _results(folder, "claims"), _results(folder, "rich")
    regression = other.study.model_copy(update={"head": RegressionHead()})
    plan_comparison([first, replace(other, study=regression)], ComparisonRequest())


def _selected_seeds(folder: Path) -> None:
    own_copy(folder, "many", "many")
    own_copy(folder, "many", "again", seed=1)
    app(["seeds", "many", "again", "--home", "own"], standalone_mode=False)


def _export_onto_files(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "README.md").write_text("mine")
    empty_folder(folder / "out", folder / "home")


def _folder_that_is_gone(folder: Path) -> None:
    (folder / "gone").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "gone")
        (folder / "gone").rmdir()
        check_current_folder()


def _without_docstrings(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.flags", SimpleNamespace(optimize=2))
        check_interpreter()


def _no_record(folder: Path) -> None:
    shutil.rmtree(own_copy(folder, "claims", "claims") / "runs")
    app(["diff", "claims/full/0", "claims/full/1", "--home", "own"], standalone_mode=False)


def _not_evaluated(folder: Path) -> None:
    (own_copy(folder, "claims", "claims") / "summary.json").unlink()
    app(["show", "claims", "--home", "own"], standalone_mode=False)


def _renamed_by_hand(folder: Path) -> None:
    copy = own_copy(folder, "claims", "claims")
    copy.rename(copy.with_name("claims2"))
    app(["plan", "claims2", "--home", "own"], standalone_mode=False)


def _no_best_arm(folder: Path) -> None:
    (own_copy(folder, "claims", "claims") / "summary.json").unlink()
    app(["predict", "claims", "--input", "x.csv", "--home", "own"], standalone_mode=False)


def _no_runs(folder: Path) -> None:
    shutil.rmtree(own_copy(folder, "claims", "claims") / "runs")
    app(["report", "claims", "--home", "own"], standalone_mode=False)


def _damaged_store(folder: Path) -> None:
    (folder / "own").mkdir()
    (folder / "own" / "mlflow.db").write_bytes(b"not a database, but long enough to be taken for one" * 4)


def _ui_of_damaged_store(folder: Path) -> None:
    _damaged_store(folder)
    app(["ui", "--home", "own"], standalone_mode=False)


def _replay_of_damaged_store(folder: Path) -> None:
    _damaged_store(folder)
    app(["replay", "claims/full/0", "--home", "own"], standalone_mode=False)


def _older_version(folder: Path) -> None:
    own_copy(folder, "claims", "claims", version=1)
    refuse_older(StudyDir(folder / "own", "claims"), force=False)


def _locked(folder: Path) -> None:
    with held(StudyDir(folder / "own", "x")):
        take_lock(StudyDir(folder / "own", "x"), FileLock(folder / "own" / "studies" / "x" / "lock"))


def _answers(*rows: str, header: str = "arm,seed,example,label,prediction") -> dict[str, str]:
    """A file of predictions."""
    return {"x.csv": "\n".join([header, *rows]) + "\n"}


def _run_of_older(folder: Path) -> None:
    own_copy(folder, "claims", "claims", version=1)
    values = {"name": "claims", "data": {"source": "bundled", "name": "topics"}, "arms": {"full": {}}}
    bertft.run(values, home=folder / "own", quiet=True)


def _given(folder: Path, **data: object) -> None:
    bertft.run({"name": "x", "arms": {"full": {}}}, data=data, home=folder / "own")


ANSWERS = "compare --csv x.csv"
RIGHT = "a,0,1,yes,yes"
LISTS = '{"arm": "a", "seed": 0, "example": 1, "label": ["x"], "prediction": ["x"]}\n'
SHARES = "arm,seed,example,label,prediction,probability/no,probability/yes"


def _leases(folder: Path) -> tuple[StudyLease, StorePlace]:
    (folder / "own" / "studies" / "x").mkdir(parents=True)
    place = StorePlace(f"file://{folder / 'store'}", "x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("getpass.getuser", lambda: "ada")
        return StudyLease(place, folder / "own" / "studies" / "x", "ours", tell=print, on_loss=lambda: None), place


def _leased(folder: Path) -> None:
    lease, place = _leases(folder)
    try:
        StudyLease(place, folder / "x", "theirs", tell=print, on_loss=lambda: None)
    finally:
        lease.end()


def _lost_lease(folder: Path) -> None:
    lease, place = _leases(folder)
    lease.end()
    holder = place.newest()
    assert holder is not None
    raise lost("x", holder, place.name)


INPUT = {"x.csv": "text,label\na film,good\n"}

ROWS = (
    Refusal("study.not-found", "show clams", place="home"),
    Refusal("study.not-a-folder", call=lambda folder: bertft.load_study(folder / "home" / "studies"), place="home/studies"),
    Refusal("environment.no-docstrings", call=_without_docstrings),
    Refusal("output.not-ours", "compare claims many --output out", {"out/comparison.html": "mine"}, "out"),
    Refusal("path.current-folder", call=_folder_that_is_gone),
    Refusal("study.not-evaluated", call=_not_evaluated, place="own/studies/claims"),
    Refusal("study.renamed", call=_renamed_by_hand, place="own/studies/claims2"),
    Refusal("study.no-finished-runs", call=_no_runs, place="own/studies/claims"),
    Refusal("study.older-version", call=_older_version, place="own/studies/claims"),
    Refusal("study.locked", call=_locked, place="own/studies/x"),
    Refusal("study.leased", call=_leased),
    Refusal("study.lease-lost", call=_lost_lease),
    Refusal("seeds.power", "seeds --sd 0.02 --effect 0.01 --power 2"),
    Refusal("seeds.not-positive", "seeds --sd 0"),
    Refusal("seeds.exceed-not-finite", "seeds claims --exceed nan"),
    Refusal("seeds.study-or-spread", "seeds"),
    Refusal("seeds.needs-study", "seeds --sd 0.02 --arm full"),
    Refusal("seeds.no-metric", "seeds claims --metric f2"),
    Refusal("seeds.unknown-arm", "seeds claims --arm fulll"),
    Refusal("diff.no-matching-run", "diff xyz abcdef"),
    Refusal("diff.no-such-run", "diff abcdef00 abcdef00", place="home"),
    Refusal("diff.unknown-arm", "diff claims/none/0 claims/none/0"),
    Refusal("diff.unknown-seed", "diff claims/full/99 claims/full/0"),
    Refusal("diff.no-record", call=_no_record),
    Refusal("compare.nothing-named", "compare claims --split nowhere"),
    Refusal("compare.nothing-given", "compare"),
    Refusal("compare.too-few-resamples", "compare claims --resamples 3"),
    Refusal("compare.too-many-resamples", "compare claims --resamples 1000000000000"),
    Refusal("compare.different-tasks", call=_different_tasks),
    Refusal("compare.selected-seeds", call=_selected_seeds),
    Refusal("compare.variance-not-estimable", "seeds claims rich"),
    Refusal("answers.format", "compare --csv x.txt", {"x.txt": "a"}, "x.txt"),
    Refusal("answers.none", ANSWERS, _answers(), "x.csv:1"),
    Refusal("answers.empty-cell", ANSWERS, _answers(RIGHT, "a,0,2,,yes"), "x.csv:3"),
    Refusal("answers.several-values", "compare --csv x.jsonl", {"x.jsonl": LISTS}, "x.jsonl:1"),
    Refusal("answers.seed", ANSWERS, _answers("a,first,1,yes,yes"), "x.csv:2"),
    Refusal("answers.two-labels", ANSWERS, _answers(RIGHT, "a,1,1,no,yes"), "x.csv:3"),
    Refusal("answers.twice", ANSWERS, _answers(RIGHT, RIGHT), "x.csv:3"),
    Refusal("answers.other-examples", ANSWERS, _answers(RIGHT, "a,0,2,no,no", "b,0,1,yes,no"), "x.csv:4"),
    Refusal("answers.one-label", ANSWERS, _answers(RIGHT), "x.csv"),
    Refusal("answers.no-number", ANSWERS, _answers("a,0,1,2.5,n/a"), "x.csv:2"),
    Refusal("answers.other-labels", ANSWERS, _answers("a,0,1,True,true"), "x.csv:2"),
    Refusal("answers.probability", ANSWERS, _answers("a,0,1,no,yes,0.4,1.6", header=SHARES), "x.csv:2"),
    Refusal("answers.not-the-likeliest", ANSWERS, _answers("a,0,1,no,yes,0.6,0.4", header=SHARES), "x.csv:2"),
    Refusal("study.nothing-named", call=lambda folder: bertft.load_study("claims").plot.scores("accurac")),
    Refusal("given-data.no-train", call=lambda folder: _given(folder, test=[])),
    Refusal("given-data.not-a-table", call=lambda folder: _given(folder, train=["a film"])),
    Refusal("run.refused", call=_run_of_older),
    Refusal("init.unknown-task", "init regresion"),
    Refusal("init.file-exists", "init --output x.yaml", {"x.yaml": "name: mine"}, "x.yaml"),
    Refusal("fetch.already-here", "fetch claims", place="home/studies/claims"),
    Refusal("open.no-report", "open claims", place="home/studies/claims/report/report.html"),
    Refusal("verify.runs", "verify claims --runs none"),
    Refusal("export.not-empty", call=_export_onto_files, place="out"),
    Refusal("predict.not-an-example", call=lambda folder: bertft.predict("claims", [3]), place="texts:1"),
    Refusal("predict.seed-and-ensemble", "predict claims --input x.csv --seed 0 --ensemble", INPUT),
    Refusal("predict.unknown-arm", "predict claims --input x.csv --arm none", INPUT, place="home/studies/claims"),
    Refusal("predict.no-such-seed", "predict claims --input x.csv --arm full --seed 99", INPUT),
    Refusal("predict.models-not-kept", "predict claims --input x.csv --arm full", INPUT, place="home/studies/claims/runs"),
    Refusal("predict.no-best-arm", files=INPUT, call=_no_best_arm, place="own/studies/claims"),
    Refusal("mlflow.no-store-in-home", "replay claims/full/0", place="home/mlflow.db"),
    Refusal("mlflow.no-store", "replay claims/full/0 --tracking-uri nowhere://x"),
    Refusal("mlflow.unreadable-store", call=_replay_of_damaged_store, place="own/mlflow.db"),
    Refusal("mlflow.damaged-store", call=_ui_of_damaged_store, place="own/mlflow.db"),
    Refusal("ui.nothing-to-show", "ui --home empty", place="empty"),
    Refusal("prefect.no-server", "announce quickstart"),
    Refusal("watch.no-files", "watch topics --once"),
)
