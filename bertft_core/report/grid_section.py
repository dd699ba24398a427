"""The grids of a study: means of each value of a setting, and a heat map for each pair of settings."""

from typing import Any

from bertft_core.evaluation.grid_means import GridMeans, grid_means
from bertft_core.report.drawings.heat_map import heat_map
from bertft_core.report.drawings.picture import picture
from bertft_core.report.formatting import intervals
from bertft_core.report.formatting.grid_settings import shown
from bertft_core.storage.study_results import StudyResults


def section(results: StudyResults) -> dict[str, Any] | None:
    """A table and pictures for each grid; None without one that has scores."""
    study, summary = results.study, results.summary
    found = grid_means(summary)
    label = f"{summary.headline_metric} on {summary.headline_split}"
    if not found:
        return None
    sign = -1.0 if study.head.metrics.get(summary.headline_metric) == "minimize" else 1.0
    drawn = [_pictures(grid, label, sign) for grid in found]
    grids = [{"grid": grid.grid, "rows": _rows(grid), "pictures": pictures} for grid, pictures in zip(found, drawn, strict=True)]
    pictures = {name: picture for each in drawn for name, picture in each.items()}
    return {"grids": grids, "metric": label, "pictures": pictures}


def _rows(grid: GridMeans) -> list[dict[str, Any]]:
    return [
        {
            "setting": setting,
            "value": shown(mean.value),
            "n_arms": mean.n_arms,
            "n_seeds": mean.n_seeds,
            "mean": mean.mean,
            "interval": intervals.interval(mean.low, mean.high),
        }
        for setting, means in grid.marginals.items()
        for mean in means
    ]


def _pictures(grid: GridMeans, label: str, sign: float) -> dict[str, Any]:
    drawn = {}
    for (first, second), means in grid.pairs.items():
        rows, columns = ([shown(value) for value in grid.values[setting]] for setting in (first, second))
        drawn[f"grid_{grid.grid}_{first}_{second}"] = picture(heat_map, rows, columns, means, (first, second, label), sign)
    return drawn
