"""The rules of `bertft recommend`: every boundary of the tables, and what each head, balance, length and machine leads to."""

import math

import numpy as np
import pytest

from bertft_core.config import parse_study
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.recipes.advice import NOTES, RULES, advise, size_of
from bertft_core.recipes.class_balance import imbalance_of
from bertft_core.recipes.cross_validation import FOLDS, is_cross_validated, leaves_open
from bertft_core.recipes.data_profile import DataProfile, EncoderProfile, Machine, encoder_profile
from bertft_core.recipes.hyperparameters import BANDS, FEATURES_HIGH, FEATURES_LOW, band_of, rates_of
from bertft_core.recipes.input_lengths import length_of, micro_batch_of, run_bytes
from bertft_core.recipes.measure_data import data_profile_of, lengths_of
from bertft_core.recipes.reasons import Reason
from bertft_core.report.prose import recipe_reasons
from tests.helpers.tiny_encoders import tiny_encoder

BASE = EncoderProfile(checkpoint="bert-base", n_layers=12, hidden_size=768, n_heads=12, n_parameters=110_000_000, max_length=512)
MINI = EncoderProfile(checkpoint="mini", n_layers=6, hidden_size=384, n_heads=12, n_parameters=22_700_000, max_length=512)
CPU = Machine(n_gpus=0, memory_bytes=8 * 2**30, n_slots=2)
GPU = Machine(n_gpus=1, gpu_name="H100", has_bf16=True, memory_bytes=80 * 2**30, n_slots=1)


def profile(**changes) -> DataProfile:
    """A balanced classification of short texts, 2,000 of them."""
    values = {
        "head": "classification",
        "n_train": 2000,
        "n_examples": 3000,
        "n_validation": 500,
        "has_test": True,
        "label_counts": {"a": 1000, "b": 1000},
        "lengths": lengths_of(np.arange(10, 61)),
        "encoder": BASE,
        "machine": CPU,
    }
    return DataProfile(**values | changes)


def chosen(**changes) -> dict[str, object]:
    """Dotted path → value of the advice."""
    return {".".join(choice.path): choice.value for choice in advise(profile(**changes)).choices}


def notes(**changes) -> dict[str, Reason]:
    """Rule → note."""
    return {note.rule: note for note in advise(profile(**changes)).notes}


@pytest.mark.parametrize(
    ("n", "name", "rate", "batch", "epochs", "seeds"),
    [
        (2, "very small", 1e-5, 16, 20, 10),
        (499, "very small", 1e-5, 16, 20, 10),
        (500, "small", 1e-5, 16, 5, 8),
        (999, "small", 1e-5, 16, 5, 8),
        (1_000, "medium", 3e-5, 16, 3, 5),
        (10_000, "medium", 3e-5, 16, 3, 5),
        (10_001, "large", 5e-5, 32, 3, 5),
        (100_000, "large", 5e-5, 32, 3, 5),
        (100_001, "very large", 5e-5, 32, 2, 5),
    ],
)
def test_the_number_of_examples_decides_rate_batch_epochs_and_seeds(n, name, rate, batch, epochs, seeds):
    assert band_of(n).name == name
    values = chosen(n_train=n)
    assert values["training.learning_rate"] == rate
    assert values["training.batch_size"] == batch
    assert values["training.epochs"] == epochs
    assert values["seeds.n"] == seeds
    assert values["training.warmup_ratio"] == 0.1
    assert values["training.weight_decay"] == 0.01
    assert values["training.dropout"] == 0.1


def test_bands_are_in_order_and_their_rates_in_their_range():
    assert len(BANDS) >= 5
    starts = [band.fewest for band in BANDS]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    for band in BANDS:
        assert band.low <= band.learning_rate <= band.high
        assert band.name in recipe_reasons.SIZES


def test_every_choice_of_every_head_has_a_sentence_and_a_source():
    assert len(HEAD_CONFIGS) == 6
    for head in HEAD_CONFIGS:
        for encoder in (BASE, MINI):
            for n in (100, 700, 5_000, 50_000):
                advice = advise(profile(head=head, encoder=encoder, n_train=n, machine=GPU))
                assert len(recipe_reasons.comments(advice)) == len(advice.choices)
                assert all(len(comment) > 8 for comment in recipe_reasons.comments(advice).values())
                recipe_reasons.references(advice)


