"""A stand-in for the Hugging Face hub on loopback: it serves folders as model and data set repositories.

It speaks what `huggingface_hub` and `datasets` ask for: repository information, file trees, and files at a revision.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """A folder at one commit, which is also branch `main` or another."""

    name: str
    folder: Path
    commit: str
    branch: str = "main"

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def information(self) -> dict[str, Any]:
        siblings = [{"rfilename": self._name_of(path)} for path in self.files()]
        times = {"createdAt": "2026-01-01T00:00:00.000Z", "lastModified": "2026-01-01T00:00:00.000Z"}
        flags = {"private": False, "gated": False, "disabled": False, "tags": [], "downloads": 0, "likes": 0}
        return {"id": self.name, "sha": self.commit, "siblings": siblings, **times, **flags}

    def tree(self, below: str, recursive: bool) -> list[dict[str, Any]]:
        start = self.folder / below
        found = start.rglob("*") if recursive else start.iterdir()
        return [self.entry(path) for path in sorted(found)] if start.is_dir() else []

    def entry(self, path: Path) -> dict[str, Any]:
        if path.is_dir():
            return {"type": "directory", "path": self._name_of(path), "oid": "0" * 40, "size": 0}
        return {"type": "file", "path": self._name_of(path), "oid": etag_of(path), "size": path.stat().st_size}

    def _name_of(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


@dataclass
class Hub:
    """The repositories that are served, by kind (`models` or `datasets`) and name, and what was asked for."""

    address: str
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, kind: str, name: str, folder: Path, commit: str, branch: str = "main") -> None:
        self.repositories[kind, name] = Repository(name, folder, commit, branch)

    def run(self, code: str, *arguments: str, home_dir: Path) -> subprocess.CompletedProcess[str]:
        """Run Python code in a fresh process whose hub this is; the endpoint is read when the client is imported."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
        hub = {"HF_ENDPOINT": self.address, "HF_HOME": str(home_dir), "NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, env=kept | hub, capture_output=True, text=True, check=False, timeout=120)


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """A running hub without repositories."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = server.hub = Hub(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.hub.asked.append(unquote(url.path))  # type: ignore[attr-defined]
        if match := FILE.fullmatch(url.path):
            kind, name, revision, file = _unquoted(match)
            self._answer_file("datasets" if kind else "models", str(name), str(revision), str(file))
        elif match := API.fullmatch(url.path):
            self._answer_api(*_unquoted(match), recursive="recursive=true" in url.query.lower())  # type: ignore[arg-type]
        else:
            self._refuse("EntryNotFound")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match = API.fullmatch(urlsplit(self.path).path)
        kind, name, what, revision, _ = _unquoted(match) if match else (None,) * 5
        repository = self._repository(str(kind), str(name), revision) if what == "paths-info" else None
        if repository is None:
            return
        asked = json.loads(body)["paths"]
        present = [repository.folder / path for path in asked if (repository.folder / path).exists()]
        self._send(json.dumps([repository.entry(path) for path in present]).encode(), "application/json")

    def _answer_api(
        self, kind: str, name: str, what: str | None, revision: str | None, below: str | None, recursive: bool
    ) -> None:
        repository = self._repository(kind, name, revision)
        if repository is None:
            return
        answer = repository.tree(below or "", recursive) if what == "tree" else repository.information()
        self._send(json.dumps(answer).encode(), "application/json")

    def _answer_file(self, kind: str, name: str, revision: str, file: str) -> None:
        repository = self._repository(kind, name, revision)
        if repository is None:
            return
        path = repository.folder / file
        if not path.is_file():
            self._refuse("EntryNotFound")
            return
        self._send(
            path.read_bytes(), "application/octet-stream", ETag=f'"{etag_of(path)}"', **{"X-Repo-Commit": repository.commit}
        )

    def _repository(self, kind: str, name: str, revision: str | None) -> Repository | None:
        repository = self.server.hub.repositories.get((kind, name))  # type: ignore[attr-defined]
        if repository is None:
            self._refuse("RepoNotFound")
            return None
        if (repository.branch if revision is None else revision) not in (repository.branch, repository.commit):
            self._refuse("RevisionNotFound")
            return None
        return repository

    def _refuse(self, code: str) -> None:
        self._send(json.dumps({"error": code}).encode(), "application/json", status=404, **{"X-Error-Code": code})

    def _send(self, body: bytes, kind: str, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests' output is for the tests."""


def _unquoted(match: re.Match[str]) -> tuple[str | None, ...]:
    """The groups of a URL's path; split first, because the name of a branch may hold a slash (%2F)."""
    return tuple(part if part is None else unquote(part) for part in match.groups())


def etag_of(path: Path) -> str:
    """Names the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
