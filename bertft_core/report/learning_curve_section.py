"""The learning curves of a study: score against the size of the training set, the law that fits, and a table."""

from typing import Any

from bertft_core.evaluation.size_curves import LearningCurve, learning_curves
from bertft_core.report.drawings.lines import Line, line_plot
from bertft_core.report.drawings.picture import Picture, picture
from bertft_core.report.formatting import intervals
from bertft_core.report.prose import learning_curve_text
from bertft_core.storage.study_results import StudyResults


def section(results: StudyResults) -> dict[str, Any] | None:
    """Sentences, a table and a picture for each curve; None without one."""
    study, summary = results.study, results.summary
    curves = learning_curves(summary, study.seed, study.sign)
    if not curves:
        return None
    label = f"{summary.headline_metric} on {summary.headline_split}"
    drawn = [_picture(curve, position, label) for position, curve in enumerate(curves)]
    return {
        "metric": label,
        "curves": [
            {
                "name": curve.name,
                "sentences": learning_curve_text.sentences(curve, summary.headline_metric, study.sign),
                "rows": [
                    {
                        "size": f"{point.size:,}",
                        "n_seeds": point.n_seeds,
                        "mean": point.mean,
                        "interval": intervals.interval(point.low, point.high),
                    }
                    for point in curve.points
                ],
                "picture": picture,
            }
            for curve, picture in zip(curves, drawn, strict=True)
        ],
        "pictures": {f"size_{curve.name}": picture for curve, picture in zip(curves, drawn, strict=True)},
    }


def _picture(curve: LearningCurve, position: int, label: str) -> Picture:
    """Means with the band of their intervals; the law with its own, up to twice the largest size."""
    means = [(float(point.size), point.mean) for point in curve.points]
    ends = [(point.low, point.high) for point in curve.points if point.low is not None and point.high is not None]
    has_band = len(ends) == len(means)
    lines = [
        Line(
            curve.name,
            2 * position,
            means,
            low=[low for low, _ in ends] if has_band else (),
            high=[high for _, high in ends] if has_band else (),
            marks=True,
        )
    ]
    if curve.law is not None:
        sizes, scores, low, high = zip(*curve.law.drawn, strict=True)
        lines.append(Line("power law", 2 * position + 1, list(zip(sizes, scores, strict=True)), low=low, high=high))
    return picture(line_plot, lines, (learning_curve_text.TITLES[1], label))