def test_a_small_encoder_searches_its_rate_and_a_base_one_need_not():
    small = rates_of(band_of(2000), MINI)
    assert small.searched
    assert (small.low, small.high) == (2e-5, 5e-4)
    assert (small.reason.rule, small.reason.values["hidden_size"]) == ("small_encoder_rate", 384)
    base = rates_of(band_of(2000), BASE)
    assert not base.searched
    assert base.learning_rate == 3e-5
    assert rates_of(band_of(2000), BASE.model_copy(update={"hidden_size": 767})).searched
    assert "arms.full.search.n_trials" in chosen(encoder=MINI)
    assert "arms.full.search.n_trials" not in chosen(encoder=BASE)


# Arms


def arms(**changes) -> list[str]:
    return list(dict.fromkeys(path.split(".")[1] for path in chosen(**changes) if path.startswith("arms.")))


@pytest.mark.parametrize("head", ["classification", "multi_label", "regression"])
def test_heads_on_whole_texts_are_compared_with_frozen_features(head):
    assert arms(head=head) == ["features", "full"]
    assert chosen(head=head)["arms.features.strategies"] == [{"kind": "feature_extraction"}]


@pytest.mark.parametrize("head", ["token_classification", "question_answering", "masked_lm"])
def test_other_heads_are_compared_with_plain_fine_tuning(head):
    assert arms(head=head) == ["full", "llrd"]
    assert arms(head=head, encoder=MINI) == ["usual_rate", "full"]
    assert chosen(head=head, encoder=MINI)["arms.usual_rate.learning_rate"] == 3e-5


@pytest.mark.parametrize(("n", "there"), [(999, True), (1_000, False)])
def test_under_a_thousand_examples_half_of_the_encoder_is_frozen_in_an_arm(n, there):
    assert ("frozen_half" in arms(n_train=n)) is there
    if there:
        assert chosen(n_train=n)["arms.frozen_half.strategies"] == [{"kind": "freezing", "layers": 6}]


def test_every_searching_arm_has_the_same_space():
    values = chosen(n_train=300, encoder=MINI, label_counts={"a": 250, "b": 50})
    spaces = {path.split(".")[1]: value for path, value in values.items() if path.endswith("space.learning_rate")}
    assert spaces["full"] == spaces["frozen_half"] == spaces["weighted"]
    assert spaces["features"]["low"] > spaces["full"]["low"]


# Balance


@pytest.mark.parametrize(("smallest", "unbalanced"), [(334, False), (333, True)])
def test_classes_count_as_unbalanced_above_three_to_one(smallest, unbalanced):
    counts = {"a": 1000, "b": smallest}
    assert (imbalance_of(profile(label_counts=counts)) is not None) is unbalanced
    assert ("weighted" in arms(label_counts=counts)) is unbalanced
    assert (chosen(label_counts=counts).get("metric") == "f1_macro") is unbalanced


def test_tags_are_weighed_by_entity_type_without_the_o_and_never_under_a_crf_or_as_parts_of_speech():
    tags = {"O": 9000, "B-PER": 60, "I-PER": 60, "B-ORG": 10}
    changes = {"head": "token_classification", "label_counts": tags}
    found = imbalance_of(profile(**changes))
    assert found is not None
    assert (found.largest, found.n_largest, found.smallest, found.n_smallest) == ("PER", 120, "ORG", 10)
    assert imbalance_of(profile(**changes, crf=True)) is None
    assert imbalance_of(profile(**changes, plain_tags=True)) is None
    assert imbalance_of(profile(**changes | {"label_counts": {"O": 9000, "B-PER": 60, "B-ORG": 10}})) is None


@pytest.mark.parametrize("head", ["regression", "question_answering", "masked_lm"])
def test_heads_without_classes_have_no_imbalance(head):
    assert imbalance_of(profile(head=head, label_counts={"answerable": 1000, "unanswerable": 1})) is None


def test_plain_tags_are_scored_by_accuracy():
    assert chosen(head="token_classification", plain_tags=True)["metric"] == "accuracy"
    assert "metric" not in chosen(head="token_classification")


@pytest.mark.parametrize("head", [head for head in HEAD_CONFIGS if head != "masked_lm"])
@pytest.mark.parametrize("encoder", [BASE, MINI], ids=["base", "mini"])
def test_a_split_design_has_no_search_and_fixed_rates_in_the_usual_ranges(head, encoder):
    values = chosen(head=head, encoder=encoder, n_train=400, n_examples=600, splits=FOLDS)
    assert values["seeds.design"] == {"split": {"folds": 5, "repeats": 2}}
    assert "seeds.n" not in values
    assert [path for path in values if "search" in path] == []
    assert values["training.learning_rate"] == (1e-5 if encoder is BASE else 1e-4)
    if "features" in arms(head=head, splits=FOLDS):
        assert FEATURES_LOW < values["arms.features.learning_rate"] < FEATURES_HIGH


