"""From a data profile to a study's settings and arms, each with its reason: small rules, applied in the order of `RULES`."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from bertft_core.config.split_designs import SplitDesign
from bertft_core.recipes.class_balance import MANY_CLASSES, imbalance_of
from bertft_core.recipes.data_profile import ArmSteps, DataProfile
from bertft_core.recipes.hyperparameters import (
    FEATURES_HIGH,
    FEATURES_LOW,
    FEATURES_RATE,
    N_TRIALS,
    Rates,
    SizeBand,
    band_of,
    is_small,
    rates_of,
)
from bertft_core.recipes.input_lengths import blocks_per_text, length_of, micro_batch_of, reads_all
from bertft_core.recipes.reasons import HOUSE_RULE, Reason, Source, because

TEXT_HEADS = ("classification", "multi_label", "regression")
"""Heads for which a head on frozen features is a fair and cheap baseline."""
COUNTED = ("classification", "multi_label", "question_answering")
"""Heads whose scores are shares of examples."""
FEW_EXAMPLES = 10
"""A class with fewer training examples can hardly be learned."""
FEW_TO_CHOOSE_BY = 200
"""With fewer validation examples a score is too noisy to choose by one seed."""
USUAL_QUESTION = 64
"""Tokens that data.max_question_length allows by default."""
PAIR_TOKENS = 4
"""Special tokens of a pair in any family: 3, or 4 in RoBERTa's."""
FEW_STEPS = 100
"""In fewer optimizer steps hardly anything is learned, and a tenth of them is hardly a warm-up."""


class SettingChoice(NamedTuple):
    """One value of the study and why it was chosen."""

    path: tuple[str, ...]
    value: Any
    reason: Reason
    source: Source = HOUSE_RULE


class Advice(NamedTuple):
    """What is recommended for a study, and what else to know."""

    choices: tuple[SettingChoice, ...]
    notes: tuple[Reason, ...]


def advise(profile: DataProfile) -> Advice:
    """The choices of every rule, in the order of the study's file, and the notes."""
    return Advice(
        choices=tuple(choice for rule in RULES for choice in rule(profile)),
        notes=tuple(note for rule in NOTES for note in rule(profile)),
    )


def _choice(path: str, value: Any, rule: str, source: Source = HOUSE_RULE, **values: Any) -> SettingChoice:
    return SettingChoice(tuple(path.split(".")), value, because(rule, **values), source)


def reading(profile: DataProfile) -> Iterator[SettingChoice]:
    """How long inputs are read."""
    length = length_of(profile)
    yield SettingChoice(("data", "max_length"), length.max_length, length.reason, length.source)
    if length.windows:
        yield _choice("data.long_texts", "windows", "windows")
    if length.doc_stride is not None:
        yield _choice("data.doc_stride", length.doc_stride, "doc_stride", length.source)
    yield from _questions(profile)


def _questions(profile: DataProfile) -> Iterator[SettingChoice]:
    """Room for the longest question; what no window has room for is truncated."""
    longest, read = profile.longest_question or 0, length_of(profile)
    if longest <= USUAL_QUESTION:
        return
    room = read.max_length - PAIR_TOKENS - (read.doc_stride or 0) - 1
    value = min(math.ceil(longest / 16) * 16, room)
    yield _choice("data.max_question_length", value, "question_length", longest=longest)
    if longest > room:
        yield _choice("data.long_questions", "truncate", "long_questions", room=room)


def metric(profile: DataProfile) -> Iterator[SettingChoice]:
    """Accuracy flatters a model that always predicts the largest class; tags without entities have no entities to score."""
    if profile.plain_tags:
        yield _choice("metric", "accuracy", "plain_tags")
    found = imbalance_of(profile)
    if found is not None and profile.head == "classification":
        yield _choice("metric", "f1_macro", "unbalanced_metric", **found._asdict())


