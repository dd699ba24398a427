"""What differs between any two runs: settings, data, environment, seeds, hashes, metrics, and where their curves part."""

from __future__ import annotations

from typing import Any

from bertft_core.config.base import Frozen
from bertft_core.evaluation.run_diff.card_diff import card_changes
from bertft_core.evaluation.run_diff.curve_diff import QUANTITIES, first_differences, first_diverging_step, read_curves
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, metrics_of
from bertft_core.records import DatasetCard, RunSpec

NO_SETTINGS = frozenset(
    {
        "version",
        "study",
        "arm",
        "stage",
        "index",
        "trial",
        "seeds",
        "encoder",
        "encoder_dir",
        "data_fingerprint",
        "prepared_dir",
        "labels",
    }
)
"""Of a spec: names, places, and what has a part of its own."""
ABSENT = "–"


class Pair(Frozen):
    """One thing that is not the same: in the first run, in the second."""

    name: str
    a: Any
    b: Any


class MetricPair(Frozen):
    """One number that a run ended with; absent where a run has no such."""

    name: str
    a: float | None
    b: float | None


class RunDiff(Frozen):
    """Everything that differs; empty where nothing does."""

    a: str
    b: str
    """Titles of the two runs."""
    settings: tuple[Pair, ...]
    seeds: tuple[Pair, ...]
    data: tuple[str, ...]
    encoder: tuple[Pair, ...]
    environment: tuple[Pair, ...]
    hashes: tuple[Pair, ...]
    """Initial head and final weights."""
    first_other_epoch: int | None
    """First epoch (from 1) whose batches came in another order; None where all that both have are the same."""
    metrics: tuple[MetricPair, ...]
    chosen_by: tuple[str, ...]
    """The validation metric that each of the two was chosen by; one when it is the same."""
    first_steps: dict[str, int | None]
    """Loss, learning rate, gradient norm → first step at which it differs."""
    first_diverging_step: int | None
    has_curves: bool
    """Of both runs."""


Cards = tuple[DatasetCard | None, DatasetCard | None]
"""Of the data of two runs, where they are still there."""


def diff_runs(a: RunOnDisk, b: RunOnDisk, cards: Cards, titles: tuple[str, str]) -> RunDiff:
    """Compare two runs that need not have anything in common; a card that is gone is not compared."""
    left, right = a.record, b.record
    curves = [read_curves(run.run_dir / "curves.jsonl") for run in (a, b)]
    return RunDiff(
        a=titles[0],
        b=titles[1],
        settings=_pairs(_settings(left.spec), _settings(right.spec)),
        seeds=_pairs(left.spec.seeds.model_dump(), right.spec.seeds.model_dump()),
        data=tuple(_data(left.spec, right.spec, cards)),
        encoder=_pairs(left.spec.encoder.model_dump(), right.spec.encoder.model_dump()),
        environment=_environment(a, b),
        hashes=_pairs(_hashes(a), _hashes(b)),
        first_other_epoch=_first_other_epoch(left.batch_order_sha256, right.batch_order_sha256),
        metrics=_metrics(metrics_of(left), metrics_of(right)),
        chosen_by=tuple(dict.fromkeys((left.spec.metric, right.spec.metric))),
        first_steps=first_differences(*curves) if all(curves) else dict.fromkeys(QUANTITIES),
        first_diverging_step=first_diverging_step(*curves) if all(curves) else None,
        has_curves=all(curves),
    )


def _pairs(left: dict[str, Any], right: dict[str, Any]) -> tuple[Pair, ...]:
    """What is not the same, in the order of the first; a name that one side lacks is absent there."""
    names = [*left, *(name for name in right if name not in left)]
    return tuple(
        Pair(name=name, a=left.get(name, ABSENT), b=right.get(name, ABSENT))
        for name in names
        if left.get(name, ABSENT) != right.get(name, ABSENT)
    )


def _settings(spec: RunSpec) -> dict[str, Any]:
    """Dotted path → value of every setting; strategies by their kind."""
    values = spec.model_dump(mode="json", exclude=set(NO_SETTINGS))
    values["strategies"] = {strategy.pop("kind"): strategy or True for strategy in values["strategies"]}
    return flat(values)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted paths."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _data(left: RunSpec, right: RunSpec, cards: Cards) -> list[str]:
    if left.data_fingerprint == right.data_fingerprint:
        return []
    changes = [f"fingerprint: {left.data_fingerprint[:16]} → {right.data_fingerprint[:16]}"]
    if cards[0] is None or cards[1] is None:
        return [*changes, "the card of one of them is gone, so it cannot be said what differs"]
    return changes + card_changes(cards[0], cards[1])


def _environment(a: RunOnDisk, b: RunOnDisk) -> tuple[Pair, ...]:
    left, right = a.record.environment, b.record.environment
    if left is None or right is None:
        return ()
    return tuple(Pair(name=change.what, a=change.left, b=change.right) for change in environment_changes(left, right))


def _hashes(run: RunOnDisk) -> dict[str, Any]:
    record = run.record
    return {"head before the first step": record.initial_head_sha256, "weights of the last step": record.weights_sha256}


def _first_other_epoch(left: tuple[str, ...], right: tuple[str, ...]) -> int | None:
    return next((n for n, (a, b) in enumerate(zip(left, right, strict=False), start=1) if a != b), None)


def _metrics(left: dict[str, float], right: dict[str, float]) -> tuple[MetricPair, ...]:
    names = [*left, *(name for name in right if name not in left)]
    return tuple(
        MetricPair(name=name, a=left.get(name), b=right.get(name)) for name in names if left.get(name) != right.get(name)
    )
