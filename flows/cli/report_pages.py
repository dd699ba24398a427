"""The reports of a home over HTTP on 127.0.0.1, for links from other pages; no other files of it."""

import threading
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tasks.report_address import HOST, home_key

LOCAL = (HOST, "localhost")


class ReportPages(SimpleHTTPRequestHandler):
    """Serves `/HOME/STUDY/report/FILE` and `/HOME/STUDY/sweep/SEARCH/report.html`, as they lie in a study's folder."""

    def __init__(self, *args: Any, home: Path, **kwargs: Any) -> None:
        self._home = home.resolve()
        super().__init__(*args, **kwargs)

    def send_head(self) -> Any:
        """Answer with a file, or with why there is none."""
        if (self.headers.get("Host") or "").partition(":")[0] not in LOCAL:  # another site's name that leads here
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        if self._found() is None:
            self.send_error(HTTPStatus.NOT_FOUND, "No report of this home", "Is this the home that bertft ui was started with?")
            return None
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """The file, which is there."""
        return str(self._found())

    def _found(self) -> Path | None:
        key, *parts = unquote(urlsplit(self.path).path).lstrip("/").split("/")
        if key != home_key(self._home) or len(parts) < 3 or "\0" in self.path or ".." in parts:
            return None
        name, folder, *rest = parts
        allowed = folder == "report" or (folder == "sweep" and rest[1:] == ["report.html"])
        try:
            file = self._home.joinpath("studies", *parts).resolve()
            inside = self._home / "studies" / name / folder
            return file if allowed and file.is_relative_to(inside) and file.is_file() else None
        except (OSError, ValueError):  # a name that no file can have
            return None

    def end_headers(self) -> None:
        """A report that is written again must be seen; a table is no page."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the links of the other pages are on the terminal."""


def serve_reports(stack: ExitStack, home: Path, port: int) -> None:
    """Serve the reports of a home until the stack ends."""
    server = ThreadingHTTPServer((HOST, port), partial(ReportPages, home=home))
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="reports")
    thread.start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
