"""A driver beside the head of a cluster: runs on a number of nodes, and how long they took, as one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bertft_core.storage.study_dir import StudyDir
from tasks.engines.engine import open_pool
from tests.helpers.ray_driver import specs_of


def main(asked: dict[str, Any]) -> None:
    """Each slot has one run before the time is taken, so that all actors are there and have the inputs."""
    folder, n_nodes = Path(asked["folder"]), asked["slots"]
    study, specs = specs_of(folder, asked)
    study_dir = StudyDir(folder / "home", study.name)
    pool = open_pool(study, study_dir)

    def carry_out(spec: Any) -> None:
        with pool.lease() as worker:
            worker.run(spec, study_dir.run_dir(spec.digest), lambda event: None)

    with ThreadPoolExecutor(n_nodes) as threads:
        list(threads.map(carry_out, specs[:n_nodes]))
        began = time.perf_counter()
        list(threads.map(carry_out, specs[n_nodes:]))
        wall_seconds = time.perf_counter() - began
    pool.close()
    files = [path for spec in specs for path in study_dir.run_dir(spec.digest).rglob("*") if path.is_file()]
    stored = sum(path.stat().st_size for path in files) / len(specs)
    print(json.dumps({"n_runs": len(specs) - n_nodes, "wall_seconds": wall_seconds, "result_bytes": stored}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
