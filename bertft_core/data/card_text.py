"""A dataset card as plain text, for `bertft check-data`."""

from __future__ import annotations

from collections.abc import Sequence

from bertft_core.records import DatasetCard

COLUMNS = ("split", "examples", "labels", "length", "truncated", "unknown", "origin")


def describe(card: DatasetCard) -> str:
    """Splits, labels and findings; no line ends at the end."""
    rows = [COLUMNS]
    for name, split in card.splits.items():
        counts = " ".join(f"{label}:{n}" for label, n in split.label_counts.items())
        shares = (f"{split.truncated_ratio:.1%}", f"{split.unknown_piece_ratio:.1%}")
        rows.append((name, str(split.n_examples), counts, f"{split.mean_length:.1f}", *shares, split.origin))
    lines = [
        f"{card.name} ({card.source})",
        f"fingerprint  {card.fingerprint}",
        f"stored in    {card.directory}",
        f"encoder      {card.encoder.checkpoint}" + (f" @ {card.encoder.revision}" if card.encoder.revision else ""),
        *([f"chain        {' → '.join((*card.lineage, 'this study'))}"] if card.chain else []),
        f"labels       {', '.join(card.labels) or 'none'}",
        f"max_length   {card.max_length} word pieces; length is the mean after truncation",
        "",
        *_table(rows),
        "",
        *_findings(card),
    ]
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _findings(card: DatasetCard) -> list[str]:
    if not card.findings:
        return ["findings: none"]
    lines = [f"findings: {len(card.findings)}"]
    for finding in card.findings:
        lines += [f"- {finding.check}: {finding.message}", *(f"    {example}" for example in finding.examples)]
    return lines
