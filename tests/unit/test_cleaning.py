"""`bertft clean` lists what no study needs, deletes it only when asked to, and never while a command runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from filelock import FileLock

from bertft_core.artifacts.store_address import default_address
from bertft_core.config import StudyConfig
from bertft_core.data.arrow_storage import lock_path
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from flows.cli.app import main
from flows.cli.find_study import find_study
from tasks.lease_places import StorePlace
from tasks.study_lease import StudyLease
from tests.helpers.small_records import make_card, make_record, make_study

GONE = 2**22 + 1
"""No process has this id."""
ARMS = {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}}


def put(path: Path, n_bytes: int = 2048) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0" * n_bytes)
    return path


@pytest.fixture
def home(tmp_path) -> Path:
    """A home with a finished study; every run still has its model."""
    home = tmp_path / "home"
    study = make_study(arms=ARMS, seeds={"n": 2})
    card = make_card(home).model_copy(update={"directory": str(home / "data" / ("f" * 64))})
    write_study(home, study, card, ended=True)
    put(home / "data" / card.fingerprint / "train.arrow")
    return home


def write_study(home: Path, study: StudyConfig, card: DatasetCard, *, ended: bool) -> dict[str, RunRecord]:
    study_dir = StudyDir(home, study.name)
    planned = plan_runs(study, card, {})
    records = {}
    for spec in planned if ended else planned[:1]:
        records[spec.digest] = make_record(spec, card, study_dir, accuracy=0.7 + 0.1 * spec.index)
        put(study_dir.run_dir(spec.digest) / "model" / "model.safetensors")
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    if ended:
        write_record(study_dir.summary_path, summarize(StudyResults(study, card, study_dir, records, planned)))
    return records


def clean(capsys, home: Path, *words: str, expect: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["clean", *words, "--home", str(home)])
    captured = capsys.readouterr()
    assert int(ended.value.code or 0) == expect, captured.err
    return re.sub(r"(?<=--yes): bertft clean .*", "", captured.out) + captured.err  # the command to paste has the home's path


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and path.name not in ("lock", "lock.json")}


def leftovers(home: Path) -> dict[str, str]:
    """What can go from the study, put there: the file → a word of why."""
    study_dir = StudyDir(home, "small")
    worst = [record for record in study_dir.records() if record.spec.index == 0]
    run_dir = study_dir.run_dir(worst[0].digest)
    found = {study_dir.run_dir(record.digest) / "model" / "model.safetensors": "retention" for record in worst}
    found[put(run_dir / "checkpoint" / "step-00000001" / "state.safetensors")] = "checkpoint of a run that has ended"
    found[put(run_dir / "curves.jsonl.damaged")] = "damaged"
    found[put(run_dir / f".record.json.{GONE}.part")] = "temporary"
    found[put(study_dir.path / "logs" / "worker-0.log")] = "log"
    return {str(path.relative_to(home)): why for path, why in found.items()}


def test_what_a_study_does_not_need_is_listed_and_stays_until_asked_for(home, capsys):
    expected, before = leftovers(home), files(home)
    text = clean(capsys, home, "small")
    for path, why in expected.items():
        line = next(line for line in text.splitlines() if line.endswith(")") and any(part in line for part in _parts(path)))
        assert why in line
    assert f"would delete {len(expected)} files and folders, 12 KiB; do it with --yes" in text
    assert files(home) == before
    assert clean(capsys, home, "small", "--dry-run") == text
    assert f"deleted: {len(expected)} files and folders" in clean(capsys, home, "small", "--yes")
    assert files(home) == before - expected.keys()
    assert "nothing to delete" in clean(capsys, home, "small")
    assert sum(path.endswith("model.safetensors") for path in files(home)) == 2, "the best seed of each arm"


def test_a_home_that_is_mistyped_is_said_to_be_none(tmp_path, capsys):
    assert clean(capsys, tmp_path / "hmoe") == f"nothing to delete: there is no {tmp_path / 'hmoe'}\n"
    assert not (tmp_path / "hmoe").exists()


def _parts(path: str) -> list[str]:
    """A listed path may be the folder that a file lies in."""
    return [f"  {parent} " for parent in (path, *map(str, Path(path).parents))]


def test_runs_of_settings_that_are_in_no_config_any_more_go(home, capsys):
    study, card = make_study(arms=ARMS | {"full": {"learning_rate": 1e-3}}, seeds={"n": 2}), make_card(home)
    (old,) = [record for record in StudyDir(home, "small").records() if (record.spec.arm, record.spec.index) == ("full", 0)]
    card = card.model_copy(update={"directory": str(home / "data" / ("f" * 64))})
    write_study(home, study, card, ended=True)
    found = find_study("small", home)
    assert old.digest in found.unplanned
    assert len(found.unplanned) == 2
    text = clean(capsys, home, "--yes")
    assert text.count("run of settings that are not in the study's config") == 2
    assert not StudyDir(home, "small").run_dir(old.digest).exists()
    assert len(list(StudyDir(home, "small").records())) == 4


def test_data_that_no_study_uses_and_features_that_nobody_asks_for_go(home, capsys):
    put(home / "data" / ("0" * 64) / "train.arrow")
    put(home / "data" / ("f" * 64) / "features" / "abc" / "train.npy")
    text = clean(capsys, home)
    assert f"data/{'0' * 64}  (prepared data that no study uses)" in text
    assert f"data/{'f' * 64}/features  (stored states" in text
    write_study(home, make_study(name="other", arms=ARMS), make_card(home), ended=False)
    text = clean(capsys, home)
    assert "features  (stored states" not in text, "the other study has runs to train"
    assert "studies/other" not in text, "which model is the best is not known yet"
    clean(capsys, home, "--yes")
    assert not (home / "data" / ("0" * 64)).exists()
    assert (home / "data" / ("f" * 64) / "train.arrow").exists()


def test_what_a_living_process_makes_stays(home, capsys):
    data, study_dir = home / "data", StudyDir(home, "small")
    made, left = put(data / f".{'1' * 16}.part" / "train.arrow"), put(data / f".{'2' * 16}.part" / "train.arrow")
    written = put(study_dir.path / f".summary.json.{os.getpid()}.part")
    os.utime(put(study_dir.path / f".card.json.{os.getpid()}.part"), (0, 0))  # of an earlier process with this id
    with FileLock(lock_path(data / ("1" * 64))):
        text = clean(capsys, home, "--yes")
    assert made.exists()
    assert written.exists()
    assert not left.exists()
    assert "card.json" in text
    assert "summary.json" not in text


def test_data_stay_while_a_study_runs_that_began_when_the_studies_were_known_already(home, capsys, monkeypatch):
    unused, began = put(home / "data" / ("0" * 64) / "train.arrow"), StudyDir(home, "began").path / "lock"
    began.parent.mkdir(parents=True)
    with FileLock(began):
        assert "prepared data" not in clean(capsys, home)
    lock = FileLock(began)
    assert "prepared data" in clean(capsys, home)
    with monkeypatch.context() as patch:
        patch.setattr("flows.cli.clean_command._print", lambda *_: lock.acquire())  # between listing and deleting
        assert clean(capsys, home, "--yes").startswith("deleted: ")
    assert unused.exists()
    lock.release()
    clean(capsys, home, "--yes")
    assert not unused.parent.exists()


def test_nothing_is_deleted_while_a_command_runs(home, capsys):
    leftovers(home)
    before = files(home)
    with FileLock(StudyDir(home, "small").path / "lock"):
        for words in (["small", "--yes"], ["--yes"], ["small"]):
            assert "another command is running the study 'small'" in clean(capsys, home, *words, expect=2)
    assert files(home) == before


def test_databases_that_were_set_aside_go_and_those_in_use_stay(home, capsys):
    aside = [put(home / name) for name in ("prefect/prefect.db.damaged", "prefect/prefect.db.damaged-wal", "mlflow.db.damaged")]
    aside.append(put(home / "prefect" / f".prefect.db.{GONE}.part"))
    made = f"prefect/.prefect.db.{os.getpid()}.part"
    used = [put(home / name) for name in ("prefect/prefect.db", "prefect/prefect.db-wal", "prefect/server.log", made)]
    clean(capsys, home, "--yes")
    assert not any(path.exists() for path in aside)
    assert all(path.exists() for path in used)


def test_what_the_user_has_in_the_same_folder_is_no_leftover(home, capsys):
    names = (
        "data/train/texts.csv",
        "data/texts.csv.damaged",
        "data/.notes.part",
        "logs/own.log",
        "thesis.damaged",
    )
    own = {put(home / name) for name in names}
    assert clean(capsys, home) == clean(capsys, home, "small")
    clean(capsys, home, "--yes")
    assert all(path.exists() for path in own)


def artifact(home: Path, key: str) -> Path:
    return put(home / "artifacts" / key / "manifest.json").parent


def test_artifacts_of_no_study_go_and_those_of_another_home_that_works_with_them_stay(home, capsys):
    ran = next(iter(StudyDir(home, "small").records())).digest
    unknown = [artifact(home, f"{kind}/{'a' * 64}") for kind in ("state", "run", "model", "probes")]
    unknown.append(artifact(home, f"data/{'b' * 64}-{'c' * 8}"))
    ended = artifact(home, f"state/{ran}")
    kept = [artifact(home, f"data/{'f' * 64}"), artifact(home, "encoder/1"), artifact(home, "state/of-others")]
    theirs = home.with_name("theirs") / "studies" / "other"
    theirs.mkdir(parents=True)
    address = default_address(home)
    lease = StudyLease(StorePlace(address, "other"), theirs, "theirs", tell=print, on_loss=print)
    assert "artifacts" not in clean(capsys, home)
    lease.end()

    shown = clean(capsys, home)
    assert shown.count("artifacts/") == len(unknown) + 1
    assert "(state or result, between machines, of a run that has ended)" in shown
    clean(capsys, home, "--yes")
    assert [path for path in [*unknown, ended] if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


def test_the_state_of_a_run_that_has_not_ended_stays(home, tmp_path, capsys):
    other = make_study(name="unfinished", arms=ARMS, seeds={"n": 4})
    card = make_card(home).model_copy(update={"directory": str(home / "data" / ("f" * 64))})
    write_study(home, other, card, ended=False)
    planned = {spec.digest for spec in plan_runs(other, card, {})}
    states = [artifact(home, f"state/{digest}") for digest in planned]
    shown = clean(capsys, home)
    done = {record.digest for study in ("unfinished", make_study().name) for record in StudyDir(home, study).records()}
    assert {path.name for path in states if f"state/{path.name}" in shown} == planned & done
    assert planned - done
