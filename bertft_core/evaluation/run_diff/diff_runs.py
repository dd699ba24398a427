"""How any two runs differ: settings, data, environment, seeds, hashes, metrics, and the step at which their curves diverge."""

from collections.abc import Iterator
from typing import Any, Literal

from bertft_core.config.base import Frozen
from bertft_core.evaluation.run_diff.curve_diff import QUANTITIES, first_differences, first_diverging_step
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, metrics_of
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.verification_record import EnvironmentChange
from bertft_core.storage.curve_lines import curve_events

NO_SETTINGS = {
    "version", "study", "arm", "stage", "index", "trial", "seeds", "encoder", "encoder_dir", "device",
    "data_fingerprint", "prepared_dir", "labels",
}  # fmt: skip
"""Fields of a spec that are names, paths, or compared on their own."""
ABSENT = "–"


class ValueChange(Frozen):
    """A named value that differs, in the first run and in the second; a metric that a run lacks is None."""

    name: str
    a: Any
    b: Any


class DataChange(Frozen):
    """One difference of the data."""

    code: Literal[
        "fingerprint", "card_missing", "name", "labels", "max_length", "split_missing", "split_examples", "tokenisation"
    ]
    """`split_missing`: only one of the two has the split; `tokenisation`: same examples, tokenised or stored differently."""
    split: str | None = None
    a: str | int | None = None
    b: str | int | None = None
    """Of a split, its number of examples."""


class RunDiff(Frozen):
    """Everything that differs; empty where nothing does."""

    a: str
    b: str
    """Titles of the two runs."""
    settings: tuple[ValueChange, ...]
    seeds: tuple[ValueChange, ...]
    data: tuple[DataChange, ...]
    encoder: tuple[ValueChange, ...]
    environment: tuple[EnvironmentChange, ...]
    hashes: tuple[ValueChange, ...]
    """Of the initial head and the final weights."""
    first_other_epoch: int | None
    """First epoch (from 1) with another batch order; None where all common epochs have the same."""
    metrics: tuple[ValueChange, ...]
    chosen_by: tuple[str, ...]
    """The validation metric that each run's best checkpoint was chosen by; one when it is the same."""
    first_steps: dict[str, int | None]
    """Loss, learning rate, gradient norm → first step at which it differs."""
    first_diverging_step: int | None
    has_curves: bool
    """Of both runs."""


Cards = tuple[DatasetCard | None, DatasetCard | None]
"""Data cards of the two runs, None where one is missing."""


def diff_runs(a: RunOnDisk, b: RunOnDisk, cards: Cards, titles: tuple[str, str]) -> RunDiff:
    """Compare any two runs; data whose card is missing are compared by fingerprint alone."""
    left, right = a.record, b.record
    curves = [curve_events(run.run_dir / "curves.jsonl") for run in (a, b)]
    hashes = [run.model_dump(include={"initial_head_sha256", "weights_sha256"}) for run in (left, right)]
    return RunDiff(
        a=titles[0],
        b=titles[1],
        settings=_changes(_settings(left), _settings(right)),
        seeds=_changes(left.spec.seeds.model_dump(), right.spec.seeds.model_dump()),
        data=tuple(_data_changes(left.spec, right.spec, cards)),
        encoder=_changes(*_encoders(left.spec, right.spec)),
        environment=tuple(environment_changes(left.environment, right.environment)),
        hashes=_changes(*hashes),
        first_other_epoch=_first_other_epoch(left.batch_order_sha256, right.batch_order_sha256),
        metrics=_changes(metrics_of(left), metrics_of(right), absent=None),
        chosen_by=tuple(dict.fromkeys((left.spec.metric, right.spec.metric))),
        first_steps=first_differences(*curves) if all(curves) else dict.fromkeys(QUANTITIES),
        first_diverging_step=first_diverging_step(*curves) if all(curves) else None,
        has_curves=all(curves),
    )


def _changes(left: dict[str, Any], right: dict[str, Any], *, absent: str | None = ABSENT) -> tuple[ValueChange, ...]:
    """The values that differ, in the order of the first; `absent` stands for a name that one side lacks."""
    pairs = ((name, left.get(name, absent), right.get(name, absent)) for name in {**left, **right})
    return tuple(ValueChange(name=name, a=a, b=b) for name, a, b in pairs if a != b)


def _encoders(left: RunSpec, right: RunSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is known of both: older records do not know the settings."""
    both = left.encoder.model_dump(exclude_none=True), right.encoder.model_dump(exclude_none=True)
    known = all("settings_sha256" in values for values in both)
    first, second = ({name: value for name, value in values.items() if known or name != "settings_sha256"} for values in both)
    return first, second


def _settings(record: RunRecord) -> dict[str, Any]:
    """Dotted path → value of every setting; strategies by their kind."""
    values = record.spec.model_dump(mode="json", exclude=NO_SETTINGS)
    values["compute"] = record.computed_with.settings()
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


def _data_changes(left: RunSpec, right: RunSpec, cards: Cards) -> Iterator[DataChange]:
    if left.data_fingerprint == right.data_fingerprint:
        return
    yield DataChange(code="fingerprint", a=left.data_fingerprint[:16], b=right.data_fingerprint[:16])
    if cards[0] is None or cards[1] is None:
        yield DataChange(code="card_missing")
    else:
        yield from card_changes(cards[0], cards[1])


def card_changes(left: DatasetCard, right: DatasetCard) -> list[DataChange]:
    """How the data of two cards differ; empty for the same data prepared for the same encoder."""
    changes: list[DataChange] = []
    if (left.name, left.source) != (right.name, right.source):
        changes.append(DataChange(code="name", a=f"{left.name} ({left.source})", b=f"{right.name} ({right.source})"))
    if left.labels != right.labels:
        changes.append(DataChange(code="labels", a=", ".join(left.labels), b=", ".join(right.labels)))
    if left.max_length != right.max_length:
        changes.append(DataChange(code="max_length", a=left.max_length, b=right.max_length))
    for split in sorted(left.splits.keys() | right.splits.keys()):
        a, b = left.splits.get(split), right.splits.get(split)
        if a is None or b is None:
            changes.append(DataChange(code="split_missing", split=split, a=a and a.n_examples, b=b and b.n_examples))
        elif a.sha256 != b.sha256:
            changes.append(DataChange(code="split_examples", split=split, a=a.n_examples, b=b.n_examples))
    if not changes and left.fingerprint != right.fingerprint:
        changes.append(DataChange(code="tokenisation"))
    return changes


def _first_other_epoch(left: tuple[str, ...], right: tuple[str, ...]) -> int | None:
    return next((n for n, (a, b) in enumerate(zip(left, right, strict=False), start=1) if a != b), None)
