"""A study on disk, found by its name, its config or its folder, and what it has so far."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, UserError, load_study
from bertft_core.config.base import NAME_PATTERN
from bertft_core.config.ready_studies import ready_names
from bertft_core.planning.run_specs import plan_trial, search_digest
from bertft_core.planning.wanted_runs import WantedRuns, decided_arms, wanted_runs
from bertft_core.records import DatasetCard, RunRecord, SweepResult
from bertft_core.storage.damage import refuse_damage
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import Damaged, StudyDir, checked_record, checked_values, read_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.storage.upgrade import version_of


@dataclass
class StudyOnDisk:
    """What a study's folder holds so far; `results` are those of its runs."""

    study: StudyConfig
    dir: StudyDir
    card: DatasetCard | None = field(default=None)

    def __post_init__(self) -> None:
        card = self.card or read_record(self.dir.card_path, DatasetCard)
        self.card = None if card is None else self._here(card)

    def _here(self, card: DatasetCard) -> DatasetCard:
        """The card with today's folders: the home may be another one than when the data were prepared."""
        arms = {arm: self._here(own) for arm, own in card.arms.items()}
        searched = tuple(each.model_copy(update={"card": self._here(each.card)}) for each in card.searched)
        draws = tuple(map(self._here, card.draws))
        directory = str(self.dir.home_dir.resolve() / "data" / card.fingerprint)
        return card.model_copy(update={"arms": arms, "searched": searched, "draws": draws, "directory": directory})

    @property
    def cards(self) -> tuple[DatasetCard, ...]:
        """The cards of all arms; none where no data have been prepared."""
        return () if self.card is None else self.card.every

    @cached_property
    def sweeps(self) -> dict[str, SweepResult]:
        """Arm → result of its search, where it ended."""
        found: dict[str, SweepResult] = {}
        if self.card is None:
            return found
        for name, arm in self.study.arms.items():
            if arm.search is not None:
                result = self._sweep(name, search_digest(self.study, self.card, name))
                if result is not None and result.n_planned == arm.search.n_trials:
                    found[name] = result
        return found

    def _sweep(self, arm: str, digest: str) -> SweepResult | None:
        """The result of a search; a study of an older version has it below another digest."""
        folders = [self.dir.sweep_dir(arm, digest)]
        if self.is_older:
            folders += sorted(self.dir.path.glob(f"sweep/{arm}-*"))
        return next((found for folder in folders if (found := read_record(folder / "result.json", SweepResult))), None)

    def search_runs(self, arm: str) -> list[RunRecord]:
        """The records of the runs that the search of an arm has asked for so far, without those of earlier searches."""
        assert self.card is not None
        if (result := self.sweeps.get(arm)) is not None:
            digests = [digest for trial in result.trials for digest in trial.run_digests]
        else:
            from bertft_core.sweep.trial_journal import params_of  # slow

            folder = self.dir.sweep_dir(arm, search_digest(self.study, self.card, arm))
            trials = enumerate(params_of(folder / "journal.log", f"{self.study.name}/{arm}"))
            specs = (spec for n, params in trials for spec in plan_trial(self.study, self.card, arm, params, trial=n))
            digests = [spec.digest for spec in specs]
        return [self.records[digest] for digest in dict.fromkeys(digests) if digest in self.records]

    @cached_property
    def is_older(self) -> bool:
        """An older version of this package has run it last."""
        try:
            return checked_values(self.dir.config_path, StudyConfig)[1] < version_of("StudyConfig")
        except (FileNotFoundError, Damaged):
            return False

    @property
    def chosen(self) -> dict[str, dict[str, Any]]:
        """Arm → the setting its search chose."""
        return {arm: result.chosen for arm, result in self.sweeps.items()}

    @cached_property
    def wanted(self) -> WantedRuns:
        """The report runs and repeats of every arm whose setting is known."""
        if self.card is None:
            return WantedRuns([], [])
        wanted = wanted_runs(self.study, self.card, self.chosen, self.records).of_arms(decided_arms(self.study, self.chosen))
        # runs of an older version are meant by the digest they had
        older = {record.spec.model_copy().digest: record.spec for record in self.records.values()} if self.is_older else {}
        return wanted._replace(planned=[older.get(spec.digest, spec) for spec in wanted.planned])

    @cached_property
    def unplanned(self) -> set[str]:
        """The records that the study's config no longer asks for; none while a search that has not ended may ask for them."""
        decided = decided_arms(self.study, self.chosen) == list(self.study.arms)
        if self.card is None or self.is_older or not decided:
            return set()
        searched = {digest for result in self.sweeps.values() for trial in result.trials for digest in trial.run_digests}
        return self.records.keys() - searched - {spec.digest for spec in (*self.wanted.planned, *self.wanted.repeats)}

    @cached_property
    def records(self) -> dict[str, RunRecord]:
        """Every record in the study's folder, by digest."""
        return {record.digest: record for record in self.dir.records()}

    def results(self) -> StudyResults:
        """What its runs have given so far, not evaluated. Raises `UserError` while there is no record."""
        if self.card is None or not self.records:
            raise no_finished_runs(self.dir)
        return StudyResults(self.study, self.card, self.dir, self.records, self.wanted.planned, self.sweeps)

    def intact(self, *, records_only: bool = False, but: Collection[Path] = ()) -> StudyOnDisk:
        """Itself. Raises `UserError` where a file is damaged, as `refuse_damage` does: no command answers from the others."""
        refuse_damage(self.dir, records_only=records_only, but=but)
        return self


