"""Half of the validation set becomes the test set, where there is none: per class, seeded from the `split` stream.

Zhang et al. 2021 report on a held-out half of the development set in this way (their `--test_val_split`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data.examples import RawSplit
from bertft_core.data.splits import cut_missing, groups, subsample
from bertft_core.seeds import derive_seed

HALVES = 2
"""Place of this cut in the `split` stream, after those of validation and test."""


def cut_splits(given: Mapping[str, RawSplit], data: DataConfig, study_seed: int) -> dict[str, RawSplit]:
    """The splits of a study: what is missing is cut off, then the validation set halved, then subsamples are drawn."""
    cut = cut_missing(given, data.split, study_seed)
    cut = halve_validation(cut, study_seed) if data.split.halve_validation else cut
    return subsample(cut, data.subsample, study_seed)


def halve_validation(splits: Mapping[str, RawSplit], study_seed: int) -> dict[str, RawSplit]:
    """The splits with a test set; unchanged where there is one.

    Of every class half goes to each, of an odd number the greater part to validation; copies of a text stay together. Both keep
    the order of the source. Raises `UserError` when there are too few examples for two sets.
    """
    if "test" in splits:
        return dict(splits)
    whole = splits["validation"]
    rng = np.random.default_rng(derive_seed(study_seed, "split", HALVES))
    taken: set[str] = set()
    for label in sorted(whole.label_counts):
        alike = groups([example for example in whole.examples if example.stratum == label], together=True)
        quota, n = sum(map(len, alike)) // 2, 0
        for k in rng.permutation(len(alike)):
            if n + len(alike[k]) <= quota:
                taken.update(example.id for example in alike[k])
                n += len(alike[k])
    test = tuple(example for example in whole.examples if example.id in taken)
    validation = tuple(example for example in whole.examples if example.id not in taken)
    if not test or not validation:
        raise UserError(
            "the validation set is too small to be halved",
            path=whole.path,
            found=f"{len(whole.examples)} examples",
            expected="two different ones of a class at least",
            hint="take data.split.halve_validation out, or give a larger validation set",
        )
    halves = {
        "validation": RawSplit(validation, whole.path, f"half of {whole.origin}"),
        "test": RawSplit(test, whole.path, "half of validation"),
    }
    others = {name: split for name, split in splits.items() if name not in ("train", "validation")}
    return {"train": splits["train"]} | halves | others
