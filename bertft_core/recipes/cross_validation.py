"""When a study of few examples is cross-validated instead of giving a part of them away as a test set."""

from collections.abc import Sequence

from bertft_core.config import StudyConfig
from bertft_core.config.seed_settings import SeedsConfig
from bertft_core.config.split_designs import Folds, SplitDesign
from bertft_core.recipes.data_profile import DataProfile

HOLD_OUT_FROM = 1_000
"""Examples from which a fifth is a test set of its own: the standard error of an accuracy on 200 is at most 3.5 points."""
FOLDS = Folds(folds=5, repeats=2)
"""The second repeat narrows an interval of the mean by 28 %: by Nadeau & Bengio's variance, (1/J + 1/4)·s², and Student's t with
4 or 9 degrees of freedom. It also gives pooled intervals, which one repeat has not. Of up to 4 arms these are 40 runs, fewer than
the 8 or 10 seeds and the searches of small sets."""
DECIDED = (
    "data.validation",
    "data.test",
    "data.split",
    "data.subsample",
    "seeds.until",
    "seeds.start",
    "seeds.design",
    "ensemble",
)
"""Overrides that say what is tested or how runs are made; `data.split` also as a whole."""


def leaves_open(overrides: Sequence[str]) -> bool:
    """Whether `--set KEY=VALUE` leaves the choice: nothing is searched, and no split or seed design is named."""
    keys = [override.partition("=")[0].strip() for override in overrides]
    names = ("data.split.validation_ratio", "data.split.group", "data.subsample.train")
    decided = (key for key in keys if key not in names and (f"{key}.".startswith(tuple(f"{each}." for each in DECIDED))))
    searched = (key for key in keys if key.startswith("arms") and "search" in key)
    return not any(decided) and not any(searched)


def is_cross_validated(study: StudyConfig, profile: DataProfile) -> bool:
    """Whether a study that would cut both its validation and its test set has too few examples for that."""
    cuts_both = profile.cuts_validation and study.data.split.test_ratio is not None
    return cuts_both and study.head.kind != "masked_lm" and profile.n_examples < HOLD_OUT_FROM


def cross_validated(study: StudyConfig) -> StudyConfig:
    """The study with a split design in place of the test set that it would cut."""
    split = study.data.split.model_copy(update={"test_ratio": None})
    seeds = SeedsConfig(n=1, design=SplitDesign(split=FOLDS))
    return study.model_copy(update={"data": study.data.model_copy(update={"split": split}), "seeds": seeds})