def training(profile: DataProfile) -> Iterator[SettingChoice]:
    """Rate, batch size, epochs, and what is the same for all sizes."""
    band, rates = size_of(profile), _rates(profile)
    yield SettingChoice(("training", "learning_rate"), rates.learning_rate, rates.reason, rates.source)
    yield _batch(profile)
    yield _choice("training.epochs", band.epochs, f"epochs_{band.name.replace(' ', '_')}", band.epochs_source, size=band.name)
    yield _choice("training.warmup_ratio", 0.1, "warmup", "Devlin 2019")
    yield _choice("training.weight_decay", 0.01, "weight_decay", "Devlin 2019")
    yield _choice("training.dropout", 0.1, "dropout", "Devlin 2019")
    n = round(band.epochs / band.evaluate_every_epochs)
    yield _choice("training.evaluate_every_epochs", band.evaluate_every_epochs, "evaluations", n=n)


def _rates(profile: DataProfile) -> Rates:
    """Rates of the size and the encoder; a split design has no place for a search."""
    return rates_of(size_of(profile), profile.encoder, may_search=profile.splits is None)


def size_of(profile: DataProfile) -> SizeBand:
    """The band of the training set; raw text is counted in blocks, since a text may be a sentence or a book."""
    n_blocks = profile.n_train * blocks_per_text(profile) if profile.head == "masked_lm" else profile.n_train
    return band_of(round(n_blocks))


def _batch(profile: DataProfile) -> SettingChoice:
    """The batch size; of raw text, as many texts as make the usual number of blocks."""
    band, blocks = size_of(profile), blocks_per_text(profile)
    if profile.head == "masked_lm" and blocks >= 2:
        n_texts = max(1, round(band.batch_size / blocks))
        return _choice("training.batch_size", n_texts, "batch_of_texts", blocks=blocks, n_blocks=round(n_texts * blocks))
    return _choice("training.batch_size", band.batch_size, "batch", "Devlin 2019")


def machine(profile: DataProfile) -> Iterator[SettingChoice]:
    """What fits the machine: memory and precision."""
    batch_size, read = _batch(profile).value, length_of(profile)
    typical = min(read.max_length, profile.lengths.p99)
    n_windows = math.ceil(profile.lengths.p99 / read.max_length) if reads_all(profile) else 1
    micro = micro_batch_of(profile.encoder, profile.machine, batch_size, typical, n_windows)
    if micro is not None:
        numbers = {"batch_size": batch_size, "length": n_windows * typical, "gib": profile.machine.memory_bytes / 2**30}
        yield _choice("training.micro_batch_size", micro, "micro_batch", "Korthikanti 2022", **numbers)
    if profile.machine.has_bf16:
        yield _choice("training.precision", "bf16", "bf16", gpu=profile.machine.gpu_name or "the GPU")