@pytest.mark.parametrize(
    ("n_examples", "cuts_validation", "test_ratio", "head", "cross_validates"),
    [
        (999, True, 0.2, "classification", True),
        (1_000, True, 0.2, "classification", False),
        (999, False, 0.2, "classification", False),
        (999, True, None, "classification", False),
        (999, True, 0.2, "masked_lm", False),
        (50, True, 0.2, "question_answering", True),
    ],
)
def test_under_a_thousand_examples_no_test_set_is_cut(n_examples, cuts_validation, test_ratio, head, cross_validates):
    data = {"source": "files", "train": "t.csv", "split": {"test_ratio": test_ratio} if test_ratio else {}}
    study = parse_study({"name": "s", "data": data, "head": {"kind": head}, "arms": {"full": {}}})
    measured = profile(n_examples=n_examples, cuts_validation=cuts_validation, head=head)
    assert is_cross_validated(study, measured) is cross_validates


@pytest.mark.parametrize(
    ("override", "is_open"),
    [
        ("training.epochs=2", True),
        ("seeds.n=2", True),
        ("data.split.validation_ratio=0.3", True),
        ("data.split.group=author", True),
        ("data.split.test_ratio=0.3", False),
        ("data.split={test_ratio: 0.3}", False),
        ("data.test=test.csv", False),
        ("data.subsample.test=9", False),
        ("seeds.design=joint", False),
        ("seeds.until={half_width: 0.01}", False),
        ("arms.full.search.n_trials=2", False),
        ("ensemble=true", False),
    ],
)
def test_who_says_what_is_tested_or_searched_decides_the_design(override, is_open):
    assert leaves_open(["seed=3", override]) is is_open


# Lengths


def lengths(*longest_first: int):
    """The 99th percentile is the first."""
    return lengths_of(np.full(500, longest_first[0]))


@pytest.mark.parametrize(("p99", "max_length"), [(11, 32), (33, 48), (64, 64), (65, 96), (129, 192), (512, 512)])
def test_max_length_is_the_99th_percentile_rounded_up(p99, max_length):
    assert length_of(profile(lengths=lengths(p99))).max_length == max_length


def test_no_input_is_read_longer_than_the_encoder_can():
    tiny = BASE.model_copy(update={"max_length": 62})
    assert length_of(profile(lengths=lengths(60), encoder=tiny)).max_length == 62
    assert length_of(profile(head="question_answering", encoder=tiny)).max_length == 62
    assert notes(head="question_answering", encoder=tiny)["questions_short"].values == {"limit": 62}


def test_long_documents_are_read_in_windows_shorter_ones_on_a_cpu():
    found = length_of(profile(lengths=lengths(2000)))
    assert (found.max_length, found.windows) == (256, True)
    assert length_of(profile(lengths=lengths(2000), machine=GPU)).max_length == 512
    assert chosen(lengths=lengths(2000))["data.long_texts"] == "windows"


def test_a_few_long_texts_are_cut_and_long_pairs_too_with_a_warning():
    few = lengths_of(np.array([100] * 97 + [900] * 3))
    found = length_of(profile(lengths=few))
    assert (found.max_length, found.windows) == (512, False)
    assert (found.reason.rule, found.reason.values["cut"]) == ("length_cut", 0.03)
    pair = length_of(profile(lengths=lengths(900), is_pair=True))
    assert (pair.max_length, pair.windows) == (512, False)
    assert notes(lengths=lengths(900), is_pair=True)["pairs_truncated"].values == {"cut": 1.0}


def test_long_sentences_in_words_are_read_in_windows_by_themselves():
    found = length_of(profile(head="token_classification", lengths=lengths(900)))
    assert (found.max_length, found.windows) == (512, False)


@pytest.mark.parametrize(("p90", "max_length"), [(80, 384), (384, 384), (385, 512)])
def test_questions_are_read_in_384_to_512(p90, max_length):
    found = length_of(profile(head="question_answering", lengths=lengths(p90)))
    assert (found.max_length, found.doc_stride) == (max_length, 128)


def test_raw_text_is_counted_in_blocks():
    books = profile(head="masked_lm", n_train=200, lengths=lengths(2560))
    assert length_of(books).max_length == 256
    assert size_of(books).name == "medium", "200 texts of 10 blocks"
    assert chosen(head="masked_lm", n_train=200, lengths=lengths(2560))["training.batch_size"] == 2
    assert chosen(head="masked_lm", lengths=lengths(2560), machine=GPU)["data.max_length"] == 512
    assert chosen(head="masked_lm", lengths=lengths(40))["data.max_length"] == 128


