"""Linear-chain CRF over the words of a sentence: whole tag sequences are scored, learned and searched, not single tags.

Source:   Lafferty, McCallum & Pereira 2001; score of a path = start + Σ emissions + Σ transitions + end, log-partition by the
          forward recursion, best path by Viterbi.
Touches:  the token classifier's logits are its emissions; adds `n_labels`² + 2 `n_labels` parameters.
Limits:   constraints are pairs of neighbours; a forbidden step has no probability, in learning as in decoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bertft_core.heads.extra_parts import ExtraPart

SPREAD = 0.1
FORBIDDEN = -1e30  # exp() of it is 0 beside any real score, and unlike -inf it leaves every gradient finite

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class CRF(ExtraPart):
    """Scores of `n_labels` labels at the start [L], at the end [L] and of each step [L, L] as [before, after].

    They are drawn uniformly from ±0.1 by torch's global generator. `allowed` holds what may begin a sentence [L], end it [L] and
    follow [L, L], as `metrics.tag_schemes.allowed_transitions` gives it; None allows everything.
    Raises `ValueError` for shapes that do not fit and when the constraints leave no path for sentences of some length.
    """

    name = "crf"
    title = "CRF"
    is_decayed = False  # its scores are added, as biases are, and decay would make all transitions equally likely

    start: nn.Parameter
    end: nn.Parameter
    transitions: nn.Parameter
    allowed_start: Tensor
    allowed_end: Tensor
    allowed_transitions: Tensor

    def __init__(self, n_labels: int, allowed: tuple[Bools, Bools, Bools] | None = None) -> None:
        super().__init__()
        shapes = {"start": (n_labels,), "end": (n_labels,), "transitions": (n_labels, n_labels)}
        everything = [np.ones(shape, bool) for shape in shapes.values()]
        for (name, shape), mask in zip(shapes.items(), allowed or everything, strict=True):
            if np.shape(mask) != shape:
                raise ValueError(f"allowed {name} has shape {np.shape(mask)}, expected {shape}")
            self.register_buffer(f"allowed_{name}", torch.tensor(np.asarray(mask, bool)))
            self.register_parameter(name, nn.Parameter(torch.empty(shape).uniform_(-SPREAD, SPREAD)))
        if allowed is not None:
            _refuse_dead_ends(*allowed)

    @property
    def n_labels(self) -> int:
        return len(self.start)

    def neg_log_likelihood(self, emissions: Tensor, tags: Tensor, lengths: Sequence[int]) -> Tensor:
        """-log p(tags) summed over the sentences, in nats: a scalar, in fp32 under autocast too.

        `emissions` [N, L] and `tags` [N] hold the words of all sentences one behind the other, `lengths` the words of each.
        Raises `ValueError` for no sentences, a sentence without words, shapes that do not fit, tags out of 0 … L - 1, and gold
        tags that break the constraints, since their likelihood is 0: repair or refuse them when the data are read.
        """
        layout = _layout(lengths, emissions, self.n_labels)
        tags = self._checked(tags.to(emissions.device), layout)
        emissions = self._at_least_fp32(emissions)
        return (self._log_partition(emissions, layout) - self._path_scores(emissions, tags, layout)).sum()

    def log_partition(self, emissions: Tensor, lengths: Sequence[int]) -> Tensor:
        """log Σ exp(score) over all allowed paths of each sentence, in nats, [sentences]; arguments and errors as above."""
        layout = _layout(lengths, emissions, self.n_labels)
        return self._log_partition(self._at_least_fp32(emissions), layout)

    def marginals(self, emissions: Tensor, lengths: Sequence[int]) -> Tensor:
        """Probability of each label of each word over all allowed paths of its sentence, [N, L]; arguments and errors as above.

        They are the gradient of the log-partition with respect to the emissions.
        """
        with torch.enable_grad():
            leaf = emissions.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.log_partition(leaf, lengths).sum(), leaf)
        return gradient

    @torch.no_grad()
    def decode(self, emissions: Tensor, lengths: Sequence[int]) -> list[Ints]:
        """The best allowed path of each sentence, int64 [words]; in double precision on the CPU; arguments and errors as above.

        Among equal paths the one with the lowest last label, then with the lowest label before it, and so on backwards.
        """
        layout = _layout(lengths, emissions, self.n_labels)
        start, end, transitions = (scores.double().cpu().numpy() for scores in self._scores())
        words = np.zeros((layout.n_steps * len(lengths), self.n_labels))
        words[layout.places.cpu().numpy()] = emissions.double().cpu().numpy()
        return _viterbi(words.reshape(layout.n_steps, len(lengths), -1), start, end, transitions, np.asarray(lengths))

    def description(self) -> dict[str, str]:
        """The number of labels."""
        return {"n_labels": str(self.n_labels)}

    @classmethod
    def like(cls, tensors: Mapping[str, Tensor]) -> CRF:
        """A CRF with the constraints of stored ones."""
        start, end, transitions = (tensors[f"allowed_{name}"].numpy() for name in ("start", "end", "transitions"))
        return cls(len(start), (start, end, transitions))

    def _scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Start, end and transitions with the forbidden ones out of reach; these get no gradient."""
        return (
            self.start.where(self.allowed_start, FORBIDDEN),
            self.end.where(self.allowed_end, FORBIDDEN),
            self.transitions.where(self.allowed_transitions, FORBIDDEN),
        )

    def _at_least_fp32(self, emissions: Tensor) -> Tensor:
        """Enough under autocast too: it lowers products of matrices, and a CRF has none."""
        return emissions.to(torch.promote_types(self.start.dtype, torch.float32))

    def _checked(self, tags: Tensor, layout: _Layout) -> Tensor:
        if tags.shape != layout.places.shape:
            raise ValueError(f"tags {tuple(tags.shape)} do not fit {len(layout.places)} words")
        if bool(((tags < 0) | (tags >= self.n_labels)).any()):
            raise ValueError(f"tags must lie in 0 … {self.n_labels - 1}, found {int(tags.min())} … {int(tags.max())}")
        steps = self.allowed_transitions[tags[layout.inner - 1], tags[layout.inner]]
        whole = steps.all() & self.allowed_start[tags[layout.first]].all() & self.allowed_end[tags[layout.last]].all()
        if not bool(whole):
            raise ValueError("gold tags break the constraints: their likelihood is 0")
        return tags.long()

    def _path_scores(self, emissions: Tensor, tags: Tensor, layout: _Layout) -> Tensor:
        """Score of the given path of each sentence, [sentences]."""
        words = emissions[torch.arange(len(tags), device=tags.device), tags]
        steps = self.transitions[tags[layout.inner - 1], tags[layout.inner]]
        borders = self.start[tags[layout.first]] + self.end[tags[layout.last]]
        sentence = layout.sentence
        return borders.to(words.dtype).index_add(0, sentence, words).index_add(0, sentence[layout.inner], steps.to(words.dtype))

    def _log_partition(self, emissions: Tensor, layout: _Layout) -> Tensor:
        start, end, transitions = self._scores()
        padded = emissions.new_zeros(layout.n_steps * len(layout.first), self.n_labels)
        first, *others = padded.index_copy(0, layout.places, emissions).view(layout.n_steps, -1, self.n_labels)
        # Short sentences run on over zeros, which costs less than holding them back; their sums are taken at their last word.
        sums = [start + first]
        for step in others:
            sums.append((sums[-1].unsqueeze(2) + transitions).logsumexp(dim=1) + step)
        return (torch.cat(sums)[layout.places[layout.last]] + end).logsumexp(dim=1)


