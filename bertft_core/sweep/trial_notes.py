"""Notes on the pages of Optuna's dashboard, beside the search and each of its trials.

The dashboard keeps them among the study's own attributes, in pieces; importing it for its `save_note` takes five seconds.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertft_core.sweep.journal_file import seal
from bertft_core.sweep.trial_journal import opened

PIECE = 2045
"""Characters that one attribute holds."""


def write_notes(path: Path, name: str, notes: Mapping[int | None, str]) -> None:
    """Write notes in Markdown into a journal: of the trials with these numbers, and under None of the search.

    One that is there already is not written again, and one that somebody wrote on the dashboard stays. Nothing is written into a
    journal that cannot be read.
    """
    storage, trials = opened(path, name)
    if storage is None:
        return
    study = storage.get_study_id_from_name(name)
    known = storage.get_study_system_attrs(study)
    changed = False
    for number, text in notes.items():
        of = "" if number is None else f"{trials[number]._trial_id}:"
        wanted = _emptied(of, known) | _attributes(of, text)
        is_ours = known.get(f"dashboard:{of}note_ver") in (None, known.get(f"bertft:{of}note_ver"))
        if wanted.items() <= known.items() or not is_ours:
            continue
        changed = True
        for key, value in wanted.items():
            storage.set_study_system_attr(study, key, value)
    if changed:
        seal(path)


def _emptied(of: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The pieces of the earlier note without their text: the dashboard reads all that there are, and none can be deleted."""
    pieces = (f"dashboard:{of}note_str:{i}" for i in itertools.count())
    return dict.fromkeys(itertools.takewhile(known.__contains__, pieces), "")


def _attributes(of: str, text: str) -> dict[str, Any]:
    """As the dashboard reads them, which counts what is saved there; the count of ours says whether anything was.

    The dashboard's count comes last: until then there is no note.
    """
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    words = {f"dashboard:{of}note_str:{i}": piece for i, piece in enumerate(pieces)}
    return words | {f"bertft:{of}note_ver": 1, f"dashboard:{of}note_ver": 1}
