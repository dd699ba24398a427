"""What a learning curve says: the law that fits its scores, and what twice as many examples would give."""

from bertft_core.evaluation.size_curves import MIN_SEEDS, MIN_SIZES, Law, LearningCurve
from bertft_core.report.formatting import intervals, numbers

UNKNOWN = {
    "few_sizes": f"the curve has fewer than {MIN_SIZES} sizes with scores",
    "few_seeds": f"fewer than {MIN_SEEDS} seeds have a score at every size",
    "crossed": "runs of a crossed design share seeds, and cannot be resampled as independent ones",
    "splits": "splits of the same examples cannot be resampled as independent ones",
    "not_converged": "no power law fits these scores: they do not rise and level off with the size",
    "includes_zero": "the interval of the gain includes zero",
}
TITLES = ("Score over training examples", "training examples")


def sentences(curve: LearningCurve, metric: str, sign: float) -> list[str]:
    """The law, then what doubling the largest size would give or why it cannot be predicted."""
    if curve.law is None:
        assert curve.unknown is not None
        return [f"What more data would give cannot be predicted: {UNKNOWN[curve.unknown]}."]
    law = curve.law
    gain = f"a gain of {_difference(law.gain, metric)} (95 % interval {_gain_interval(law, metric)})"
    found = f"{numbers.score(law.at_double)} instead of {numbers.score(law.at_largest)}, {gain}"
    doubled = f"{2 * law.largest:,} examples, twice the largest size,"
    said = (
        f"By the law {doubled} would give {found}. It is an extrapolation, and holds for more examples of the same kind."
        if curve.unknown is None
        else f"What {doubled} would give cannot be predicted: {UNKNOWN[curve.unknown]}. The law says {found}."
    )
    low, high = law.exponent_interval
    formula = f"{metric} = {law.limit:.3f} {'−' if sign > 0 else '+'} {law.factor:.3g} · n^(−{law.exponent:.2f})"
    fit = (
        f"The law {formula} is fitted to the scores of {curve.n_seeds} seeds at "
        f"{len(curve.points)} sizes; the 95 % interval of its exponent is "
        f"{intervals.interval(low, high)}, from resampled seeds."
    )
    return [said, fit]


def _difference(value: float, metric: str) -> str:
    return f"{numbers.difference(value, metric)}{numbers.unit(metric)}"


def _gain_interval(law: Law, metric: str) -> str:
    low, high = (numbers.difference(end, metric) for end in law.gain_interval)
    return f"{low} to {high}{numbers.unit(metric)}"
