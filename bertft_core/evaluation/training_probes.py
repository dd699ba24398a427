"""What the training of a run shows: its first gradients, and whether its validation loss rises after the minimum."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bertft_core.evaluation.probed_run import Found, ScoredRun

NOT_WATCHED = "its gradients were not watched when it was trained; --force trains it again"


def gradients(run: ScoredRun) -> Found:
    """Mean norm of each part in the watched steps, and that of the lowest layer over that of the top one."""
    assert run.study.probes is not None
    assert run.study.probes.gradients is not None
    norms: dict[str, list[float]] = {}
    for layers in _watched(run.run_dir, run.study.probes.gradients.steps):
        for where, norm in layers.items():
            norms.setdefault(where, []).append(norm)
    if not norms:
        return Found(missing=[NOT_WATCHED])
    means = {where: float(np.mean(values)) for where, values in norms.items()}
    found = Found({("norm", where): mean for where, mean in means.items()})
    layers_of = sorted((where for where in means if where.startswith("layer ")), key=lambda where: int(where.split()[1]))
    if len(layers_of) > 1 and means[layers_of[-1]] > 0:
        found.values["lowest_over_top", None] = means[layers_of[0]] / means[layers_of[-1]]
    else:
        found.missing.append("fewer than two layers had gradients, so lowest and top cannot be compared")
    return found


def _watched(run_dir: Path, n_steps: int) -> list[dict[str, float]]:
    """Part of the model → gradient norm, of the first steps in `curves.jsonl`."""
    found = []
    try:
        with (run_dir / "curves.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                if event["kind"] == "step" and event["step"] > n_steps:
                    break
                if "layers" in event:
                    found.append(event["layers"])
    except (OSError, ValueError, KeyError):  # gone, or torn by a kill: what was read until there is true
        pass
    return found


def overfitting(run: ScoredRun) -> Found:
    """The least validation loss, the epoch it was reached at, the last one, and the rise from one to the other."""
    losses = [(evaluation.epoch, evaluation.loss) for evaluation in run.record.evaluations if evaluation.loss is not None]
    if len(losses) < 2:
        return Found(missing=["its validation loss was recorded fewer than two times"])
    epoch, least = min(losses, key=lambda point: point[1])
    last = losses[-1][1]
    values = {"minimum": least, "minimum_epoch": epoch, "end": last, "rise": last - least}
    return Found({(measure, None): value for measure, value in values.items()})
