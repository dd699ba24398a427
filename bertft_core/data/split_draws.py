"""The splits of a split design: every one divides the same examples into its own train, validation and test part.

Sources: k-fold cross-validation and its repeats, Bouckaert & Frank 2004; repeated random splits, Nadeau & Bengio 2003;
out-of-bootstrap, Bouthillier et al. 2021 (section 3).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.config.split_designs import Folds, OutOfBootstrap, Resamples, SplitsOfDesign
from bertft_core.data.blocks import deal_blocks, deal_folds
from bertft_core.data.examples import Example, RawSplit
from bertft_core.data.kept_together import blocks_of, blocks_of_texts, strata_of
from bertft_core.data.splits import subsample
from bertft_core.seeds import derive_seed, split_seed

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
VALIDATION = "validation"


def pool_of(given: Mapping[str, RawSplit], data: DataConfig, study_seed: int) -> dict[str, RawSplit]:
    """The examples that the splits are drawn from, as `train`, and the out-of-domain sets.

    The training set alone: a bundled data set's own validation and test set stay aside.
    """
    kept = {name: split for name, split in given.items() if name not in ("validation", "test")}
    return subsample(kept, data.subsample, study_seed)


def drawn_splits(
    pool: Mapping[str, RawSplit], splits: SplitsOfDesign, data: DataConfig, study_seed: int
) -> Iterator[dict[str, RawSplit]]:
    """Each split of the design: train, validation, test and the out-of-domain sets, in the order of the source.

    Examples made from another one (`Example.source_id`) are trained on where that one is, and are nowhere else. Of a bootstrap
    sample, an example that was drawn several times is so often in train. Raises `UserError` for a label that a training part
    cannot have.
    """
    whole = pool["train"]
    originals = [example for example in whole.examples if not example.source_id]
    others = {name: split for name, split in pool.items() if name != "train"}
    _refuse_sourceless(whole, originals)
    drawing = _Drawing(originals, data, splits, study_seed)
    for split in range(splits.n_splits):
        times, validation, test = drawing.of(split)
        _refuse_missing_label(whole, originals, times, splits)
        _refuse_empty(whole, originals, {VALIDATION: validation, "test": test}, splits, data)
        parts = {
            "train": _training_part(whole, originals, times),
            "validation": tuple(example for example, is_in in zip(originals, validation, strict=True) if is_in),
            "test": tuple(example for example, is_in in zip(originals, test, strict=True) if is_in),
        }
        yield {name: whole.derived(part, cut_from_train=True, **_further(whole, part)) for name, part in parts.items()} | others


class _Drawing:
    """Which examples the parts of each split have, from seeds that depend on nothing but the split."""

    def __init__(self, examples: Sequence[Example], data: DataConfig, splits: SplitsOfDesign, study_seed: int) -> None:
        self._splits, self._study_seed, self._ratio = splits, study_seed, data.split.validation_ratio
        group = data.split.group
        self._blocks = blocks_of(examples, group) if group else blocks_of_texts(examples)
        self._strata, _ = strata_of(examples)

    def of(self, split: int) -> tuple[Ints, Bools, Bools]:
        """How often an example is in train, and whether it is in validation or test: each [examples]."""
        seed = split_seed(self._study_seed, self._splits, split)
        in_bag = self._in_bag(split, seed)
        test, fold = in_bag == 0, self._splits.place(split).fold
        validation = self._validation(~test, np.random.default_rng(derive_seed(seed, "split", VALIDATION, fold)))
        return np.where(validation, 0, in_bag), validation, test

    def _in_bag(self, split: int, seed: int) -> Ints:
        """How often an example is drawn to train and validate on [examples]; 0 of those to test on."""
        rng, splits = np.random.default_rng(seed), self._splits
        if isinstance(splits, Folds):
            folds = deal_folds(self._blocks, self._strata, splits.folds, rng)
            return (folds != splits.place(split).fold).astype(np.int64)
        if isinstance(splits, Resamples):
            return deal_blocks(self._blocks, self._strata, [splits.test_ratio, 1 - splits.test_ratio], rng)
        assert isinstance(splits, OutOfBootstrap)
        n_blocks = int(self._blocks.max()) + 1
        return np.bincount(rng.integers(n_blocks, size=n_blocks), minlength=n_blocks)[self._blocks]

    def _validation(self, inside: Bools, rng: np.random.Generator) -> Bools:
        """The part of the examples that are not tested which validates [examples]; a label's only block is trained on."""
        rows = np.flatnonzero(inside)
        blocks, strata = (np.unique(numbers[rows], return_inverse=True)[1] for numbers in (self._blocks, self._strata))
        in_train = deal_blocks(blocks, strata, [self._ratio, 1 - self._ratio], rng).astype(bool)
        for stratum in set(strata) - set(strata[in_train]):
            in_train |= np.isin(blocks, blocks[strata == stratum])
        found = np.zeros(len(inside), dtype=bool)
        found[rows[~in_train]] = True
        return found


