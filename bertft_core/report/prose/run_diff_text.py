"""How two runs, their data and their environments differ."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bertft_core.evaluation.run_diff.diff_runs import ABSENT, DataChange, RunDiff, ValueChange
from bertft_core.records.verification_record import EnvironmentChange
from bertft_core.report.formatting import aligned_table
from bertft_core.report.prose import grammar

PARTS = {
    "cpu_capability": "vector instructions",
    "threads": "threads per run",
    "gpu_driver": "GPU driver",
    "torch_setting": "torch setting",
    "bertft_code": "bertft commit",
    "python": "Python",
    "platform": "system",
    "lock_file": "lock file",
}
"""Part of an environment → its name, where that is not the key itself."""
MISSING_VALUES = {"package": "not installed", "variable": "unset"}
DATA = {"fingerprint": "fingerprint", "name": "data set", "labels": "labels", "max_length": "max_length"}
HASHES = {"initial_head_sha256": "initial head", "weights_sha256": "final weights"}
QUANTITIES = {"loss": "loss", "learning_rate": "learning rate", "grad_norm": "gradient norm"}


def describe(found: RunDiff) -> str:
    """A block for each part; one line for a part that is the same."""
    blocks = [
        _block("settings", _values(found.settings)),
        _block("seeds", _values(found.seeds)),
        _block("data", [(data_change(change),) for change in found.data]),
        _block("encoder", _values(found.encoder)),
        _block("environment", [(part_name(change), _arrow(*_ends(change))) for change in found.environment]),
        _block("hashes", _hashes(found)),
        _block("metrics", _metrics(found)),
        _block("curves", _curves(found)),
    ]
    return "\n".join([f"A  {found.a}", f"B  {found.b}", "", *blocks])


def part_name(change: EnvironmentChange) -> str:
    """'threads per run', 'torch', 'variable OMP_NUM_THREADS'."""
    if change.part == "package":
        return change.name or ""
    name = PARTS.get(change.part, change.part)
    return name if change.name is None else f"{name} {change.name}"


def environment_change(change: EnvironmentChange) -> str:
    """'torch: 2.13.0 → 2.14.0'."""
    return f"{part_name(change)}: {_arrow(*_ends(change))}"


def environment_note(change: EnvironmentChange) -> str:
    """A difference of this machine from the one where a run was recorded, and whether it matters."""
    return f"different environment: {environment_change(change)}{'' if change.decides else ' (changes no number)'}"


def data_change(change: DataChange) -> str:
    """One difference of the data in a clause."""
    if change.code == "card_missing":
        return "one of the data cards is missing, so the data cannot be compared further"
    if change.code == "split_missing":
        return f"split {change.split}: only in one of the two"
    if change.code == "split_examples":
        return f"split {change.split}: different examples ({_arrow(change.a, change.b)})"
    if change.code == "tokenisation":
        return "the same examples, tokenised or stored differently"
    return f"{DATA[change.code]}: {_arrow(change.a or 'none', change.b or 'none')}"


def _ends(change: EnvironmentChange) -> tuple[str, str]:
    missing = MISSING_VALUES.get(change.part, ABSENT)
    return change.a or missing, change.b or missing


def _arrow(a: Any, b: Any) -> str:
    return f"{a} → {b}"


def _block(title: str, rows: Sequence[Sequence[str]]) -> str:
    return f"{title}\n{aligned_table.aligned(rows, indent='  ')}" if rows else f"{title:<12} the same"


def _values(changes: Iterable[ValueChange]) -> Sequence[tuple[str, ...]]:
    return [(change.name, _arrow(_value(change.a), _value(change.b))) for change in changes]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _hashes(found: RunDiff) -> Sequence[tuple[str, ...]]:
    rows = [
        (HASHES[pair.name], _arrow(*(ABSENT if end is None else end[:12] for end in (pair.a, pair.b)))) for pair in found.hashes
    ]
    if found.first_other_epoch is not None:
        rows.append(("batch order", f"differs from epoch {found.first_other_epoch} on"))
    return rows


def _metrics(found: RunDiff) -> Sequence[tuple[str, ...]]:
    """The metric that the runs were chosen by, on every split; the number of the others."""
    shown = [pair for pair in found.metrics if "/" not in pair.name or pair.name.split("/", 2)[2] in found.chosen_by]
    rows = [(pair.name, _numbers(pair)) for pair in shown]
    n_others = len(found.metrics) - len(shown)
    if n_others:
        rows.append((f"and {grammar.several(n_others, 'other metric')}", "all of them with --json"))
    return rows


def _numbers(pair: ValueChange) -> str:
    values = _arrow(*(ABSENT if value is None else f"{value:.4f}" for value in (pair.a, pair.b)))
    return values if None in (pair.a, pair.b) else f"{values}  ({pair.b - pair.a:+.3g})"


def _curves(found: RunDiff) -> Sequence[tuple[str, ...]]:
    if not found.has_curves:
        return [("at least one run has no curves",)]
    steps = found.first_steps.items()
    return [(QUANTITIES[name], f"differs from step {step} on") for name, step in steps if step is not None]
