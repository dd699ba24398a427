"""The CRF against sums and maxima over every path there is."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from bertft_core.config import UserError
from bertft_core.config.head_settings import part_file
from bertft_core.heads.crf import CRF, SPREAD
from bertft_core.metrics.tag_schemes import allowed_transitions, labels_of, violations

CHAINS = [(n_labels, n_steps) for n_labels in range(1, 5) for n_steps in range(1, 6)]
IOB2 = labels_of(["X", "Y"], "iob2")
FILE = part_file("crf")


def rng_of(seed):
    return torch.Generator().manual_seed(seed)


def crf_of(n_labels, allowed=None, seed=0, spread=2.0, round_to=None):
    """A CRF in double precision whose scores are far from 0; `round_to` makes equal scores frequent."""
    crf = CRF(n_labels, allowed).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            values = torch.randn(parameter.shape, generator=rng_of(seed), dtype=torch.float64) * spread
            parameter.copy_(values if round_to is None else (values / round_to).round() * round_to)
            seed += 1
    return crf


def emissions_of(n_words, n_labels, seed=0):
    return torch.randn(n_words, n_labels, generator=rng_of(1000 + seed), dtype=torch.float64)


def random_constraints(n_labels, rng):
    return tuple(rng.random(shape) < 0.6 for shape in ((n_labels,), (n_labels,), (n_labels, n_labels)))


def has_paths(allowed, longest):
    """For every length up to the longest; the paths are counted by powers of the matrix of steps."""
    start, end, follow = (mask.astype(int) for mask in allowed)
    return all(start @ np.linalg.matrix_power(follow, n_steps - 1) @ end > 0 for n_steps in range(1, longest + 1))


def paths_of(n_labels, n_steps, allowed=None):
    paths = list(product(range(n_labels), repeat=n_steps))
    if allowed is None:
        return paths
    start, end, follow = allowed
    return [path for path in paths if start[path[0]] and end[path[-1]] and all(follow[pair] for pair in pairwise(path))]


def score_of(path, crf, emissions):
    score = crf.start[path[0]] + crf.end[path[-1]]
    for t, label in enumerate(path):
        score = score + emissions[t, label]
    for before, after in pairwise(path):
        score = score + crf.transitions[before, after]
    return score


def scores_of(paths, crf, emissions):
    return torch.stack([score_of(path, crf, emissions) for path in paths])


def constraints(n_labels):
    """None, and random masks that leave paths for every length up to five."""
    rng = np.random.default_rng(n_labels)
    drawn = [random_constraints(n_labels, rng) for _ in range(200)]
    kept = [allowed for allowed in drawn if has_paths(allowed, 5)]
    assert len(kept) >= 3
    return [None, *kept[:3]]


@pytest.mark.parametrize(("n_labels", "n_steps"), CHAINS)
def test_partition_and_best_path_are_those_of_all_paths(n_labels, n_steps):
    for seed, allowed in enumerate(constraints(n_labels)):
        crf, emissions = crf_of(n_labels, allowed, seed), emissions_of(n_steps, n_labels, seed)
        paths = paths_of(n_labels, n_steps, allowed)
        scores = scores_of(paths, crf, emissions)
        assert crf.log_partition(emissions, [n_steps]).item() == pytest.approx(scores.logsumexp(0).item(), abs=1e-12, rel=1e-12)
        assert tuple(crf.decode(emissions, [n_steps])[0]) == paths[int(scores.argmax())]


@pytest.mark.parametrize(("n_labels", "n_steps"), CHAINS)
def test_gradients_are_those_of_the_sum_over_all_paths(n_labels, n_steps):
    for seed, allowed in enumerate(constraints(n_labels)):
        crf, emissions = crf_of(n_labels, allowed, seed), emissions_of(n_steps, n_labels, seed).requires_grad_()
        paths = paths_of(n_labels, n_steps, allowed)
        gold = paths[seed % len(paths)]
        wanted = [emissions, *crf.parameters()]
        loss = crf.neg_log_likelihood(emissions, torch.tensor(gold), [n_steps])
        brute = scores_of(paths, crf, emissions).logsumexp(0) - score_of(gold, crf, emissions)
        assert loss.item() == pytest.approx(brute.item(), abs=1e-12)
        for ours, theirs in zip(
            torch.autograd.grad(loss, wanted, materialize_grads=True),
            torch.autograd.grad(brute, wanted, materialize_grads=True),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize(("n_labels", "n_steps"), [(1, 3), (2, 1), (2, 5), (3, 3), (4, 2)])
def test_the_likelihoods_of_all_allowed_paths_sum_to_one(n_labels, n_steps):
    for seed, allowed in enumerate(constraints(n_labels)):
        crf, emissions = crf_of(n_labels, allowed, seed), emissions_of(n_steps, n_labels, seed)
        total = sum(
            torch.exp(-crf.neg_log_likelihood(emissions, torch.tensor(path), [n_steps])).item()
            for path in paths_of(n_labels, n_steps, allowed)
        )
        assert total == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize(("n_labels", "n_steps"), CHAINS)
def test_marginals_are_the_shares_of_all_paths(n_labels, n_steps):
    for seed, allowed in enumerate(constraints(n_labels)):
        crf, emissions = crf_of(n_labels, allowed, seed), emissions_of(n_steps, n_labels, seed)
        paths = paths_of(n_labels, n_steps, allowed)
        shares = scores_of(paths, crf, emissions).softmax(0)
        expected = torch.zeros(n_steps, n_labels, dtype=torch.float64)
        for path, share in zip(paths, shares, strict=True):
            expected[range(n_steps), list(path)] += share.detach()
        with torch.no_grad():
            found = crf.marginals(emissions, [n_steps])
            twice = crf.marginals(torch.cat([emissions, emissions]), [n_steps, n_steps])
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
        torch.testing.assert_close(twice, torch.cat([expected, expected]), atol=1e-12, rtol=0)
        assert all(parameter.grad is None for parameter in crf.parameters())


def test_among_equal_paths_the_lowest_labels_win_from_the_back():
    n_equal = 0
    for seed in range(30):
        crf, emissions = crf_of(3, None, seed, round_to=1.0), emissions_of(4, 3, seed).round()
        paths = paths_of(3, 4)
        scores = scores_of(paths, crf, emissions)
        best = [path for path, score in zip(paths, scores, strict=True) if score == scores.max()]
        n_equal += len(best) > 1
        assert tuple(crf.decode(emissions, [4])[0]) == min(best, key=lambda path: path[::-1])
    assert n_equal >= 5


def test_a_sentence_scores_the_same_alone_and_in_any_batch():
    lengths = [3, 1, 7, 2, 1, 5]
    crf = CRF(len(IOB2), allowed_transitions(IOB2, "iob2"))
    emissions = emissions_of(sum(lengths), len(IOB2)).float()
    parts = emissions.split(lengths)
    tags = [torch.from_numpy(path) for path in crf.decode(emissions_of(sum(lengths), len(IOB2), 1), lengths)]
    alone = [crf.neg_log_likelihood(part, gold, [len(gold)]).item() for part, gold in zip(parts, tags, strict=True)]
    assert crf.neg_log_likelihood(emissions, torch.cat(tags), lengths).item() == pytest.approx(sum(alone), rel=1e-6)
    partitions = [crf.log_partition(part, [len(part)]).item() for part in parts]
    assert crf.log_partition(emissions, lengths).tolist() == pytest.approx(partitions, rel=1e-6)
    for together, part in zip(crf.decode(emissions, lengths), parts, strict=True):
        assert together.tolist() == crf.decode(part, [len(part)])[0].tolist()


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "iobes", "io"])
def test_decoding_never_breaks_the_tag_scheme(scheme):
    labels = labels_of(["X", "Y"], scheme)
    lengths = [1, 2, 9, 30]
    emissions = 50 * emissions_of(sum(lengths), len(labels))
    free = [violations([labels[i] for i in path], scheme) for path in CRF(len(labels)).decode(emissions, lengths)]
    assert scheme == "io" or any(free)
    for path in CRF(len(labels), allowed_transitions(labels, scheme)).decode(emissions, lengths):
        assert violations([labels[i] for i in path], scheme) == []


def test_forbidden_steps_get_no_gradient_and_all_gradients_are_finite():
    labels = labels_of(["X", "Y"], "iobes")
    allowed = allowed_transitions(labels, "iobes")
    crf = CRF(len(labels), allowed)
    lengths = [1, 40, 2]
    emissions = (100 * emissions_of(43, len(labels)).float()).requires_grad_()
    gold = torch.from_numpy(np.concatenate(crf.decode(-emissions, lengths)))
    loss = crf.neg_log_likelihood(emissions, gold, lengths)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(emissions.grad).all()
    for parameter, mask in zip((crf.start, crf.end, crf.transitions), allowed, strict=True):
        assert torch.isfinite(parameter.grad).all()
        assert (parameter.grad[~torch.from_numpy(mask)] == 0).all()
        assert (parameter.grad[torch.from_numpy(mask)] != 0).any()


def test_gold_tags_that_break_the_constraints_are_refused():
    crf = CRF(len(IOB2), allowed_transitions(IOB2, "iob2"))
    begin, inside, other = (IOB2.index(tag) for tag in ("B-X", "I-X", "I-Y"))
    emissions = emissions_of(3, len(IOB2))
    assert torch.isfinite(crf.neg_log_likelihood(emissions, torch.tensor([begin, inside, 0]), [2, 1]))
    for gold in ([begin, inside, inside], [begin, other, 0]):  # the first one: I-X begins the second sentence
        with pytest.raises(ValueError, match="gold tags break the constraints"):
            crf.neg_log_likelihood(emissions, torch.tensor(gold), [2, 1])


def test_a_gold_tag_that_must_not_end_a_sentence_is_refused():
    labels = labels_of(["X"], "iobes")
    crf = CRF(len(labels), allowed_transitions(labels, "iobes"))
    gold = torch.tensor([labels.index("B-X"), labels.index("I-X")])
    with pytest.raises(ValueError, match="gold tags break the constraints"):
        crf.neg_log_likelihood(emissions_of(2, len(labels)), gold, [2])


def test_random_constraints_are_refused_exactly_when_some_length_has_no_path():
    rng, n_refused = np.random.default_rng(0), 0
    for _ in range(150):
        allowed = random_constraints(3, rng)
        if has_paths(allowed, 9):  # there are 2³ sets of labels, so a walk through them repeats by then
            CRF(3, allowed)
        else:
            n_refused += 1
            with pytest.raises(ValueError, match="leave no path"):
                CRF(3, allowed)
    assert 20 < n_refused < 130


@pytest.mark.parametrize(
    ("n_words", "n_tags", "lengths", "message"),
    [
        (0, 0, [], "at least one sentence"),
        (2, 2, [2, 0], "one word in each"),
        (2, 2, [3, -1], "one word in each"),
        (3, 3, [2], r"emissions \(3, 2\) do not fit 2 words"),
        (3, 2, [3], r"tags \(2,\) do not fit 3 words"),
    ],
)
def test_batches_that_do_not_fit_are_refused(n_words, n_tags, lengths, message):
    crf, emissions = CRF(2), torch.zeros(n_words, 2)
    with pytest.raises(ValueError, match=message):
        crf.neg_log_likelihood(emissions, torch.zeros(n_tags, dtype=torch.long), lengths)
    if n_words == n_tags:
        for refuse in (crf.decode, crf.log_partition):
            with pytest.raises(ValueError, match=message):
                refuse(emissions, lengths)


@pytest.mark.parametrize("tag", [-100, -1, 2])
def test_tags_out_of_range_are_refused(tag):
    with pytest.raises(ValueError, match=r"tags must lie in 0 … 1"):
        CRF(2).neg_log_likelihood(torch.zeros(2, 2), torch.tensor([0, tag]), [2])


def test_emissions_in_bf16_are_summed_in_fp32_under_autocast_too():
    crf = CRF(3)
    half = emissions_of(60, 3).bfloat16()
    tags = torch.arange(60) % 3
    expected = crf.neg_log_likelihood(half.float(), tags, [50, 10])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert crf.neg_log_likelihood(half, tags, [50, 10]).dtype == torch.float32
        assert torch.equal(crf.neg_log_likelihood(half, tags, [50, 10]), expected)
        assert torch.equal(crf.log_partition(half, [50, 10]), crf.log_partition(half.float(), [50, 10]))
    for path, other in zip(crf.decode(half, [50, 10]), crf.decode(half.float(), [50, 10]), strict=True):
        assert path.dtype == np.int64
        assert np.array_equal(path, other)


def test_scores_are_drawn_from_the_global_generator_within_a_tenth():
    torch.manual_seed(1)
    first, second = CRF(20), CRF(20)
    torch.manual_seed(1)
    again = CRF(20)
    assert torch.equal(first.transitions, again.transitions)
    assert not torch.equal(first.transitions, second.transitions)
    assert 0.09 < first.transitions.abs().max() <= SPREAD
    assert {name for name, _ in first.named_parameters()} == {"start", "end", "transitions"}


def test_a_saved_crf_comes_back_with_its_constraints_and_draws_nothing(tmp_path):
    crf = crf_of(len(IOB2), allowed_transitions(IOB2, "iob2")).float()
    crf.save(tmp_path)
    before = torch.get_rng_state()
    loaded = CRF.load(tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    assert loaded.state_dict().keys() == crf.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[name], values) for name, values in crf.state_dict().items())
    emissions = emissions_of(12, len(IOB2))
    assert all(map(np.array_equal, loaded.decode(emissions, [5, 7]), crf.decode(emissions, [5, 7])))
    with safe_open(tmp_path / FILE, "pt") as file:
        assert file.metadata() == {"n_labels": "5"}


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no CRF beside this checkpoint"):
        CRF.load(tmp_path)
    (tmp_path / FILE).write_bytes(b"no safetensors")
    with pytest.raises(UserError, match="broken"):
        CRF.load(tmp_path)
    CRF(3).save(tmp_path)
    whole = load_file(tmp_path / FILE)
    for tensors in (
        {name: values for name, values in whole.items() if name != "end"},
        whole | {"transitions": torch.zeros(2, 2)},
        whole | {"allowed_end": torch.zeros(3, dtype=torch.bool)},
    ):
        save_file(tensors, tmp_path / FILE)
        with pytest.raises(UserError, match=FILE):
            CRF.load(tmp_path)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_constraints_of_another_size_are_refused(position):
    allowed = [np.ones(3, bool), np.ones(3, bool), np.ones((3, 3), bool)]
    allowed[position] = np.ones(2, bool)
    with pytest.raises(ValueError, match="expected"):
        CRF(3, tuple(allowed))


class CountedOperations(TorchDispatchMode):
    """Counts the operations that torch carries out inside the block."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n += 1
        return operation(*args, **kwargs or {})


def operations(n_sentences: int, length: int = 40) -> int:
    """Of the loss and its gradient."""
    n_words = n_sentences * length
    emissions = emissions_of(n_words, 9).float().requires_grad_()
    with CountedOperations() as counted:
        CRF(9).neg_log_likelihood(emissions, torch.zeros(n_words, dtype=torch.long), [length] * n_sentences).backward()
    return counted.n


def test_32_sentences_take_as_many_operations_as_two():
    assert operations(2, length=10) < operations(2) == operations(32)