def open_study(study_dir: StudyDir) -> StudyOnDisk:
    """The study in this folder. Raises `UserError` when there is none, or its config is damaged."""
    try:
        return StudyOnDisk(checked_record(study_dir.config_path, StudyConfig), study_dir)
    except Damaged:
        refuse_damage(study_dir, records_only=True)
        raise
    except FileNotFoundError:
        raise _not_found(study_dir.path.name, study_dir.home_dir) from None


def study_dir_of(name: str, home: str | Path | None) -> StudyDir:
    """The folder of a study, which need not be there, by its name, its config file, or a ready one's name. Raises `UserError`."""
    where = home_dir(home)
    by_config = is_config(name) or (name in ready_names() and name not in known_studies(where))
    return StudyDir(where, load_study(name).name if by_config else study_name(name))


def _not_found(name: str, where: Path) -> UserError:
    known = known_studies(where)
    near = difflib.get_close_matches(name, known, n=1)
    return UserError(
        f"there is no study '{name}' here",
        code="study.not-found",
        path=where,
        found=f"the studies {', '.join(known)}" if known else "no study at all",
        hint=f"did you mean '{near[0]}'?" if near else "run it first: bertft run CONFIG, with the same --home",
    )


def no_finished_runs(study_dir: StudyDir) -> UserError:
    """The error of a command that needs the result of a run, to be raised."""
    problem = f"the study '{study_dir.path.name}' has no finished runs yet"
    return UserError(problem, code="study.no-finished-runs", path=study_dir.path, hint="run it first: bertft run CONFIG")


def is_config(name: str) -> bool:
    """Whether a study is meant by its config file."""
    return Path(name).suffix in (".yaml", ".yml")


def study_name(given: str) -> str:
    """The name itself. Raises `UserError` for what no study is called, such as a path."""
    if re.fullmatch(NAME_PATTERN, given) and "\n" not in given:
        return given
    last = Path(given).name
    raise UserError(
        "this is not the name of a study",
        code="study.not-a-name",
        found=given,
        expected="a name of letters, digits, '.', '_' and '-', or a config file that ends in .yaml",
        hint=f"did you mean '{last}', with --home for another home?"
        if re.fullmatch(NAME_PATTERN, last)
        else "bertft list shows the studies of a home",
    )


def known_studies(home: Path) -> list[str]:
    """The names of the studies in a home."""
    return sorted(path.parent.name for path in home.glob("studies/*/config.json"))
