"""Outputs that a user names never destroy anything: special files are written to, links followed, what is read is kept."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.config.base import Frozen
from bertft_core.storage import study_dir
from bertft_core.storage.output_file import check_output, check_output_folder, write_output
from bertft_core.storage.study_dir import write_record

NO_HOME = Path("/no/home")


class Named(Frozen):
    """A record of no interest."""

    name: str


def refused(path, *reads) -> UserError:
    with pytest.raises(UserError) as caught:
        check_output(path, "--output", home=NO_HOME, reads=reads)
    assert caught.value.hint
    return caught.value


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_output(check_output(pipe, "--output", home=NO_HOME), "rows\n" * 50_000, "--output")
    reader.join()
    assert got == [b"rows\n" * 50_000]
    assert pipe.is_fifo()


def test_a_descriptor_is_written_to():
    reads, writes = os.pipe()
    write_output(check_output(f"/dev/fd/{writes}", "--output", home=NO_HOME), "row\n", "--output")
    os.close(writes)
    assert os.read(reads, 100) == b"row\n"
    os.close(reads)


def test_a_device_is_written_to_and_stays_a_device():
    write_output(check_output("/dev/null", "--output", home=NO_HOME), "row\n", "--output")
    assert Path("/dev/null").is_char_device()


def test_a_full_device_is_a_refusal(tmp_path):
    with pytest.raises(UserError) as caught:
        write_output(check_output("/dev/full", "--output", home=NO_HOME), "row\n", "--output")
    assert caught.value.code == "output.cannot-be-written"


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    target, link = tmp_path / "there.jsonl", tmp_path / "link.jsonl"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_output(check_output(link, "--output", home=NO_HOME), "new", "--output")
    assert (link.is_symlink(), target.read_text(), target.stat().st_mode & 0o777) == (True, "new", 0o640)


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    (tmp_path / "out.jsonl").write_text("old")

    def no_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(study_dir.os, "fsync", no_disk)
    with pytest.raises(UserError, match="No space left"):
        write_output(check_output(tmp_path / "out.jsonl", "--output", home=NO_HOME), "new", "--output")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out.jsonl": "old"}


@pytest.mark.parametrize("how", ["itself", "symlink", "hard link", "by another path"])
def test_what_is_read_is_never_replaced(tmp_path, how):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("x")
    if how == "symlink":
        output.symlink_to(source)
    elif how == "hard link":
        output.hardlink_to(source)
    else:
        output = source if how == "itself" else tmp_path / "gone" / ".." / "in.jsonl"
    assert refused(output, source).code == "output.is-read"


def test_nothing_is_written_into_a_folder_that_is_read(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "study")
    assert refused(tmp_path / "link" / "new.jsonl", tmp_path / "study").code == "output.is-read"


def test_a_folder_and_a_place_below_a_file_are_refused(tmp_path):
    assert refused(tmp_path).code == "output.is-a-folder"
    write_output(check_output(tmp_path / "made" / "out.jsonl", "--output", home=NO_HOME), "row", "--output")
    assert refused(tmp_path / "made" / "out.jsonl" / "x").code == "output.cannot-be-written"
    assert refused(tmp_path / ("x" * 300)).code == "path.unusable"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as caught:
        check_output_folder(tmp_path / "file", "--output", home=NO_HOME)
    assert caught.value.code == "output.cannot-be-written"


PARTS = ["mlflow.db", "mlflow.db-wal", "mlflow.lock", "prefect/prefect.db", "studies/other/config.json", "studies/new/out.jsonl"]
PARTS += ["data/card.json", "encoders/proof.json", "logs/mlflow-ui.log", "mlflow-artifacts/x", "comparisons/a+b/comparison.json"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("name", ["its own", "a link", "another home"])
def test_what_bertft_has_in_a_home_is_no_place_for_an_output(tmp_path, part, there, name):
    home = tmp_path / "home"
    for record in ("config.json", "card.json"):
        write_record(home / "studies" / "prepared" / record, Named(name=record))
    path, given = home / part, NO_HOME if name == "another home" else home
    if there:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    if name == "a link":
        (tmp_path / "link").symlink_to(home)
        path = tmp_path / "link" / part
    before = sorted(home.rglob("*"))
    for check in (check_output, check_output_folder):
        if (check, part.partition("/")[0]) == (check_output_folder, "comparisons"):
            continue  # where comparisons go by default
        with pytest.raises(UserError) as caught:
            check(path, "--output", home=given)
        assert (caught.value.code, caught.value.hint) == ("output.in-the-home", "name a place outside of the home")
    assert sorted(home.rglob("*")) == before


def test_other_places_in_a_home_and_alike_ones_elsewhere_are_the_users(tmp_path):
    home = tmp_path / "home"
    assert check_output(home / "out.jsonl", "--output", home=home) == home / "out.jsonl"
    assert check_output(tmp_path / "data" / "out.jsonl", "--output", home=home) == tmp_path / "data" / "out.jsonl"
    for folder in (home / "comparisons" / "mine", tmp_path / "studies" / "tables"):
        assert check_output_folder(folder, "--output", home=home) == folder
        assert folder.is_dir()


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("é" * 127)
    write_output(check_output(path, "--output", home=NO_HOME), "row", "--output")
    assert path.read_text() == "row"


def test_a_file_that_a_folder_only_links_to_is_read_too(tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"  # as in the cache of the hub
    blobs.mkdir()
    snapshot.mkdir()
    (blobs / "weights").write_text("weights")
    (snapshot / "model.safetensors").symlink_to(blobs / "weights")
    (snapshot / "dangling").symlink_to(blobs / "gone")
    assert refused(blobs / "weights", snapshot).code == "output.is-read"
    assert refused(snapshot / "new", snapshot).code == "output.is-read"
    assert check_output(blobs / "new", "--output", home=NO_HOME, reads=[snapshot]) == blobs / "new"
