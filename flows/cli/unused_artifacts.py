"""Artifacts in a home that no study needs: what a driver that was killed has left of runs between machines."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bertft_core.artifacts.store_address import default_address
from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.storage.study_dir import StudyDir
from flows.cli.unused_files import Leftover, named
from tasks.lease_places import StorePlace

NO_RUN = "state or result, between machines, of a run that no study has"
ENDED = "state or result, between machines, of a run that has ended"
NO_DATA = "data, between machines, that no study uses"
OF_RUNS = ("state", "run", "model", "probes", "mail")
"""Kinds of artifacts whose name is a run's digest; see `bertft_core.artifacts.artifact_keys`."""
NAME = re.compile("[0-9a-f]{64}(-.+)?")
"""The second part is of data: which texts are replayed with them."""


def of_artifacts(home: Path, studies: Iterable[StudyOnDisk]) -> Iterator[Leftover]:
    """What can go from the artifact store of a home; nothing while a study of another home works with it."""
    if _others_work(home):
        return
    every = list(studies)
    records = {digest: record for found in every for digest, record in found.records.items()}
    fingerprints = {card.fingerprint for found in every for card in found.cards}
    planned = {spec.digest for found in every for spec in (*found.wanted.planned, *found.wanted.repeats)}
    begun = {path.name for found in every for path in found.dir.path.glob("runs/*")}
    for kind in OF_RUNS:
        for folder in _folders(home, kind):
            if folder.name in records:
                yield from named([folder], ENDED) if records[folder.name].finished else ()
            elif folder.name not in planned and StudyDir(home, "any").run_dir(folder.name).name not in begun:
                yield from named([folder], NO_RUN)
    yield from named((folder for folder in _folders(home, "data") if folder.name[:64] not in fingerprints), NO_DATA)


def _folders(home: Path, kind: str) -> list[Path]:
    return [path for path in (home / "artifacts" / kind).glob("*") if path.is_dir() and NAME.fullmatch(path.name)]


def _others_work(home: Path) -> bool:
    """A command of some home has a lease in this store, and is not known to have ended."""
    leases = (StorePlace(default_address(home), path.name).newest() for path in (home / "artifacts" / "lease").glob("*"))
    return any(not (lease.has_ended or lease.is_abandoned) for lease in leases if lease is not None)
