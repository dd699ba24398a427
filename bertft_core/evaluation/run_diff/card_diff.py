"""Two data cards: in what the data differ."""

from __future__ import annotations

from bertft_core.records import DatasetCard


def card_changes(left: DatasetCard, right: DatasetCard) -> list[str]:
    """What is not the same, in words; empty where both are the same data for the same encoder."""
    changes = [
        f"{name}: {a} → {b}"
        for name, a, b in (
            ("data set", f"{left.name} ({left.source})", f"{right.name} ({right.source})"),
            ("labels", ", ".join(left.labels) or "none", ", ".join(right.labels) or "none"),
            ("longest input", left.max_length, right.max_length),
        )
        if a != b
    ]
    for split in sorted(left.splits.keys() | right.splits.keys()):
        if split not in left.splits or split not in right.splits:
            changes.append(f"split {split}: in one of them only")
        elif left.splits[split].sha256 != right.splits[split].sha256:
            a, b = left.splits[split].n_examples, right.splits[split].n_examples
            changes.append(f"split {split}: other examples ({a} → {b})")
    if not changes and left.fingerprint != right.fingerprint:
        changes.append("the same examples, tokenised or stored in another way")
    return changes
