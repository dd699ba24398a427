"""Arms with tokenizers, heads and lengths of their own share their examples, and tokenised data where these are the same."""

from __future__ import annotations

import pytest

from bertft_core.config import parse_study
from bertft_core.data import prepare_study_data
from bertft_core.data.prepared_store import split_digest
from bertft_core.planning.run_specs import plan_runs
from tests.helpers.compared_encoders import ARMS, LENGTHS, SUBSAMPLE, TOKENIZERS, compared_encoders


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Study, card, and what was tokenised: each time the digests of the splits and the length."""
    folder, tokenised = tmp_path_factory.mktemp("encoders"), []

    def counted(alignment, splits, labels, encoder, data):
        tokenised.append((encoder.identity.checkpoint, data.max_length, {name: split_digest(s) for name, s in splits.items()}))
        return tokenise(alignment, splits, labels, encoder, data)

    tokenise = prepare_study_data._tokenised
    study = parse_study(compared_encoders(folder / "made"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare_study_data, "_tokenised", counted)
        card = prepare_study_data.prepare_data(study, home_dir=folder / "home")
    return study, card, tokenised


def test_every_arm_learns_from_and_is_tested_on_the_same_examples(prepared):
    study, card, _ = prepared
    assert tuple(study.arms) == tuple(ARMS)
    for arm in study.arms:
        own = card.of_arm(arm)
        assert {name: split.sha256 for name, split in own.splits.items()} == {
            name: split.sha256 for name, split in card.splits.items()
        }
        assert {name: split.n_examples for name, split in own.splits.items()} == SUBSAMPLE


def test_data_are_tokenised_once_for_each_tokenizer_and_length(prepared):
    _, card, tokenised = prepared
    assert sorted((encoder, length) for encoder, length, _ in tokenised) == sorted(
        (kind, length) for kind in TOKENIZERS for length in LENGTHS
    )
    assert all(digests == tokenised[0][2] for _, _, digests in tokenised)
    by_fingerprint: dict[str, set[tuple[str, int]]] = {}
    for name, arm in ARMS.items():
        by_fingerprint.setdefault(card.of_arm(name).fingerprint, set()).add((arm.kind, arm.max_length))
    assert [len(which) for which in by_fingerprint.values()] == [1] * len(tokenised)


def test_the_tokenizers_read_the_same_sentences_in_their_own_windows(prepared):
    _, card, _ = prepared
    windows = {(arm.kind, arm.max_length): card.of_arm(name).splits["test"].n_windows for name, arm in ARMS.items()}
    short, long = LENGTHS
    assert len({windows[kind, short] for kind in TOKENIZERS}) == len(TOKENIZERS)
    assert all(windows[kind, short] > windows[kind, long] >= SUBSAMPLE["test"] for kind in TOKENIZERS)


def test_every_run_is_another_one_with_the_encoder_head_and_length_of_its_arm(prepared):
    study, card, _ = prepared
    specs = plan_runs(study, card, {})
    assert len({spec.digest for spec in specs}) == len(specs) == 3 * len(ARMS)
    for spec in specs:
        arm = ARMS[spec.arm]
        assert (spec.encoder.checkpoint, spec.head.crf, card.of_run(spec).max_length) == tuple(arm)
    for index in range(3):
        assert len({spec.seeds for spec in specs if spec.index == index}) == 1, "arms are paired by their seeds"
