"""Sentences about how far the seeds of an arm agree on single examples. All are clauses."""

from bertft_core.records.insight_records import Agreement
from bertft_core.records.not_computed import NotComputed
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import missing_text


def agreement(found: Agreement) -> str:
    """How often seeds agree, and how many examples flip between right and wrong; of regression the sd of the predictions."""
    if found.disagreement is None:
        return (
            f"the predictions of the {found.n_seeds} seeds of {found.arm} for one example have a mean sd of "
            f"{found.mean_sd or 0.0:.3g} ({found.split}), in the unit of the labels"
        )
    kappa = "" if found.fleiss_kappa is None else f", Fleiss κ {numbers.decimals(found.fleiss_kappa, 3)}"
    flip = f"{found.n_flipping:,} {'is' if found.n_flipping == 1 else 'are'}"
    return (
        f"the {found.n_seeds} seeds of {found.arm} agree on {found.n_unanimous:,} of {found.n_units:,} {found.unit}s "
        f"({found.split}); two seeds differ on {100 * found.disagreement:.1f} %{kappa}; {flip} right with some "
        "seeds and wrong with others"
    )


def refused(found: NotComputed) -> str:
    """Why the seeds of an arm, or of all, are not compared."""
    whose = "seeds" if found.arm is None else f"the seeds of {found.arm}"
    return f"{whose} are not compared example by example: {missing_text.why(found)}"
