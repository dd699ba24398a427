"""Copies of stored studies, for refusals of what a study has lost or holds otherwise."""

import json
import shutil
from pathlib import Path


def own_copy(folder: Path, source: str, name: str, **changes: object) -> Path:
    """A stored study under another name in the home `own`, with changes of its config; its folder."""
    copy = folder / "own" / "studies" / name
    shutil.copytree(folder / "home" / "studies" / source, copy)
    path = copy / "config.json"
    values = json.loads(path.read_text())
    values = {key: value for key, value in values.items() if key != "sha256"} | {"name": name} | changes
    path.write_text(json.dumps(values))
    return copy
