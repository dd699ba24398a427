"""Dataset maps: a picture of each split, counts of its regions, the examples to read first, and all of them as CSV."""

from typing import Any

from bertft_core.evaluation.label_quality.dataset_map import DatasetMap, Region, dataset_maps
from bertft_core.records.not_computed import NotComputed
from bertft_core.report.drawings.picture import Picture, picture
from bertft_core.report.drawings.scatter import Group, scatter_plot
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import labels_text, picture_text
from bertft_core.report.table_formats import Value, csv_of
from bertft_core.storage.study_results import StudyResults

SHEET = "dataset_map"
REGIONS: dict[Region, str] = {"easy": "c0", "ambiguous": "c2", "hard": "c1"}
"""Region → its colour."""
N_SHOWN = 5
"""Examples of a region that are listed."""
MOST_POINTS = 1500
"""That are drawn of a region; of more every so manyth, since each is a shape in the page."""
LISTED: tuple[Region, ...] = ("hard", "ambiguous")


def section(results: StudyResults) -> dict[str, Any]:
    """What the template lays out; nothing to lay out where no split can be mapped."""
    found = dataset_maps(results)
    maps = () if isinstance(found, NotComputed) else found
    drawn = [_picture(each) for each in maps]
    records = [record for each in maps for record in _records(each)]
    return {
        "maps": [
            {"split": each.split, "said": labels_text.of_map(each), "picture": picture, "rows": _rows(each)}
            for each, picture in zip(maps, drawn, strict=True)
        ],
        "pictures": {f"dataset_map_{each.split}": picture for each, picture in zip(maps, drawn, strict=True)},
        "sheets": {SHEET: csv_of(records)} if records else {},
    }


def _picture(found: DatasetMap) -> Picture:
    groups = []
    for region, css in REGIONS.items():
        ranked = found.ranked(region)
        chosen = ranked[:: -(-len(ranked) // MOST_POINTS) or 1]
        points = [(float(found.spreads[i]), float(found.means[i])) for i in chosen]
        titles = [f"{found.example_ids[i]}: {found.means[i]:.2f} ± {found.spreads[i]:.2f}" for i in chosen]
        spoken = picture_text.said("region", region=region, n=len(ranked)) if ranked else ""
        groups.append(Group(f"{region} ({len(ranked):,})", css, points, titles, spoken))
    return picture(
        scatter_plot, groups, ("spread of the probability of the label", "mean probability of the label"), centers=False
    )


def _rows(found: DatasetMap) -> list[dict[str, str]]:
    return [
        {
            "region": region,
            "where": found.example_ids[i],
            "text": found.texts.hint(found.example_ids[i]) or numbers.ABSENT,
            "label": found.texts.label(found.example_ids[i]) or numbers.ABSENT,
            "mean": f"{found.means[i]:.2f}",
            "spread": f"{found.spreads[i]:.2f}",
        }
        for region in LISTED
        for i in found.ranked(region)[:N_SHOWN]
    ]


def _records(found: DatasetMap) -> list[dict[str, Value]]:
    return [
        {
            "id": name,
            "split": found.split,
            "region": region,
            "mean": round(mean, 6),
            "spread": round(spread, 6),
            "label": found.texts.label(name),
        }
        for name, region, mean, spread in zip(
            found.example_ids, found.regions, found.means.tolist(), found.spreads.tolist(), strict=True
        )
    ]
