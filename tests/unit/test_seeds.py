"""Seeds are derived, never counted: adding runs changes no earlier one, and each stream goes its own way."""

from __future__ import annotations

from typing import get_args

import pytest

from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.seed_settings import SeedsConfig
from bertft_core.seeds import Stream, cell_of, derive_seed, joint_seeds, report_seeds

CROSSED = {"crossed": {"init": 2, "order": 3}}


def design(value: object, **more: int) -> SeedsConfig:
    return SeedsConfig.model_validate({"design": value} | more)


@pytest.mark.parametrize(
    ("arguments", "seed"),
    [
        ((0, "init", 0), 8113947178848330),
        ((0, "order", 0), 4012918398710129),
        ((0, "dropout", 0), 171829847196136),
        ((0, "split"), 2015843870525395),
        ((7, "epoch", 1, 2), 4934469987175451),
    ],
)
def test_a_seed_is_the_same_for_ever(arguments, seed):
    assert derive_seed(*arguments) == seed


def test_seeds_differ_between_parents_streams_and_indices_and_fit_into_53_bits():
    seeds = [derive_seed(parent, stream, i) for parent in (0, 1) for stream in get_args(Stream) for i in range(100)]
    assert len(set(seeds)) == len(seeds) == 3000
    assert 2**52 < max(seeds) < 2**53
    assert derive_seed(0, "init") not in seeds
    assert derive_seed(0, "epoch", 1, 23) != derive_seed(0, "epoch", 12, 3)


@pytest.mark.parametrize("kind", ["joint", {"only": "init"}, {"only": "order"}, {"only": "dropout"}])
def test_more_runs_never_change_earlier_ones(kind):
    assert report_seeds(0, design(kind, n=9))[:4] == report_seeds(0, design(kind, n=4))
    assert report_seeds(1, design(kind, n=4)) != report_seeds(0, design(kind, n=4))


def test_more_init_seeds_never_change_earlier_cells_of_a_crossed_design():
    larger = {"crossed": {"init": 4, "order": 3}}
    assert report_seeds(0, design(larger))[:6] == report_seeds(0, design(CROSSED))


def test_jointly_all_streams_move():
    pairs = report_seeds(0, design("joint", n=3, first=10))
    assert [index for index, _ in pairs] == [10, 11, 12]
    for stream in ("init", "order", "dropout"):
        assert [getattr(seeds, stream) for _, seeds in pairs] == [derive_seed(0, stream, i) for i in (10, 11, 12)]
    assert pairs == joint_seeds(0, 10, 3)


@pytest.mark.parametrize("stream", ["init", "order", "dropout"])
def test_only_the_named_stream_moves(stream):
    seeds = [triple.model_dump() for _, triple in report_seeds(0, design({"only": stream}, n=4, first=2))]
    for name in ("init", "order", "dropout"):
        values = [triple[name] for triple in seeds]
        assert values == [derive_seed(0, name, i if name == stream else 2) for i in (2, 3, 4, 5)]


def test_crossed_every_init_seed_meets_every_order_seed():
    pairs = report_seeds(0, design(CROSSED, first=5))
    assert [index for index, _ in pairs] == [5, 6, 7, 8, 9, 10]
    inits, orders = ([derive_seed(0, stream, i) for i in (5, 6, 7)] for stream in ("init", "order"))
    assert [(t.init, t.order) for _, t in pairs] == [(init, order) for init in inits[:2] for order in orders]
    assert len({t.dropout for _, t in pairs}) == 6


def test_replicates_of_a_cell_differ_in_their_dropout_seed_alone_and_leave_the_first_ones_as_they_are():
    twice = design({"crossed": {"init": 2, "order": 3, "replicates": 2}}, first=5)
    pairs = report_seeds(0, twice)
    assert pairs[:6] == report_seeds(0, design(CROSSED, first=5))
    assert [cell_of(twice, index) for index, _ in pairs] == [
        (init, order, replicate) for replicate in range(2) for init in range(2) for order in range(3)
    ]
    for (_, one), (_, other) in zip(pairs[:6], pairs[6:], strict=True):
        assert (one.init, one.order) == (other.init, other.order)
        assert one.dropout != other.dropout
    assert cell_of(design("joint"), 3) is None


def test_search_seeds_are_disjoint_from_report_seeds_by_default():
    search = SearchConfig.model_validate({"space": {"learning_rate": {"choices": [1e-5]}}})
    searched = {seeds.init for _, seeds in joint_seeds(0, search.first_seed_index, search.n_seeds)}
    reported = {seeds.init for _, seeds in report_seeds(0, design("joint", n=10_000))}
    assert len(searched) == search.n_seeds
    assert not searched & reported
