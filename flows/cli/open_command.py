"""`bertft open`: a study's report in the browser; its address where there is none."""

import os
import webbrowser
from pathlib import Path

from bertft_core.config import UserError
from flows.cli.find_study import find_study
from flows.cli.terminal import say, say_json

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
"""Variables of a session with a screen: without one, `webbrowser` would start a browser in the terminal."""


def open_command(name: str, home: Path | None, *, as_json: bool = False) -> int:
    """Print the address of the report, and open it, for a program (`as_json`) only the former.

    Raises `UserError` where there is no report yet.
    """
    found = find_study(name, home)
    path = found.dir.report_dir / "report.html"
    if not path.is_file():
        raise UserError(
            f"the study '{found.study.name}' has no report yet",
            code="open.no-report",
            path=path,
            found="no such file",
            expected="a report, which the end of every run writes",
            hint=f"run it to its end, or make the report of what is there: bertft report {found.study.name}",
        )
    address = path.resolve().as_uri()
    if as_json:
        say_json({"study": found.study.name, "address": address})
        return 0
    say(address)
    if any(os.environ.get(name) for name in SCREENS) and not webbrowser.open(address):
        say("no browser could be started; open the address above")
    return 0
