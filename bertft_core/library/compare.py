"""Arms compared for programs: of stored studies, and of anybody's predictions, by the same statistics."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import N_RESAMPLES, ComparisonRequest
from bertft_core.library.given_answers import read_answers
from bertft_core.library.given_results import given_results
from bertft_core.library.study import Study, load_study
from bertft_core.records.comparison_record import Comparison
from bertft_core.storage.study_results import StudyResults

if TYPE_CHECKING:
    import pandas as pd

    Compared = Study | str | os.PathLike[str] | pd.DataFrame

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Endings of files of predictions; what else is given by a name is a study."""


EXPECTED = "expected studies, data frames or files of predictions"


class ArmComparison:
    """What can be claimed about every pair of arms. Printed, it is the table and the sentences of `bertft compare`."""

    def __init__(self, record: Comparison) -> None:
        self.record = record
        """Every number, as it is stored."""

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per pair of arms and metric, as `Study.comparison` has them."""
        from bertft_core.evaluation import answer_frames

        return answer_frames.pairs(self.record)

    def __str__(self) -> str:
        from bertft_core.report.comparison_table import comparison_table

        return comparison_table(self.record)

    def __repr__(self) -> str:
        claimed = sum(pair.claimed for pair in self.record.pairs)
        return f"<ArmComparison {self.record.title}: {claimed} of {len(self.record.pairs)} differences claimed>"


def compare(
    *given: Compared,
    home: str | os.PathLike[str] | None = None,
    metric: str | None = None,
    split: str | None = None,
    checkpoint: str | None = None,
    arms: Sequence[str] | None = None,
    baseline: str | None = None,
    resamples: int = N_RESAMPLES,
    study_seed: int = 0,
) -> ArmComparison:
    """Compare every pair of arms: the difference with its interval over seeds and examples, P(A > B), tests, what is claimed.

    Each of `given` is a study (as `load_study` takes it, or opened), a data frame, or the path of a CSV, TSV, JSONL or Parquet
    file. A frame or file has one row per run and example, with the columns `arm`, `seed`, `example`, `label` (the true one) and
    `prediction`; `split` and `probability/LABEL` may be there too. Every run has to answer the same examples. Runs of two arms
    with the same seed are paired. Labels that are numbers, not all of them whole, are those of a regression. Metrics of
    probabilities (log-loss, calibration error) are compared where `probability/LABEL` is given.

    Of several sources an arm is named `SOURCE · ARM`. `study_seed` seeds the resampling of frames and files. Raises `UserError`.

    Examples:
        >>> import numpy as np, pandas as pd
        >>> rng = np.random.default_rng(0)
        >>> rows = [
        ...     (arm, seed, example, "yes", "yes" if rng.random() < rate else "no")
        ...     for arm, rate in (("old", 0.6), ("new", 0.8))
        ...     for seed in range(5)
        ...     for example in range(200)
        ... ]
        >>> answers = pd.DataFrame(rows, columns=["arm", "seed", "example", "label", "prediction"])
        >>> found = bertft.compare(answers)
        >>> pair = found.record.headline_pairs[0]
        >>> (pair.arm, pair.baseline, round(pair.difference, 2), pair.claimed)
        ('new', 'old', 0.22, True)
        >>> found.pairs.loc[0, ["metric", "low", "high", "p_holm", "superiority"]].to_dict()
        {'metric': 'accuracy', 'low': 0..., 'high': 0..., 'p_holm': 0..., 'superiority': 1.0}
    """
    if not given:
        raise TypeError(f"nothing to compare: {EXPECTED}")
    studies: list[StudyResults | None] = [_study(one, home) for one in given]
    known, results = [found for found in studies if found is not None], list[StudyResults]()
    for place, (one, found) in enumerate(zip(given, studies, strict=True)):
        results.append(found or _given(one, f"given-{place + 1}" if len(given) > 1 else "given", study_seed, known))
    once = list({one.study.name: one for one in results}.values())
    asked = ComparisonRequest(metric, split, checkpoint, None if arms is None else tuple(arms), baseline, resamples)
    return ArmComparison(compare_studies(once, asked))


def _study(one: Compared, home: str | os.PathLike[str] | None) -> StudyResults | None:
    """The results of a study; None for a frame or a file of predictions."""
    if isinstance(one, Study):
        return one.results
    if isinstance(one, (str, os.PathLike)) and not os.fspath(one).lower().removesuffix(".gz").endswith(TABLES):
        return load_study(one, home).results
    return None


def _given(one: Compared, name: str, study_seed: int, beside: Sequence[StudyResults]) -> StudyResults:
    assert not isinstance(one, Study)
    if isinstance(one, (str, os.PathLike)):
        return table_results(Path(one), study_seed, beside)
    if not hasattr(one, "columns"):
        raise TypeError(f"{EXPECTED}, not {type(one).__name__}")
    return _results(one, name, study_seed, beside, warnings.warn)


def table_results(
    path: Path, study_seed: int = 0, beside: Sequence[StudyResults] = (), warn: Callable[[str], object] = warnings.warn
) -> StudyResults:
    """The results in a file of predictions, called by its name without the ending; `warn` gets what is odd about them."""
    return _results(path, path.name.partition(".")[0], study_seed, beside, warn)


def _results(
    given: pd.DataFrame | Path, name: str, study_seed: int, beside: Sequence[StudyResults], warn: Callable[[str], object]
) -> StudyResults:
    answers = read_answers(given)
    if answers.unknown:
        from bertft_core.report.prose.given_answers_text import unknown_labels

        warn(unknown_labels(answers.source, answers.unknown))
    return given_results(answers, name=name, study_seed=study_seed, beside=beside)
