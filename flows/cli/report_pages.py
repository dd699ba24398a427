"""The reports of a home over HTTP on 127.0.0.1, for links from other pages and to MLflow's; no other files of it."""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bertft_core.report.run_links import with_run_links
from tasks.report_address import HOST, home_key

LOCAL = (HOST, "localhost")
AddressesOf = Callable[[str], Mapping[str, str]]
"""Study → digest of each of its runs → the address of its page in MLflow."""


def no_addresses(study: str) -> Mapping[str, str]:
    """No MLflow is served."""
    return {}


class ReportPages(SimpleHTTPRequestHandler):
    """Serves `/HOME/STUDY/report/FILE` and `/HOME/STUDY/sweep/SEARCH/report.html`, as they lie in a study's folder."""

    def __init__(self, *args: Any, home: Path, addresses_of: AddressesOf, **kwargs: Any) -> None:
        self._home, self._addresses_of = home.resolve(), addresses_of
        super().__init__(*args, **kwargs)

    def send_head(self) -> Any:
        """Answer with a file, or with why there is none."""
        if (self.headers.get("Host") or "").partition(":")[0] not in LOCAL:  # another site's name that leads here
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        found = self._found()
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND, "No report of this home", "Is this the home that bertft ui was started with?")
            return None
        return super().send_head() if found.suffix != ".html" else self._linked(found)

    def _linked(self, page: Path) -> Any:
        """A page on which every run leads to MLflow's page of it."""
        study = page.relative_to(self._home / "studies").parts[0]
        content = with_run_links(page.read_text(encoding="utf-8"), self._addresses_of(study)).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return BytesIO(content)

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


def serve_reports(stack: ExitStack, home: Path, port: int, addresses_of: AddressesOf = no_addresses) -> None:
    """Serve the reports of a home until the stack ends; their runs lead to the addresses of MLflow's pages."""
    server = ThreadingHTTPServer((HOST, port), partial(ReportPages, home=home, addresses_of=addresses_of))
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="reports")
    thread.start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
