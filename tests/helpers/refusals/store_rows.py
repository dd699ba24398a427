"""Refusals of homes, outputs and records on disk."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from bertft_core.artifacts.store_address import open_store
from bertft_core.storage.disk_errors import disk_user_error
from bertft_core.storage.home_folder import made_home
from bertft_core.storage.output_file import check_output
from bertft_core.storage.study_dir import write_atomically
from flows.cli.app import app
from tasks.process_environment import tracked
from tasks.same_encoder import refuse_other_model
from tests.helpers.made_up_searches import finish, make_run, make_search
from tests.helpers.refusals.refusal import Refusal, raising
from tests.helpers.refusals.stored_copies import own_copy
from tests.helpers.small_records import make_card, make_study


def _no_permission(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:  # root may write everywhere
        patch.setattr("os.access", lambda *_: False)
        made_home(folder / "own")


def _loop(folder: Path) -> None:
    (folder / "own").symlink_to(folder / "own")
    app(["status", "claims", "--home", "own"], standalone_mode=False)


def _full_disk(folder: Path) -> None:
    error = disk_user_error(OSError(errno.ENOSPC, "No space left on device", str(folder / "own")))
    assert error is not None
    raise error


def _other_kind(folder: Path) -> None:
    (folder / "own" / "report.html").mkdir(parents=True)
    try:
        write_atomically(folder / "own" / "report.html", "x")
    except OSError as error:
        found = disk_user_error(error)
        assert found is not None
        raise found from None


def _newer(folder: Path) -> None:
    own_copy(folder, "claims", "claims", version=99)
    app(["show", "claims", "--home", "own"], standalone_mode=False)


def _below_file(folder: Path) -> None:
    (folder / "file").write_text("")
    made_home(folder / "file" / "own")


def _output_that_is_read(folder: Path) -> None:
    (folder / "x.csv").write_text("text\na\n")
    check_output("x.csv", "--output", home=folder / "home", reads=[Path("x.csv")])


def _search_without_trials(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        finish(make_search(folder), lambda spec: make_run(spec, [], "failed")).result(None)


def _store_without_package(_: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsspec.core.url_to_fs", raising(ImportError("Install s3fs to access S3")))
        open_store("s3://bucket/bertft")


def _other_encoder(known: str | None, *replaced: str) -> Callable[[Path], None]:
    """A study whose finished runs know these settings of the encoder, and an encoder with others and these parts to replace."""

    def refused(folder: Path) -> None:
        card = make_card(folder)
        now = card.encoder.model_copy(update={"settings_sha256": "b" * 64})
        parts = {"encoder": now, "new_parts": replaced, "unused_parts": replaced}
        known_identity = now.model_copy(update={"settings_sha256": known})
        refuse_other_model(known_identity, card.model_copy(update=parts), folder / "own" / "studies" / "x")

    return refused


INPUT = {"x.csv": "text\na film\n"}

ROWS = (
    Refusal("home.not-a-folder", "status claims --home file", {"file": ""}, "file"),
    Refusal("home.odd-character", "status claims --home 'a?b'", place="a?b"),
    Refusal("home.cannot-be-used", call=_loop, place="own"),
    Refusal("home.cannot-be-created", call=_below_file, place="file/own"),
    Refusal("home.cannot-be-written", call=_no_permission, place="own"),
    Refusal("output.is-a-folder", "predict claims --input x.csv --output encoder", INPUT, "encoder"),
    Refusal("output.cannot-be-written", "predict claims --input x.csv --output x.csv/y", INPUT, "x.csv/y"),
    Refusal("output.in-the-home", "predict claims --input x.csv --output home/mlflow.db", INPUT, "home/mlflow.db"),
    Refusal("output.is-read", call=_output_that_is_read, place="x.csv"),
    Refusal("tracking.password-left-out", call=lambda _: tracked(make_study(tracking={"uri": "postgresql://***@host/db"}))),
    Refusal("store.credentials-in-address", call=lambda _: open_store("s3://user:secret@bucket/bertft")),
    Refusal("store.unknown-protocol", call=lambda _: open_store("nothing://bucket/bertft")),
    Refusal("store.package-missing", call=_store_without_package),
    Refusal("study.not-a-name", "status ../studies/claims"),
    Refusal("study.encoder-settings-changed", call=_other_encoder("a" * 64), place="own/studies/x"),
    Refusal("study.checkpoint-head", call=_other_encoder(None, "classifier"), place="own/studies/x"),
    Refusal("disk.other-kind", call=_other_kind, place="own/report.html"),
    Refusal("disk.full-or-closed", call=_full_disk, place="own"),
    Refusal("record.newer-version", call=_newer, place="own/studies/claims/config.json"),
    Refusal("search.no-complete-trial", call=_search_without_trials),
    Refusal("predict.no-examples", "predict claims --input x.csv --arm full", {"x.csv": "text\n"}, "x.csv:1"),
    Refusal(
        "predict.id-invalid", "predict claims --input x.jsonl --arm full", {"x.jsonl": '{"id": [1], "text": "a"}'}, "x.jsonl:1"
    ),
)