def test_quantiles_are_lengths_that_occur():
    found = lengths_of(np.array([5, 7, 100]))
    assert (found.median, found.p90, found.longest, found.n_measured) == (7, 100, 100, 3)
    assert found.share_over(100) == 0
    assert found.share_over(4) == 1


# Machine


def test_memory_is_that_of_the_formula():
    """Per layer s·b·h·(34 + 5·a·s/h) bytes in 16 bits, twice that in 32 bits, and 16 bytes for each parameter."""
    per_layer = 128 * 16 * 768 * (34 + 5 * 12 * 128 / 768)
    assert run_bytes(BASE, 16, 128) == pytest.approx(2 * 12 * per_layer + 16 * 110_000_000)


def test_a_batch_that_does_not_fit_is_made_of_smaller_ones():
    assert micro_batch_of(BASE, CPU, 16, 128, 1) is None
    needed = run_bytes(BASE, 4, 512) / 0.6
    room = CPU.model_copy(update={"memory_bytes": math.ceil(needed)})
    assert micro_batch_of(BASE, room, 16, 512, 1) == 4
    assert micro_batch_of(BASE, room, 16, 512, 4) == 1
    tight = CPU.model_copy(update={"memory_bytes": 2**20})
    assert micro_batch_of(BASE, tight, 16, 512, 1) == 1
    assert chosen(machine=tight)["training.micro_batch_size"] == 1
    assert "training.micro_batch_size" not in chosen()


def test_bf16_is_for_a_gpu_that_has_it():
    assert chosen(machine=GPU)["training.precision"] == "bf16"
    assert "training.precision" not in chosen()
    assert "training.precision" not in chosen(machine=GPU.model_copy(update={"has_bf16": False}))


def test_an_encoder_is_read_by_the_names_of_its_family():
    bert = encoder_profile(
        {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64}, "x", 9
    )
    assert (bert.hidden_size, bert.n_layers, bert.n_heads, bert.max_length, bert.n_parameters) == (16, 2, 2, 64, 9)
    distil = encoder_profile({"dim": 24, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64}, "x", 9)
    assert (distil.hidden_size, distil.n_layers, distil.n_heads) == (24, 3, 4)
    assert encoder_profile({"model_type": "roberta", "max_position_embeddings": 514}, "x", 9).max_length == 512
    assert encoder_profile({}, "x", 9).max_length is None


# Notes


def test_a_small_validation_set_is_noted_with_its_standard_error():
    assert notes(n_validation=199)["small_validation"].values == {"n": 199, "standard_error": pytest.approx(0.0354, abs=1e-4)}
    assert notes(n_validation=199, head="regression")["small_validation"].values["standard_error"] is None
    assert notes(n_validation=200) == {}


def test_rare_and_many_classes_and_a_missing_test_set_are_reported():
    rare = notes(label_counts={"a": 900, "b": 9})["rare_classes"]
    assert rare.values == {"n": 1, "fewest": 10, "rarest": {"b": 9}}
    assert notes(label_counts={"a": 900, "b": 10}) == {}
    assert notes(label_counts={str(i): 50 for i in range(31)})["many_classes"].values == {"n": 31}
    assert notes(label_counts={str(i): 50 for i in range(30)}) == {}
    assert list(notes(has_test=False)) == ["no_test_set"]
    assert notes(has_test=False, head="masked_lm") == {}
    assert notes() == {}
    assert len(RULES) >= 6
    assert len(NOTES) >= 4


def test_the_profile_of_a_halved_validation_set_are_those_of_its_halves(tmp_path):
    for name, n in (("train", 40), ("validation", 20)):
        lines = [f"the film was good {i},l{i % 2}\n" for i in range(n * (1 + (name == "train")))]
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "".join(f"{name} {line}" for line in lines))
    data = {"source": "files", "train": str(tmp_path / "train.csv"), "validation": str(tmp_path / "validation.csv")}
    halved = data | {"max_length": 16, "split": {"halve_validation": True}, "subsample": {"test": 6}}
    encoder = {"path": str(tiny_encoder(tmp_path / "encoder"))}
    study = parse_study({"name": "s", "data": halved, "encoder": encoder, "arms": {"full": {}}})
    found = data_profile_of(study, tmp_path)
    assert (found.n_train, found.n_validation, found.has_test) == (80, 10, True)
