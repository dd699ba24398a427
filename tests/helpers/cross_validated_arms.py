"""Many small studies over repeated splits: two linear classifiers that are equally good by symmetry, really trained and tested.

Two classes of normal features. The first arm reads one half of the features, the second the other half, which is as informative.
So the arms' expected accuracies are equal, while every study's training data, splits and seeds make them differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from bertft_core.statistics.resampling import Floats

BATCH = 250


class Learner(NamedTuple):
    """What both arms train on: how many examples and features, and how."""

    n_examples: int
    n_features: int
    ridge: float | None
    """Of ridge regression; None: the difference of the class means."""
    seed_noise: float = 0.0
    """Size of what a seed adds to weights of length 1."""


class Trained(NamedTuple):
    """Models of a batch of studies on one split."""

    right: Floats
    """[studies, 2 arms, seeds, examples]: 1 where the answer is right, for trained-on examples too."""
    expected: Floats
    """[studies, 2 arms, seeds]: accuracy on all examples there could be."""


class Studies:
    """A batch of independent studies with the same design."""

    def __init__(self, learner: Learner, rng: np.random.Generator) -> None:
        self.learner, self.rng = learner, rng
        n, d = learner.n_examples, learner.n_features
        self.labels = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
        self._direction = np.full(d, d**-0.5)
        self._signed = rng.normal(size=(BATCH, 2, n, d)) + self._direction
        """Features times the label."""

    def train(self, weights: Floats, n_seeds: int = 1) -> Trained:
        """Train on the examples as often as `weights` [studies, examples] says; new seeds at every call."""
        drawn = self._signed * weights[:, None, :, None]
        summed = drawn.sum(axis=2)
        if self.learner.ridge is not None:
            gram = self._signed.swapaxes(2, 3) @ drawn + self.learner.ridge * np.eye(self.learner.n_features)
            summed = np.linalg.solve(gram, summed[..., None])[..., 0]
        means = summed / np.linalg.norm(summed, axis=-1, keepdims=True)
        noise = self.rng.normal(size=(BATCH, 2, n_seeds, self.learner.n_features)) * self.learner.n_features**-0.5
        models = means[:, :, None] + self.learner.seed_noise * noise
        right = (models @ self._signed.swapaxes(2, 3) > 0).astype(np.float64)
        return Trained(right, np.asarray(ndtr(models @ self._direction / np.linalg.norm(models, axis=-1))))

    def folds(self, k: int) -> Floats:
        """Fold of each example [studies, examples], drawn anew and stratified by label."""
        found = np.empty((BATCH, len(self.labels)))
        for start in (0, 1):
            found[:, start::2] = self.rng.random(found[:, start::2].shape).argsort(axis=1).argsort(axis=1) % k
        return found


class CrossValidated(NamedTuple):
    """A batch of cross-validated studies."""

    pooled: Floats
    """[studies, 2 arms, repeats, seeds, examples]: 1 where the answer out of fold is right."""
    scores: Floats
    """[studies, 2 arms, repeats · folds, seeds]: accuracy on each test fold."""
    expected: Floats
    """As `scores`: accuracy of the same models on all examples there could be."""


def cross_validated(
    learner: Learner, k: int, repeats: int, n_seeds: int, n_studies: int, *, trained_share: float = 1.0
) -> Iterator[CrossValidated]:
    """`n_studies` in batches; a model trains on `trained_share` of the examples outside its fold and leaves the others alone."""
    rng = np.random.default_rng([k, repeats, n_seeds, learner.n_examples, learner.n_features])
    for _ in range(n_studies // BATCH):
        studies = Studies(learner, rng)
        pooled = np.empty((BATCH, 2, repeats, n_seeds, learner.n_examples))
        scores, expected = (np.empty((BATCH, 2, repeats * k, n_seeds)) for _ in range(2))
        for repeat in range(repeats):
            folds = studies.folds(k)
            for fold in range(k):
                tested = (folds == fold)[:, None, None, :]
                kept = rng.random(folds.shape) < trained_share
                models = studies.train(((folds != fold) & kept).astype(np.float64), n_seeds)
                pooled[:, :, repeat] = np.where(tested, models.right, pooled[:, :, repeat])
                scores[:, :, repeat * k + fold] = (models.right * tested).sum(axis=-1) / tested.sum(axis=-1)
                expected[:, :, repeat * k + fold] = models.expected
        yield CrossValidated(pooled, scores, expected)


def resampled_splits(
    learner: Learner, n_splits: int, n_studies: int, test_ratio: float | None
) -> Iterator[tuple[Floats, Floats]]:
    """Batches of studies over random splits, or out-of-bootstrap ones where `test_ratio` is None.

    Scores [studies, 2 arms, splits], and how many examples each split tests [studies, splits].
    """
    n = learner.n_examples
    rng = np.random.default_rng([n_splits, n, learner.n_features, round(100 * (test_ratio or 0))])
    for _ in range(n_studies // BATCH):
        studies, scores, n_test = Studies(learner, rng), np.empty((BATCH, 2, n_splits)), np.empty((BATCH, n_splits))
        for split in range(n_splits):
            if test_ratio is None:
                drawn = np.stack([np.bincount(of_study, minlength=n) for of_study in rng.integers(0, n, size=(BATCH, n))])
            else:
                drawn = rng.random((BATCH, n)).argsort(axis=1).argsort(axis=1) >= round(n * test_ratio)
            tested = drawn == 0
            right = studies.train(drawn.astype(np.float64)).right[:, :, 0]
            n_test[:, split] = tested.sum(axis=-1)
            scores[:, :, split] = (right * tested[:, None]).sum(axis=-1) / n_test[:, None, split]
        yield scores, n_test
