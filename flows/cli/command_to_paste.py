"""Commands to copy: with the home they mean, and quoted for a shell."""

import shlex
from pathlib import Path

from bertft_core.storage.home_folder import home_dir


def command_to_paste(*words: str, home: Path) -> str:
    """`bertft` with these words, and with `--home` where the usual home is another one."""
    place = [] if home == home_dir() else ["--home", str(home)]
    return shlex.join(["bertft", *words, *place])
