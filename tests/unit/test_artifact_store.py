"""An artifact is there whole or not at all, comes back as it was stored, and is downloaded once per machine."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bertft_core.artifacts.artifact_keys import data_key, encoder_key, run_key, state_key
from bertft_core.artifacts.artifact_store import ArtifactDamaged, ArtifactMissing, ArtifactStore
from bertft_core.artifacts.manifest import MANIFEST, Manifest, StoredFile
from bertft_core.artifacts.store_address import default_address
from bertft_core.config import UserError

KEY = "data/0123"
NAMES = ("train.arrow", "replay/texts.arrow")


@pytest.fixture
def folder(tmp_path):
    """What is stored."""
    folder = tmp_path / "original"
    (folder / "replay").mkdir(parents=True)
    (folder / "train.arrow").write_bytes(b"rows" * 5000)
    (folder / "replay" / "texts.arrow").write_bytes(b"texts")
    (folder / "features").write_bytes(b"of this machine")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def blob_of(store: ArtifactStore, name: str) -> str:
    """Where a file lies in the store."""
    files = json.loads(store._files.cat_file(f"{store._root}/{KEY}/{MANIFEST}"))["files"]
    return f"{store._root}/{KEY}/{files[name]['sha256']}"


def damage(store: ArtifactStore, name: str, content: bytes) -> None:
    store._files.pipe_file(blob_of(store, name), content)


def test_what_was_stored_comes_back_on_another_machine(address, folder, tmp_path):
    ours, theirs = ArtifactStore(address, tmp_path / "a"), ArtifactStore(address, tmp_path / "b")
    assert not theirs.has(KEY)
    ours.put(KEY, folder, NAMES)
    assert theirs.has(KEY)
    assert files_of(theirs.get(KEY)) == {name: (folder / name).read_bytes() for name in NAMES}
    assert ours.sent_bytes == theirs.fetched_bytes == 20_005


def test_nothing_is_sent_or_downloaded_twice(address, folder, tmp_path):
    store = ArtifactStore(address, tmp_path / "a")
    store.put(KEY, folder, NAMES)
    first = store.get(KEY)
    store.put(KEY, folder, NAMES)
    again = ArtifactStore(address, tmp_path / "a")
    assert again.get(KEY) == first == store.get(KEY)
    assert (store.sent_bytes, store.fetched_bytes, again.fetched_bytes) == (20_005, 20_005, 0)


def test_what_a_machine_adds_to_its_copy_stays(address, folder, tmp_path):
    store = ArtifactStore(address, tmp_path / "a")
    store.put(KEY, folder, NAMES)
    copy = store.get(KEY)
    (copy / "features").write_bytes(b"computed here")
    (copy / "train.arrow").write_bytes(b"torn")
    assert files_of(store.get(KEY)) == {name: (folder / name).read_bytes() for name in NAMES} | {"features": b"computed here"}


def test_a_damaged_copy_is_downloaded_again_and_only_it(address, folder, tmp_path):
    ArtifactStore(address, tmp_path / "a").put(KEY, folder, NAMES)
    copy = ArtifactStore(address, tmp_path / "a").get(KEY)
    (copy / "replay" / "texts.arrow").write_bytes(b"tExts")
    again = ArtifactStore(address, tmp_path / "a")
    assert (again.get(KEY) / "replay" / "texts.arrow").read_bytes() == b"texts"
    assert again.fetched_bytes == 5


@pytest.mark.parametrize("content", [b"", b"texte", b"longer than it was"])
def test_a_damaged_file_in_the_store_is_refused_and_can_be_stored_again(address, folder, tmp_path, content):
    store, other = ArtifactStore(address, tmp_path / "a"), ArtifactStore(address, tmp_path / "b")
    store.put(KEY, folder, NAMES)
    damage(store, "replay/texts.arrow", content)
    with pytest.raises(ArtifactDamaged, match=r"texts\.arrow"):
        other.get(KEY)
    assert not (tmp_path / "b" / KEY / "replay" / "texts.arrow").exists()
    store.put(KEY, folder, NAMES, replace=True)
    assert files_of(other.get(KEY)) == {name: (folder / name).read_bytes() for name in NAMES}


def test_a_file_that_the_way_has_changed_once_is_downloaded_again(address, folder, tmp_path, monkeypatch):
    store = ArtifactStore(address, tmp_path / "a")
    store.put(KEY, folder, NAMES)
    whole, calls = store._files.get_file, []

    def torn_at_first(source, target, **how):
        calls.append(source)
        whole(source, target, **how)
        if len(calls) == 1:
            Path(target).write_bytes(b"half")

    monkeypatch.setattr(store._files, "get_file", torn_at_first)
    assert files_of(store.get(KEY)) == {name: (folder / name).read_bytes() for name in NAMES}
    assert len(calls) == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"files": {}, "sha256": "0"}'])
def test_a_damaged_list_of_files_is_refused(address, folder, tmp_path, content):
    store = ArtifactStore(address, tmp_path / "a")
    store.put(KEY, folder, NAMES)
    store._files.pipe_file(f"{store._root}/{KEY}/{MANIFEST}", content)
    with pytest.raises(ArtifactDamaged, match="list of files"):
        store.get(KEY)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_name_that_leads_out_of_the_folder_is_refused(address, tmp_path, name):
    store = ArtifactStore(address, tmp_path / "a")
    store._files.makedirs(f"{store._root}/{KEY}", exist_ok=True)
    listed = Manifest(files={name: StoredFile(sha256="0" * 64, size=1)})
    store._files.pipe_file(f"{store._root}/{KEY}/{MANIFEST}", listed.encoded())
    with pytest.raises(ArtifactDamaged, match="name"):
        store.get(KEY)


def test_an_interrupted_upload_is_nothing_and_goes_on_where_it_stopped(address, folder, tmp_path, monkeypatch):
    store, whole = ArtifactStore(address, tmp_path / "a"), ArtifactStore(address, tmp_path / "a")._files.put_file

    def fails_at_the_second(source, target, **how):
        if Path(source).name == "train.arrow":
            raise OSError("the network is gone")
        whole(source, target, **how)

    with monkeypatch.context() as patch:
        patch.setattr(store._files, "put_file", fails_at_the_second)
        with pytest.raises(OSError, match="network"):
            store.put(KEY, folder, NAMES)
    assert not store.has(KEY)
    with pytest.raises(ArtifactMissing):
        store.get(KEY)
    store.put(KEY, folder, NAMES)
    assert store.sent_bytes == 20_005, "the first file was there already"
    assert files_of(store.get(KEY)).keys() == set(NAMES)


def test_a_part_under_the_final_name_is_sent_again(address, folder, tmp_path):
    """Some file systems show an upload before it is complete."""
    store = ArtifactStore(address, tmp_path / "a")
    store.put(KEY, folder, NAMES)
    damage(store, "train.arrow", b"ro")
    store._files.rm_file(f"{store._root}/{KEY}/{MANIFEST}")
    store.put(KEY, folder, NAMES)
    assert files_of(store.get(KEY)) == {name: (folder / name).read_bytes() for name in NAMES}


def test_a_newer_state_takes_the_place_of_the_one_before(address, tmp_path):
    store, key = ArtifactStore(address, tmp_path / "a"), state_key("77")
    for step, text in ((4, "four"), (8, "eight")):
        state = tmp_path / f"state-{step}"
        state.mkdir()
        (state / f"step-{step}").write_text(text)
        store.put(key, state, [f"step-{step}"], replace=True)
    store.fetch(key, tmp_path / "run")
    assert files_of(tmp_path / "run") == {"step-8": b"eight"}
    assert len(store._files.find(f"{store._root}/{key}")) == 2, "one file and the list of files"


def test_a_deleted_artifact_is_gone_and_deleting_nothing_is_no_error(address, folder, tmp_path):
    store = ArtifactStore(address, tmp_path / "a")
    store.put(KEY, folder, NAMES)
    store.delete(KEY)
    store.delete(KEY)
    assert not store.has(KEY)
    assert not store._files.exists(f"{store._root}/{KEY}")


def test_many_at_once_store_and_get_the_same(folder, tmp_path):
    """Threads of three machines; each machine downloads once. Not over `memory://`, whose readers share one position."""
    stores = [ArtifactStore(default_address(tmp_path), tmp_path / f"machine-{i % 3}") for i in range(12)]
    together = threading.Barrier(12)

    def store_and_get(store: ArtifactStore) -> dict[str, bytes]:
        together.wait()
        store.put(KEY, folder, NAMES)
        return files_of(store.get(KEY))

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(store_and_get, stores))
    assert found == [{name: (folder / name).read_bytes() for name in NAMES}] * 12
    assert sum(store.fetched_bytes for store in stores) == 3 * 20_005
    assert [path for path in store_files(stores[0]) if ".part" in path] == []


def store_files(store: ArtifactStore) -> list[str]:
    return list(store._files.find(store._root))


def test_keys_are_of_content_and_tell_other_tokenizers_apart():
    assert (data_key("f"), state_key("d"), run_key("d")) == ("data/f", "state/d", "run/d")
    first = encoder_key("w", {"config.json": "1", "vocab.txt": "2"})
    assert first.startswith("encoder/w-")
    assert first == encoder_key("w", {"vocab.txt": "2", "config.json": "1"}) != encoder_key("w", {"config.json": "1"})


@pytest.mark.parametrize(
    ("address", "code"),
    [("s3://user:secret@bucket/x", "store.credentials-in-address"), ("nothing://bucket/x", "store.unknown-protocol")],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(address, code, tmp_path):
    with pytest.raises(UserError) as caught:
        ArtifactStore(address, tmp_path)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


def cached(store: ArtifactStore) -> list[str]:
    return sorted(path.name for path in store.cache_dir.glob("data/*") if not path.name.startswith("."))


def test_a_full_cache_loses_what_was_used_least_recently_and_never_what_is_in_use(address, folder, tmp_path):
    ours = ArtifactStore(address, tmp_path / "a")
    for name in ("1", "2", "3", "4"):
        ours.put(f"data/{name}", folder, NAMES)
    size = sum((folder / name).stat().st_size for name in NAMES)
    running = ArtifactStore(address, tmp_path / "cache", limit_bytes=2 * size)
    running.get("data/1")
    for name in ("2", "3"):
        ArtifactStore(address, tmp_path / "cache").get(f"data/{name}")  # of commands that have ended
    os.utime(tmp_path / "cache" / "data" / ".3.manifest", (0, 0))
    assert cached(running) == ["1", "2", "3"]

    running.get("data/4")
    assert cached(running) == ["1", "4"], "both in use"
    other = ArtifactStore(address, tmp_path / "cache", limit_bytes=0)
    other.get("data/3")
    assert cached(other) == ["1", "3", "4"], "beyond the limit, and all in use"
    del running
    assert files_of(ArtifactStore(address, tmp_path / "cache", limit_bytes=2 * size).get("data/2")).keys() == set(NAMES)
    assert cached(other) == ["2", "3"]


def test_caches_of_a_hundred_readers_at_once_stay_whole(folder, tmp_path):
    address = default_address(tmp_path)
    for name in ("1", "2", "3"):
        ArtifactStore(address, tmp_path / "a").put(f"data/{name}", folder, NAMES)

    def read(n: int) -> bool:
        store = ArtifactStore(address, tmp_path / "cache", limit_bytes=1)
        got = store.get(f"data/{n % 3 + 1}")
        return all((got / name).read_bytes() == (folder / name).read_bytes() for name in NAMES)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(100)))
