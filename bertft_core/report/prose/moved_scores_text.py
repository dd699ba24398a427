"""Scores that moved between two executions of a study, in words."""

from collections.abc import Sequence

from bertft_core.records.event_records import MovedScore
from bertft_core.report.formatting import numbers
from bertft_core.report.formatting.p_values import clause, p_value
from bertft_core.report.prose import grammar

HEADER = ("arm", "metric", "before", "after", "difference", "sd of seeds", "p", "")


def sentence(moved: Sequence[MovedScore]) -> str:
    """'2 of 16 scores are worse by more than the seeds explain: accuracy of full (−0.031, p = 0.004), …'."""
    sides = {"worse": [each for each in moved if each.is_worse], "better": [e for e in moved if e.is_moved and not e.is_worse]}
    parts = [
        f"{len(found)} of {grammar.several(len(moved), 'score')} {side} by more than the seeds explain:"
        f" {grammar.listed([_named(each) for each in found])}"
        for side, found in sides.items()
        if found
    ]
    if parts:
        return "; ".join(parts)
    return (
        f"none of {grammar.several(len(moved), 'score')} moved by more than the seeds explain"
        if moved
        else "there is no score to compare"
    )


def _named(each: MovedScore) -> str:
    test = "" if each.p is None else f", {clause(each.p)}"
    return f"{each.metric} of {each.arm} ({numbers.signed(each.difference)}{test})"


def rows(moved: Sequence[MovedScore]) -> list[tuple[str, ...]]:
    """A header and a row for each score."""
    return [
        HEADER,
        *(
            (
                each.arm,
                each.metric,
                numbers.score(each.before),
                numbers.score(each.after),
                numbers.signed(each.difference),
                numbers.score(each.sd_before),
                p_value(each.p),
                "worse" if each.is_worse else "better" if each.is_moved else "",
            )
            for each in moved
        ),
    ]
