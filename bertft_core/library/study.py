"""A stored study for programs: its answer, its frames and its figures, each read when it is asked for."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bertft_core.config import StudyConfig, UserError
from bertft_core.evaluation.run_scores import CHECKPOINTS
from bertft_core.library.study_on_disk import StudyOnDisk, open_study, study_dir_of
from bertft_core.library.study_plots import StudyPlots, refuse_unknown
from bertft_core.records import StudySummary
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.storage.study_results import StudyResults

if TYPE_CHECKING:
    import pandas as pd


def load_study(study: str | os.PathLike[str], home: str | os.PathLike[str] | None = None) -> Study:
    """Open a stored study by its name, its config file, or its folder `HOME/studies/NAME`.

    `home` is where studies are stored: by default `$BERTFT_HOME`, or else `./bertft-home`. Nothing but the study's config is read
    before it is asked for. Raises `UserError` for what is no study.

    Examples:
        >>> study = bertft.load_study("claims", home=home)
        >>> study
        <Study claims: classification, 2 arms, 10 of 10 runs>
        >>> of_test = study.scores.query("checkpoint == 'best' and split == 'test' and metric == 'accuracy'")
        >>> of_test.groupby("arm")["value"].agg(["mean", "std"]).round(3)
                    mean    std
        arm
        full       0.896  0.011
        untrained  0.212  0.047
        >>> study.comparison.loc[0, ["arm", "baseline", "claimed", "source"]].to_dict()
        {'arm': 'full', 'baseline': 'untrained', 'claimed': True, 'source': 'examples'}
    """
    given = os.fspath(study)
    folder = Path(given)
    if (folder / "config.json").is_file() and folder.resolve().parent.name == "studies":
        return Study(open_study(StudyDir(folder.resolve().parents[1], folder.resolve().name)))
    if os.sep in given and not given.endswith((".yaml", ".yml")):
        raise UserError(
            "this folder is not a study",
            code="study.not-a-folder",
            path=given,
            found="no config.json" if folder.is_dir() else "no such folder",
            expected="a study's own folder, HOME/studies/NAME",
            hint="give the study's name, and its home with home=",
        )
    return Study(open_study(study_dir_of(given, None if home is None else Path(home))))


class Study:
    """A stored study. Frames and figures are made when they are asked for, and then kept; a new object reads the folder anew.

    Seeds are counted from 0, as in the study's report. Scores are in units of their metric (0.01 is one point of accuracy), times
    in seconds.
    """

    def __init__(self, found: StudyOnDisk) -> None:
        self._found = found

    def __repr__(self) -> str:
        found = self._found
        done = sum(spec.digest in found.records for spec in found.wanted.planned)
        runs = f"{done} of {len(found.wanted.planned)} runs"
        return f"<Study {self.name}: {self.config.head.kind}, {len(self.config.arms)} arms, {runs}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self._found.study.name

    @property
    def config(self) -> StudyConfig:
        """What was asked for."""
        return self._found.study

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._found.dir.path

    @property
    def home(self) -> Path:
        """The home that it is stored in."""
        return self._found.dir.home_dir

    @property
    def plot(self) -> StudyPlots:
        """Its figures."""
        return StudyPlots(self)

    @cached_property
    def results(self) -> StudyResults:
        """Its records, evaluated: the stored summary where it is of these runs, or else evaluated now.

        Raises `UserError` where no run has ended or a file is damaged.
        """
        results = self._found.intact(but=[self._found.dir.summary_path]).results()
        stored = read_record(self._found.dir.summary_path, StudySummary)
        if stored is not None and stored.study_digest == self.config.digest and _is_whole(stored, results):
            return results.with_summary(stored)
        from bertft_core.evaluation.summarize import evaluated

        return evaluated(results, stored)

    @property
    def summary(self) -> StudySummary:
        """Its answer, as a record."""
        return self.results.summary

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per planned run: `arm`, `seed`, `status`, its settings, times and scores.

        In a split design `seed` counts the runs, and `seed_of_split` the seeds on one split. The columns are those of
        `runs.csv` in the study's report, where `seed` is called `index`.
        """
        from bertft_core.evaluation import frames

        return _with_seed(frames.runs(self.results))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per score of a run: `arm`, `seed`, `status`, `checkpoint`, `split`, `metric`, `value`."""
        from bertft_core.evaluation import frames

        return _with_seed(frames.scores(self.summary)).drop(columns="key")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per number of a learning curve: `arm`, `seed`, `part` (train or validation), `metric`, `step`, `value`.

        Examples:
            >>> curves = bertft.load_study("claims", home=home).curves
            >>> curves.query("arm == 'full' and seed == 0 and part == 'validation' and metric == 'accuracy'")["value"].max()
            0.92
        """
        from bertft_core.evaluation import answer_frames

        return answer_frames.curves(self.results)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per stored answer: `arm`, `seed`, `split`, `example`, `label`, `prediction`, `probability`.

        Those of the headline's checkpoint, for every split that was predicted; see `predictions_at` for the other checkpoint.
        """
        return self.predictions_at(self.summary.headline_checkpoint)

    def predictions_at(self, checkpoint: str) -> pd.DataFrame:
        """The predictions at a checkpoint: `best` or `final`. Raises `UserError` for another one."""
        from bertft_core.evaluation.prediction_frame import long_predictions

        refuse_unknown("checkpoint", checkpoint, CHECKPOINTS)
        return long_predictions(self.results, checkpoint)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial of a search: `arm`, `number`, `state`, `score`, `is_chosen` and its settings."""
        from bertft_core.evaluation import frames

        return frames.trials(self.results)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """One row per pair of arms and metric: `difference`, `low`, `high`, `p_holm`, `claimed`, `superiority` and more."""
        from bertft_core.evaluation import answer_frames

        return answer_frames.pairs(self.summary.comparison)

    @cached_property
    def variance(self) -> pd.DataFrame:
        """One row per arm and source of variance of the headline metric: `source`, `variance`, `sd`, `share`."""
        from bertft_core.evaluation import answer_frames

        return answer_frames.variance(self.summary)


def _is_whole(stored: StudySummary, results: StudyResults) -> bool:
    """The summary counts these runs as they are, and has compared its arms."""
    counted = [(seed.run_digest, seed.status) for arm in stored.arms for seed in arm.seeds]
    records = results.records
    there = [(spec.digest, records[spec.digest].status if spec.digest in records else "missing") for spec in results.planned]
    return sorted(counted) == sorted(there) and (stored.comparison is not None or len(stored.arms) < 2)


def _with_seed(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={"seed": "seed_of_split", "index": "seed"})
