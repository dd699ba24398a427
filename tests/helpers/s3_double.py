"""A double of S3 on this machine: moto's server, which keeps everything in memory."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

from tests.helpers.waiting import until

START_SECONDS = 120.0
"""On a machine that is busy."""


@contextlib.contextmanager
def s3_double() -> Iterator[dict[str, str]]:
    """The variables by which s3fs finds it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "double", "AWS_SECRET_ACCESS_KEY": "double", "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=os.environ | keys, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(url) or process.poll() is not None, "moto", START_SECONDS)
        assert process.poll() is None, "moto does not start: run make test-slow, which installs it"
        yield keys | {"AWS_ENDPOINT_URL": url}
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(urllib.request.urlopen(f"{url}/moto-api/", timeout=5).status == 200)
    return False
