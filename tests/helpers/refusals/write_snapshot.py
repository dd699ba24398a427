"""`python -m tests.helpers.refusals.write_snapshot`: write the wording of every refusal anew."""

import contextlib
import os
import tempfile
from pathlib import Path

from tests.helpers.refusals.refusal import link, make_shared, provoked, shown
from tests.helpers.refusals.snapshot import SNAPSHOT, as_text, block
from tests.helpers.refusals.table import REFUSALS


def main() -> None:
    """Provoke every row once."""
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as directory:
        shared = Path(directory)
        make_shared(shared)
        for number, refusal in enumerate(REFUSALS):
            folder = shared / str(number)
            folder.mkdir()
            link(shared, folder)
            os.environ["BERTFT_HOME"] = str(folder / "home")
            with contextlib.chdir(folder):
                found[refusal.code] = block(refusal, shown(str(provoked(refusal, folder)), folder))
    SNAPSHOT.write_text(as_text(found), encoding="utf-8")


if __name__ == "__main__":
    main()