def _training_part(whole: RawSplit, originals: Sequence[Example], times: Ints) -> tuple[Example, ...]:
    """The examples to train on, each as often as it was drawn, and what was made from them."""
    n_of = {example.id: int(n) for example, n in zip(originals, times, strict=True)}
    return tuple(example for example in whole.examples for _ in range(n_of.get(example.source_id or example.id, 0)))


def _further(whole: RawSplit, part: Sequence[Example]) -> dict[str, dict[str, int]]:
    """How many examples of each further file a part has, and how many of it are trained on with other splits or with none."""
    used = Counter(name.partition("-")[0] for name in {example.id.removesuffix("-swapped") for example in part if example.path})
    n_of = {path: used[f"extra{i}"] for i, path in enumerate(whole.origin.extra)}
    left_out = {path: whole.origin.extra[path] + whole.origin.extra_left_out.get(path, 0) - n for path, n in n_of.items() if n}
    return {"extra": {path: n for path, n in n_of.items() if n}, "extra_left_out": {path: n for path, n in left_out.items() if n}}


def _refuse_sourceless(whole: RawSplit, originals: Sequence[Example]) -> None:
    """A further example without a source could be trained on by a split that tests what it was made from."""
    first = next((example for example in originals if example.path), None)
    if first is not None:
        raise UserError(
            "under seeds.design.split, a further training example must name the example that it was made from",
            code="extra.no-source",
            path=whole.path_of(first),
            line=first.line,
            found="no source_id",
            expected="the id of an example of train, so that this one follows it out of the splits that test it",
            hint="fill in the column source_id, or remove the file from data.extra_train",
        )


def _refuse_missing_label(whole: RawSplit, originals: Sequence[Example], times: Ints, splits: SplitsOfDesign) -> None:
    trained = {example.stratum for example, n in zip(originals, times, strict=True) if n}
    missing = next((example for example in originals if example.stratum not in trained), None)
    if missing is not None:
        n = whole.label_counts[missing.stratum]
        raise UserError(
            f"a split of seeds.design would train on no example of the label '{missing.stratum}'",
            code="split.untrained-label",
            path=whole.path_of(missing),
            line=missing.line,
            found=f"{n} in all, some of them copies of one text or of one group" if n > 1 else "1 in all",
            expected="at least three different examples of each label",
            hint=f"add examples of '{missing.stratum}', or remove it"
            + (", or make seeds.design.split.test_ratio smaller" if isinstance(splits, Resamples) else ""),
        )


REMEDIES: dict[type, dict[str, str]] = {
    Folds: {"validation": "make data.split.validation_ratio larger", "test": "draw fewer folds"},
    Resamples: {
        "validation": "make seeds.design.split.test_ratio smaller or data.split.validation_ratio larger",
        "test": "make seeds.design.split.test_ratio larger",
    },
    OutOfBootstrap: {"validation": "make data.split.validation_ratio larger"},
}
"""Kind of splits → empty part → which setting gives it an example."""


def _remedy(name: str, splits: SplitsOfDesign, *, grouped: bool) -> str:
    """What gives an empty part an example."""
    more = f"add {'groups: all examples of one are in one part' if grouped else 'examples'}"
    return ", or ".join([*filter(None, [REMEDIES[type(splits)].get(name)]), more])


def _refuse_empty(
    whole: RawSplit, originals: Sequence[Example], parts: Mapping[str, Bools], splits: SplitsOfDesign, data: DataConfig
) -> None:
    for name, part in parts.items():
        if not part.any():
            raise UserError(
                f"a split of seeds.design would have no {name} example",
                code="split.empty-part",
                path=whole.path,
                found=f"{len(originals)} examples in all",
                expected="enough different ones for every part of every split",
                hint=_remedy(name, splits, grouped=data.split.group is not None),
            )
