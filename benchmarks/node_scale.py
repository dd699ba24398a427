"""How a study spreads over nodes: the real engine and Ray, on nodes of this machine whose runs sleep instead of training.

Beyond its cores a machine cannot show a speed-up of training, but it can show what the engine adds to each run: submission,
events, the upload of what a run leaves, its way home, and the next lease. Every node has its own network namespace and folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.pages import bullets, markdown_table
from benchmarks.sleeping_slots import SECONDS
from tests.helpers.ray_lab import ROOT, RayLab

HEADING = "## Runs over nodes"
RUN_SECONDS = 5.0
RUNS_PER_NODE = 8
KIB = 2**10
PATIENCE_SECONDS = 1200.0


class Spread(NamedTuple):
    """Runs over a number of nodes, one slot each."""

    n_nodes: int
    n_runs: int
    wall_seconds: float
    result_bytes: float
    """Of what one run has stored: what travels for it, once up and once down."""
    input_bytes: int
    """Of data and encoder: fetched once by each node."""

    @property
    def speedup(self) -> float:
        """Against runs one after the other that cost nothing but their own time."""
        return self.n_runs * RUN_SECONDS / self.wall_seconds

    @property
    def overhead_seconds(self) -> float:
        """What the engine adds to each run."""
        return self.wall_seconds * self.n_nodes / self.n_runs - RUN_SECONDS


class SleepingLab(RayLab):
    """Nodes whose slots sleep."""

    @property
    def variables(self) -> dict[str, str]:
        path = f"{ROOT / 'benchmarks' / 'sleeping_nodes'}:{ROOT}"
        return super().variables | {"PYTHONPATH": path, SECONDS: str(RUN_SECONDS)}


def measure(numbers: Sequence[int]) -> list[Spread]:
    """Each number of nodes in turn, in one cluster that grows. Needs root, for namespaces."""
    found = []
    with SleepingLab(max(numbers)) as lab:
        for n_nodes in sorted(numbers):
            for i in range(1, n_nodes + 1):
                if i not in lab._started:
                    lab.start_node(i)
            found.append(spread(lab, n_nodes))
            print(json.dumps(found[-1]._asdict()), flush=True)
    return found


def spread(lab: RayLab, n_nodes: int) -> Spread:
    """Runs over these nodes. Raises `RuntimeError` with what the driver says where it fails."""
    store = lab.path / "store" / str(n_nodes)
    places = {"folder": str(lab.path / "driver" / str(n_nodes)), "store": f"file://{store}", "address": lab.address}
    asked = {**places, "slots": n_nodes, "seeds": n_nodes * (RUNS_PER_NODE + 1)}
    command = (sys.executable, "-m", "benchmarks.node_driver", json.dumps(asked))
    driver = lab.driver(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = driver.communicate(timeout=PATIENCE_SECONDS)
    if driver.returncode:
        raise RuntimeError(errors[-4000:])
    said = json.loads(output.splitlines()[-1])
    inputs = sum(bytes_in(store / kind) for kind in ("data", "encoder"))
    return Spread(n_nodes, said["n_runs"], said["wall_seconds"], said["result_bytes"], inputs)


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def section(spreads: Sequence[Spread], facts: dict[str, Any]) -> list[str]:
    """The part of the page."""
    table = [("nodes", "runs", "wall s", "speed-up", "overhead per run, s", "stored per run, KiB")]
    for each in spreads:
        times = (f"{each.wall_seconds:.1f}", f"{each.speedup:.2f}", f"{each.overhead_seconds:.2f}")
        table.append((str(each.n_nodes), str(each.n_runs), *times, f"{each.result_bytes / KIB:,.0f}"))
    text = (
        f"Runs that sleep for {RUN_SECONDS:g} s, on the real engine and a Ray cluster whose nodes have a network namespace and a "
        "folder each, one slot a node. The speed-up is against the same runs one after the other without an engine. What a run "
        "stores travels to the store and from there to the study; data and encoder "
        f"({spreads[-1].input_bytes / KIB:,.0f} KiB here) travel once to each node. A real run stores its newest state too, and "
        "its model where that is kept. Each number of nodes was measured once, after one run on every slot."
    )
    return [
        HEADING,
        "",
        *textwrap.wrap(text, 100, break_on_hyphens=False),
        "",
        *markdown_table(table),
        "",
        *bullets(facts),
        "",
    ]