def arms(profile: DataProfile) -> Iterator[SettingChoice]:
    """A baseline, plain fine-tuning, and the arms that size and balance make worth trying."""
    band, found, n_layers = size_of(profile), imbalance_of(profile), profile.encoder.n_layers
    yield from _baseline(profile)
    rule = "full_beside_baseline" if _has_other_baseline(profile) else "full_baseline"
    yield from _arm(profile, "full", {"kind": "full"}, rule, "Devlin 2019")
    if band.freezes and n_layers >= 2:
        frozen = {"kind": "freezing", "layers": n_layers // 2}
        yield from _arm(profile, "frozen_half", frozen, "frozen_half", size=band.name, frozen=n_layers // 2, n_layers=n_layers)
    if found is not None:
        yield from _arm(profile, "weighted", {"kind": "class_weights"}, "weighted", **found._asdict())
    if not _has_other_baseline(profile) and not band.freezes and found is None:
        yield from _arm(profile, "llrd", {"kind": "llrd", "decay": 0.9}, "llrd", "Zhang 2021")


def _has_other_baseline(profile: DataProfile) -> bool:
    return profile.head in TEXT_HEADS or is_small(profile.encoder)


def _baseline(profile: DataProfile) -> Iterator[SettingChoice]:
    band = size_of(profile)
    if profile.head in TEXT_HEADS:
        yield _choice("arms.features.strategies", [{"kind": "feature_extraction"}], "features")
        if profile.splits is None:
            yield from _search("features", FEATURES_LOW, FEATURES_HIGH, "features_rates")
        else:
            yield _choice("arms.features.learning_rate", FEATURES_RATE, "features_rate", low=FEATURES_LOW, high=FEATURES_HIGH)
    elif is_small(profile.encoder):
        yield _choice("arms.usual_rate.strategies", [{"kind": "full"}], "usual_rate_arm", band.rate_source)
        rate = band.learning_rate
        yield _choice("arms.usual_rate.learning_rate", rate, "usual_for_base", band.rate_source, size=band.name)


def _arm(
    profile: DataProfile, name: str, strategy: dict[str, Any], rule: str, source: Source = HOUSE_RULE, **values: Any
) -> Iterator[SettingChoice]:
    """An arm, with a search where the rate is not known; all searching arms have the same budget, so that they are comparable."""
    rates = _rates(profile)
    yield _choice(f"arms.{name}.strategies", [strategy], rule, source, **values)
    if rates.searched:
        yield from _search(name, rates.low, rates.high, "small_encoder_rates")


def _search(arm: str, low: float, high: float, rule: str) -> Iterator[SettingChoice]:
    yield _choice(f"arms.{arm}.search.space.learning_rate", {"low": low, "high": high, "log": True}, rule)
    yield _choice(f"arms.{arm}.search.n_trials", N_TRIALS, "trials")


def seeds(profile: DataProfile) -> Iterator[SettingChoice]:
    """More seeds where scores vary more; under a split design every run has a seed and a split of its own."""
    band = size_of(profile)
    if profile.splits is not None:
        design = SplitDesign(split=profile.splits).model_dump(mode="json")
        yield _choice("seeds.design", design, "cross_validation", n=profile.n_examples)
    elif band.n_seeds > 5:
        yield _choice("seeds.n", band.n_seeds, "many_seeds", "Dodge 2020", size=band.name)
    else:
        yield _choice("seeds.n", band.n_seeds, "few_seeds")


RULES: tuple[Callable[[DataProfile], Iterator[SettingChoice]], ...] = (reading, metric, training, machine, arms, seeds)


def note_length(profile: DataProfile) -> Iterator[Reason]:
    """What is lost of long inputs."""
    if (warning := length_of(profile).warning) is not None:
        yield warning


def note_classes(profile: DataProfile) -> Iterator[Reason]:
    """Classes with hardly any examples, and very many classes."""
    few = {label: n for label, n in profile.label_counts.items() if n < FEW_EXAMPLES}
    if few and profile.head in ("classification", "multi_label"):
        rarest = dict(sorted(few.items(), key=lambda item: item[1])[:5])
        yield because("rare_classes", n=len(few), fewest=FEW_EXAMPLES, rarest=rarest)
    if len(profile.label_counts) > MANY_CLASSES:
        yield because("many_classes", n=len(profile.label_counts))


def note_validation(profile: DataProfile) -> Iterator[Reason]:
    """How noisy a score on a small validation set is."""
    n = profile.n_validation
    if n < FEW_TO_CHOOSE_BY:
        yield because("small_validation", n=n, standard_error=0.5 / n**0.5 if profile.head in COUNTED else None)


def note_test(profile: DataProfile) -> Iterator[Reason]:
    """Scores that were selected on are too good."""
    if not profile.has_test and profile.head != "masked_lm":
        yield because("no_test_set")


NOTES: tuple[Callable[[DataProfile], Iterator[Reason]], ...] = (note_length, note_classes, note_validation, note_test)


def note_steps(steps: Sequence[ArmSteps], batch_size: int) -> Iterator[Reason]:
    """Training that ends after very few optimizer steps."""
    n_steps = min(each.n_steps for each in steps)
    if n_steps < FEW_STEPS:
        yield because("few_steps", n_steps=n_steps, smaller=max(1, batch_size // 2))