class _Layout(NamedTuple):
    """The positions of the words of a batch: all fields but `n_steps` are int64 tensors on the device of the emissions."""

    n_steps: int
    """Words of the longest sentence."""
    places: Tensor
    """[N] row of each word in a padded [n_steps · sentences] table, time first."""
    sentence: Tensor
    """[N] sentence of each word."""
    first: Tensor
    """[sentences] its first word among all words."""
    last: Tensor
    inner: Tensor
    """[N - sentences] the words that are not first."""


def _layout(lengths: Sequence[int], emissions: Tensor, n_labels: int) -> _Layout:
    counts = np.asarray(lengths, dtype=np.int64)
    if len(counts) == 0 or counts.min() < 1:
        raise ValueError(f"a CRF needs at least one sentence and one word in each, found lengths {list(lengths)}")
    n_words = int(counts.sum())
    if emissions.shape != (n_words, n_labels):
        raise ValueError(f"emissions {tuple(emissions.shape)} do not fit {n_words} words and {n_labels} labels")
    first = counts.cumsum() - counts
    sentence = np.arange(len(counts)).repeat(counts)
    word = np.arange(n_words) - first[sentence]
    fields = (word * len(counts) + sentence, sentence, first, first + counts - 1, np.flatnonzero(word))
    return _Layout(int(counts.max()), *(torch.from_numpy(field).to(emissions.device) for field in fields))


def _viterbi(words: Floats, start: Floats, end: Floats, transitions: Floats, lengths: Ints) -> list[Ints]:
    """`words` [steps, sentences, L] padded behind; argmax takes the lowest index among equals."""
    n_steps, n_sentences, _ = words.shape
    everyone = np.arange(n_sentences)
    scores, came_from = [start + words[0]], []
    for step in words[1:]:
        candidates = scores[-1][:, :, None] + transitions
        came_from.append(candidates.argmax(axis=1))
        scores.append(candidates.max(axis=1) + step)
    last = (np.stack(scores)[lengths - 1, everyone] + end).argmax(axis=1)
    paths = np.empty((n_steps, n_sentences), np.int64)
    paths[-1] = last
    for t in reversed(range(n_steps - 1)):
        paths[t] = np.where(t < lengths - 1, came_from[t][everyone, paths[t + 1]], last)
    return [paths[:length, i].copy() for i, length in enumerate(lengths)]


def _refuse_dead_ends(start: Bools, end: Bools, transitions: Bools) -> None:
    """Walk the sets of labels that a word can have until one comes back: from there on nothing new can happen."""
    reached: Bools = np.asarray(start, bool)
    seen: set[bytes] = set()
    while reached.tobytes() not in seen:
        if not (reached & end).any():
            raise ValueError(f"the constraints leave no path for a sentence of length {len(seen) + 1}")
        seen.add(reached.tobytes())
        reached = np.any(reached[:, None] & transitions, axis=0)
