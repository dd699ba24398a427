"""A Ray cluster on this machine: a head without CPUs and nodes, each in a network namespace of its own.

Ray listens on all interfaces whatever address it is given; in namespaces nothing outside sees it. Nodes see neither the folder of
the driver nor each other's: only `store` is shared.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from tests.helpers.waiting import becomes

PORT = 6399
HEAD = "10.77.0.1"
START_SECONDS = 300.0
"""On a machine that is busy, all attempts together."""
START_ATTEMPTS = 4
"""On a busy machine a raylet may fail one of its own start-up checks; `ray start` then waits for it in vain, or gives up."""
SETTLE_SECONDS = 2.0
"""`ray start --block` looks once a second whether its raylet is alive."""
AGENT_PORTS = [
    "--dashboard-agent-grpc-port=52366",
    "--dashboard-agent-listen-port=52365",
    "--metrics-export-port=52367",
    "--runtime-env-agent-port=52368",
]
"""A raylet gives agents that choose their own 15 seconds, and ends after that; `ray start` then waits in vain."""
STARTED = "Ray runtime started"
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
ROOT = Path(__file__).parents[2]


def need_namespaces() -> None:
    """Fail with the command that is missing where no network namespaces can be made here."""
    if missing := [name for name in ("ip", "unshare") if shutil.which(name) is None]:
        pytest.fail(f"no {' and no '.join(missing)} on this machine: run apt-get install iproute2 util-linux", pytrace=False)
    if os.geteuid() != 0:
        pytest.fail("only root can make network namespaces: run sudo make test-slow", pytrace=False)
    name = f"bt{secrets.token_hex(2)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True)
    if made.returncode:
        why = made.stderr.strip() or "ip netns add failed"
        pytest.fail(f"{why}: start the container with docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN", pytrace=False)


class RayLab:
    """The cluster, for a block; `n_nodes` nodes of one CPU each are started by `start_node`."""

    def __init__(self, n_nodes: int = 2) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="rl", dir="/tmp"))  # Ray's sockets need short paths
        self._id = secrets.token_hex(2)
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        self.n_nodes = n_nodes
        self.address = f"{HEAD}:{PORT}"
        self.store = f"file://{self.path / 'store'}"
        (self.path / "token").write_text(secrets.token_hex(32))
        for name in ("store", "driver", "ray"):
            (self.path / name).mkdir()
        for i in range(1, n_nodes + 1):
            (self.path / f"node{i}").mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """Of everything in the cluster."""
        return os.environ | self.variables

    @property
    def variables(self) -> dict[str, str]:
        """What it has besides ours."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.path / "token"),
            "RAY_memory_usage_threshold": "0.99",
            "RAY_raylet_start_wait_time_s": str(int(START_SECONDS)),
            "RAY_agent_register_timeout_ms": str(int(1000 * START_SECONDS)),  # a raylet ends when its agents are late
            "RAY_worker_register_timeout_seconds": str(int(START_SECONDS)),
            "RAY_gcs_rpc_server_reconnect_timeout_s": str(int(START_SECONDS)),
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(START_SECONDS),
            "RAY_worker_niceness": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(ROOT),
        }

    def __enter__(self) -> Self:
        head = ["--head", f"--port={PORT}", f"--node-ip-address={HEAD}", "--num-cpus=0", "--include-dashboard=false"]
        try:
            self._make_network()
            self._start(0, head, ())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for i in range(self.n_nodes + 1):
            self.kill_all_in(i)
            subprocess.run(["ip", "netns", "delete", self._namespace(i)], capture_output=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def start_node(self, i: int, n_cpus: int = 1, n_gpus: int = 0) -> None:
        """Node `i`, from 1. Of GPUs it has only the word."""
        others = [self.path / "driver", *(self.path / f"node{j}" for j in range(1, self.n_nodes + 1) if j != i)]
        has = [f"--num-cpus={n_cpus}", f"--num-gpus={n_gpus}"]
        self._start(i, [f"--address={self.address}", f"--node-ip-address={self.node_address(i)}", *has], others)

    def shut_down(self, i: int) -> None:
        """As a spot machine or a batch system does it, which kill what has not left in time; returns at once."""
        self._started[i].terminate()

    def is_up(self, i: int) -> bool:
        return self._started[i].poll() is None

    def node_address(self, i: int) -> str:
        return f"10.77.0.{i + 1}"

    @property
    def beside_head(self) -> list[str]:
        """The words before a command that is to be carried out where the head is."""
        return ["ip", "netns", "exec", self._namespace(0)]

    def driver(self, *command: str, **how: object) -> subprocess.Popen[str]:
        """Start a command where the head is."""
        words = [*self.beside_head, *command]
        return subprocess.Popen(words, env=self.environment, text=True, cwd=ROOT, **how)  # type: ignore[call-overload,no-any-return]

    def kill_all_in(self, i: int) -> None:
        """As when the machine loses its power."""
        for _ in range(3):
            for pid in self.pids_in(i):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if (started := self._started.pop(i, None)) is not None:
            started.wait()

    def pids_in(self, i: int) -> list[int]:
        """Processes of a machine; 0 is the head."""
        listed = subprocess.run(["ip", "netns", "pids", self._namespace(i)], capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def workers_in(self, i: int) -> list[int]:
        """Those of them that train, or hold a slot."""
        return [pid for pid in self.pids_in(i) if any(word in command_of(pid) for word in ("training.worker", "NodeActor"))]

    def raylets_in(self, i: int) -> list[int]:
        """The process that makes a machine a node."""
        return [pid for pid in self.pids_in(i) if "/raylet/raylet " in command_of(pid)]

    def _namespace(self, i: int) -> str:
        return f"rl{self._id}-{i}"

    def _make_network(self) -> None:
        for i in range(self.n_nodes + 1):
            run("ip", "netns", "add", self._namespace(i))
            run("ip", "-n", self._namespace(i), "link", "set", "lo", "up")
        head = self._namespace(0)
        run("ip", "-n", head, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", head, "addr", "add", f"{HEAD}/24", "dev", "br0")
        run("ip", "-n", head, "link", "set", "br0", "up")
        for i in range(1, self.n_nodes + 1):
            node, link = self._namespace(i), f"v{self._id}{i}"
            run("ip", "link", "add", link, "netns", head, "type", "veth", "peer", "name", "eth0", "netns", node)
            run("ip", "-n", head, "link", "set", link, "master", "br0", "up")
            run("ip", "-n", node, "addr", "add", f"{self.node_address(i)}/24", "dev", "eth0")
            run("ip", "-n", node, "link", "set", "eth0", "up")

    def _start(self, i: int, words: list[str], hidden: tuple[Path, ...] | list[Path]) -> None:
        """Again where it died while it started; fails with what each attempt wrote."""
        deadline, log = time.monotonic() + START_SECONDS, self.path / f"ray-{i}.log"
        written: list[str] = []
        while len(written) < START_ATTEMPTS and time.monotonic() < deadline:
            shutil.rmtree(self._temp_dir(i), ignore_errors=True)
            self._launch(i, words, hidden, log)
            if self._comes_up(i, log, deadline):
                return
            written.append("\n".join(f"{path.name}:\n{path.read_text()[-4000:]}" for path in (log, *self._raylet_logs(i))))
            self.kill_all_in(i)
        attempts = "\n".join(f"attempt {n}\n{text}" for n, text in enumerate(written, start=1))
        pytest.fail(f"machine {i} of the cluster did not start\n{attempts}", pytrace=False)

    def _launch(self, i: int, words: list[str], hidden: tuple[Path, ...] | list[Path], log: Path) -> None:
        ray = [
            *RAY,
            "start",
            "--block",
            *words,
            *AGENT_PORTS,
            "--object-store-memory=80000000",
            f"--temp-dir={self._temp_dir(i)}",
            "--disable-usage-stats",
        ]
        script = "".join(f"mount -t tmpfs tmpfs {folder} && " for folder in hidden) + 'exec "$@"'
        command = ["ip", "netns", "exec", self._namespace(i), "unshare", "--mount", "sh", "-c", script, "sh", *ray]
        environment = self.environment | {"BERTFT_NODE_HOME": str(self.path / f"node{i}")}
        with log.open("w") as file:
            self._started[i] = subprocess.Popen(["nice", "-n", "5", *command], env=environment, stdout=file, stderr=file)

    def _comes_up(self, i: int, log: Path, deadline: float) -> bool:
        """Whether `ray start` says so in time, and its raylet is still alive a moment later."""

        def is_lost() -> bool:
            return not self.is_up(i) or self._has_dead_raylet(i)

        becomes(lambda: STARTED in log.read_text() or is_lost(), deadline - time.monotonic(), every=0.2)
        return STARTED in log.read_text() and not becomes(is_lost, SETTLE_SECONDS, every=0.2)

    def _has_dead_raylet(self, i: int) -> bool:
        """`ray start` does not look at its child while it waits for the node to be known: a zombie stays."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._started[i].pid).children()
            return any(child.name() == "raylet" and child.status() == psutil.STATUS_ZOMBIE for child in children)
        return False

    def _raylet_logs(self, i: int) -> list[Path]:
        """Of the attempt that was last."""
        return sorted(self._temp_dir(i).glob("session_latest/logs/raylet.*"))

    def _temp_dir(self, i: int) -> Path:
        return self.path / "ray" / str(i)


@contextlib.contextmanager
def ray_lab(n_started: int = 2, n_nodes: int = 2, kind: type[RayLab] = RayLab) -> Iterator[Any]:
    """A cluster with its first nodes started. Fails the test where there cannot be one."""
    need_namespaces()
    with kind(n_nodes) as lab:
        for i in range(1, n_started + 1):
            lab.start_node(i)
        yield lab


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
