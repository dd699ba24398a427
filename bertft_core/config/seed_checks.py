"""Checks of how many seeds a study has, and that nothing is chosen on the test set."""

from __future__ import annotations

from bertft_core.config.base import misplaced
from bertft_core.config.data_settings import RESERVED_SPLITS
from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.study_sections import StudySections
from bertft_core.config.yaml_text import Path


def check_choosing(study: StudySections) -> None:
    """Raise where a metric that chooses something names a split: it is the validation set's, always."""
    watched: list[tuple[Path, str | None]] = [(("metric",), study.metric)]
    if study.seeds.until is not None:
        watched.append((("seeds", "until", "metric"), study.seeds.until.metric))
    for name, arm in study.arms.items():
        stopping = [(i, s) for i, s in enumerate(arm.strategies) if s.kind == "early_stopping"]
        watched += [(("arms", name, "strategies", i, "metric"), s.metric) for i, s in stopping]
    for at, metric in watched:
        split, slash, rest = (metric or "").partition("/")
        if slash and split in (*RESERVED_SPLITS, *getattr(study.data, "out_of_domain", {})):
            raise misplaced(
                at,
                f"'{metric}' names a split: what is chosen is chosen on the validation set, never on another",
                f"write '{rest}'",
            )


def check_number_of_seeds(study: StudySections) -> None:
    """Raise where `until` watches no metric of the head, or where what is asked for cannot be said of selected seeds."""
    until = study.seeds.until
    if until is not None and until.metric is not None and until.metric not in study.head.metrics:
        known = ", ".join(study.head.metrics)
        raise misplaced(("seeds", "until", "metric"), f"'{until.metric}' is no metric of the head, which has {known}")
    if study.is_selected and study.probes is not None:
        raise misplaced(
            ("probes",), "probes are summed up over seeds, and seeds that were selected are no sample", "take one of the two out"
        )


def check_search_seeds(study: StudySections, search: SearchConfig, at: Path) -> None:
    """Raise where a search would use seeds that the report uses too, or may come to use."""
    reported = range(study.seeds.first, study.seeds.first + study.seeds.n_at_most)
    searched = range(search.first_seed_index, search.first_seed_index + search.n_seeds)
    first, last = max(reported[0], searched[0]), min(reported[-1], searched[-1])
    if first <= last:
        raise misplaced(
            at,
            f"seed indices {first} to {last} are also report seeds; scores on them would be chosen, not measured. "
            f"Choose first_seed_index so that {len(searched)} indices are outside {reported[0]} to {reported[-1]}",
        )
