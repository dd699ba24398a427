"""Near-duplicates are found exactly as the definition says, across splits, and can be kept together."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.config.data_settings import SplitConfig
from bertft_core.data import near_duplicates, prepare_study_data, shingles
from bertft_core.data.near_duplicates import near_blocks, nearest_of, normalised
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.shingles import shingle_sets, signatures
from bertft_core.data.splits import cut_missing
from tests.helpers.raw_splits import raw
from tests.helpers.tiny_encoders import tiny_encoder

WORDS = ("film", "good", "bad", "was", "the", "acting", "plot", "really", "fine", "a", "b", "soup")


def random_texts(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(n)]


def similarities(known: list[str], texts: list[str]) -> np.ndarray:
    """Jaccard similarity [n_texts, n_known] by Python's sets."""
    sets = [[{t.ljust(5, "\0")[i : i + 5] for i in range(max(1, len(t) - 4))} for t in side] for side in (known, texts)]
    return np.array([[len(a & b) / len(a | b) for a in sets[0]] for b in sets[1]])


def test_the_nearest_are_those_of_all_pairs():
    texts = random_texts(400)
    exact = similarities(texts[:200], texts[200:])
    found = nearest_of(texts[:200], texts[200:])
    assert ((found >= 0) == (exact.max(axis=1) >= 0.8)).all()
    assert (found >= 0).sum() > 10
    assert all(exact[i, k] == exact[i].max() for i, k in enumerate(found) if k >= 0)


def test_blocks_are_the_chains_of_all_pairs():
    texts = random_texts(300)
    near = similarities(texts, texts) >= 0.8
    reached = np.linalg.matrix_power(near.astype(float), 300) > 0
    blocks = near_blocks(texts)
    assert (reached == (blocks[:, None] == blocks[None, :])).all()
    assert 1 < len(set(blocks.tolist())) < 300


def test_case_white_space_and_punctuation_do_not_count():
    assert normalised("  The FILM,  was \u201cgood\u201d!\n") == "the film was good"
    assert normalised(":-)  !") == ":-) !"


def test_of_very_many_texts_nearly_all_pairs_are_found(monkeypatch):
    texts = [f"the film number {i} was really good and the acting fine {i % 7}" for i in range(2000)]
    exact = nearest_of(texts[:1500], texts[1500:]) >= 0
    monkeypatch.setattr(near_duplicates, "EXACT", 1000)
    assert (nearest_of(texts[:1500], texts[1500:]) >= 0).sum() > 0.95 * exact.sum() > 400


def study(folder, **split: object):
    """Texts of which two of validation are nearly as one of train, one a copy, and the others are new."""
    tales = ["the old mill by the river was sold to a painter", "nobody knew why the bus had stopped at noon on a sunday"]
    train = [*tales, *(f"{word} {k} {word}" * 2 for k, word in enumerate(WORDS))]
    changed = "The old mill, by the river, was sold to a PAINTER!"
    held = [changed, "nobody knew why the bus has stopped at noon on a sunday", train[3], "new"]
    for name, texts in {"t": train, "v": held}.items():
        (folder / f"{name}.tsv").write_text(
            "\n".join(["text\tlabel", *(f"{t}\t{'ab'[i % 2]}" for i, t in enumerate(texts))]) + "\n"
        )
    given = {} if split else {"validation": str(folder / "v.tsv")}
    data = {"source": "files", "train": str(folder / "t.tsv"), "max_length": 16, **given, "split": split}
    return {"name": "s", "data": data, "encoder": {"path": str(tiny_encoder(folder / "bert"))}, "arms": {"a": {}}}


def test_they_are_found_between_splits_beside_copies(tmp_path):
    findings = prepare_data(parse_study(study(tmp_path)), home_dir=tmp_path).findings
    (found,) = [each for each in findings if each.check == "near_duplicates"]
    assert (found.split, found.count, found.names) == ("validation", 2, ("train",))
    assert found.examples[1].startswith("v.tsv:3: nobody knew why the bus has stopped")
    assert "≈ t.tsv:3: nobody knew why the bus had stopped" in found.examples[1]
    assert [each.count for each in findings if each.check == "overlap"] == [1]


def test_they_stay_together_where_a_split_is_cut():
    tales = [" ".join(np.random.default_rng(k).choice(WORDS, 12)) + f" {k}{k}{k}{k}" for k in range(40)]
    train = raw("train", ["a", "b"] * 60, [text + end for text in tales for end in ("", "!", " x")])
    made = cut_missing({"train": train}, SplitConfig(group="near_duplicates"), 0)
    tale = {example.id: i // 3 for i, example in enumerate(train.examples)}
    sides = [{tale[example.id] for example in made[name].examples} for name in ("train", "validation")]
    assert not sides[0] & sides[1]
    assert len(made["validation"].examples) == 24


def test_keeping_them_together_is_refused_where_nothing_is_cut():
    data = {"source": "bundled", "name": "reviews", "split": {"group": "near_duplicates"}}
    with pytest.raises(UserError, match=r"data\.split\.group: no split is cut"):
        parse_study({"name": "s", "data": data, "arms": {"a": {}}})


@pytest.mark.parametrize("n_at_once", [1, 7, 4096])
def test_signatures_differ_in_no_more_bits_than_the_sets_in_shingles(monkeypatch, n_at_once):
    texts = [*random_texts(60), "", "abc", "film " * 200, "soup " * 200]
    monkeypatch.setattr(shingles, "N_AT_ONCE", n_at_once)
    sets = shingle_sets(texts)
    assert [len(set(sets.of(i).tolist())) for i in range(len(texts))] == sets.sizes.tolist()
    marks, members = signatures(sets), [set(sets.of(i).tolist()) for i in range(len(texts))]
    for i, own in enumerate(members):
        different = np.array([len(own ^ other) for other in members])
        bits = np.bitwise_count(marks ^ marks[i]).sum(axis=1)
        assert ((bits <= different) & (bits % 2 == different % 2)).all()


@pytest.mark.parametrize("runs_at_once", [True, False], ids=["before", "after"])
def test_when_they_are_looked_for_changes_nothing(tmp_path, monkeypatch, runs_at_once):
    class Alone(ThreadPoolExecutor):
        """Does what it is given before all else, or leaves it undone."""

        def submit(self, function, /, *given):
            done = Future()
            done.set_result(function(*given) if runs_at_once else None)
            return done

    config = parse_study(study(tmp_path))
    beside = prepare_data(config, home_dir=tmp_path / "beside")
    monkeypatch.setattr(prepare_study_data, "ThreadPoolExecutor", Alone)
    alone = prepare_data(config, home_dir=tmp_path / "alone")
    assert alone.findings == beside.findings
    assert alone.fingerprint == beside.fingerprint
    for name in alone.splits:
        files = [Path(card.directory, f"{name}.arrow").read_bytes() for card in (alone, beside)]
        assert files[0] == files[1]
