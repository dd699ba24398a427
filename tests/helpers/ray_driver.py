"""A driver without Prefect: trains runs of the tiny study on a cluster, and says in JSON lines what happens.

python -m tests.helpers.ray_driver '{"folder", "store", "address", "slots", "seeds", "training", "execution", …}'
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunSpec
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.workers import WorkerDied
from tests.helpers.tiny_studies import tiny_study, with_training

LONG = {"epochs": None, "max_steps": 1500, "evaluate_every_epochs": None, "evaluate_every_steps": 750}
"""Some 15 seconds on a machine that does nothing else."""
_saying = threading.Lock()


def say(**what: Any) -> None:
    with _saying:
        print(json.dumps(what | {"at": time.time()}), flush=True)


def specs_of(folder: Path, asked: dict[str, Any]) -> tuple[Any, list[RunSpec]]:
    """The study, and its runs of the arm `full`."""
    execution = {"engine": "ray", "device": "cpu", "kernels": "mkl", "slots": asked.get("slots", "auto")}
    execution |= {"store": asked["store"], "address": asked["address"], "upload_every_seconds": 0.2, **asked.get("execution", {})}
    study, card = tiny_study(folder, arms={"full": {}}, seeds={"n": asked.get("seeds", 1)}, execution=execution)
    every = [with_training(spec, **asked.get("training", {})) for spec in plan_runs(study, card, {})]
    return study, [spec.model_copy(update={"checkpoint_every_steps": 25}) for spec in every]


def main(asked: dict[str, Any]) -> None:
    import ray

    from tasks.engines.engine import open_pool

    folder = Path(asked["folder"])
    study, specs = specs_of(folder, asked)
    study_dir = StudyDir(folder / "home", study.name)
    pool = open_pool(study, study_dir)
    pool.listen(lambda text: say(kind="waits", text=text))
    say(kind="open", n=pool.n)

    def train(spec: RunSpec) -> None:
        def on_event(event: dict[str, Any]) -> None:
            if event["kind"] in ("started", "problem", "ended"):
                say(run=spec.index, **event)

        try:
            with pool.lease() as worker:
                lease = worker._carry_out.__self__  # type: ignore[attr-defined]
                say(kind="leased", run=spec.index, **ray.get(lease.actor.facts.remote()))
                worker.run(spec, study_dir.run_dir(spec.digest), on_event)
                say(kind="left", run=spec.index, **ray.get(lease.actor.facts.remote()))
        except (UserError, WorkerDied, ray.exceptions.RayError) as error:
            say(kind="failed", run=spec.index, text=str(error), code=getattr(error, "code", None))

    with ThreadPoolExecutor(len(specs)) as threads:
        list(threads.map(train, specs))
    pool.close()
    say(kind="closed")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
