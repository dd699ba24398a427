"""From facts to a study's settings and arms, each with its reason: one small rule after another, in the order of `RULES`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from bertft_core.config.base import Frozen
from bertft_core.recipes.balance import MANY_CLASSES, imbalance_of
from bertft_core.recipes.data_profile import DataProfile
from bertft_core.recipes.learning_rates import FEATURES_HIGH, FEATURES_LOW, N_TRIALS, is_small, rates_of
from bertft_core.recipes.lengths import blocks_per_text, length_of, reads_all
from bertft_core.recipes.memory import micro_batch_of
from bertft_core.recipes.size_bands import Band, band_of

TEXT_HEADS = ("classification", "multi_label", "regression")
"""Heads for which a head on frozen features is a fair and cheap baseline."""
COUNTED = ("classification", "multi_label", "question_answering")
"""Heads whose scores are about shares of examples."""
FEW_EXAMPLES = 10
"""Training examples of a class that can hardly be learned."""
FEW_TO_CHOOSE_BY = 200
"""Validation examples under which a score is too rough to choose by one seed."""


class Recommendation(Frozen):
    """One value of the study and why it was chosen."""

    path: tuple[str, ...]
    value: Any
    why: str
    source: str = "house rule"


class Advice(Frozen):
    """What is recommended for a study, and what to know beside it."""

    choices: tuple[Recommendation, ...]
    notes: tuple[str, ...]


def advise(facts: DataProfile) -> Advice:
    """The choices of every rule, in the order in which they stand in the study, and the notes."""
    return Advice(
        choices=tuple(choice for rule in RULES for choice in rule(facts)),
        notes=tuple(note for rule in NOTES for note in rule(facts)),
    )


def reading(facts: DataProfile) -> Iterator[Recommendation]:
    """How long inputs are read."""
    length = length_of(facts)
    yield Recommendation(path=("data", "max_length"), value=length.max_length, why=length.why, source=length.source)
    if length.windows:
        yield Recommendation(path=("data", "long_texts"), value="windows", why="read all of a long text, in overlapping windows")
    if length.doc_stride is not None:
        why = "word pieces that neighbouring windows share, so that no answer is cut in two"
        yield Recommendation(path=("data", "doc_stride"), value=length.doc_stride, why=why, source=length.source)


def metric(facts: DataProfile) -> Iterator[Recommendation]:
    """Accuracy flatters whoever answers with the largest class; tags that mark no entities have no entities to score."""
    if facts.plain_tags:
        yield Recommendation(path=("metric",), value="accuracy", why="the tags mark no entities, so single words are scored")
    found = imbalance_of(facts)
    if found is not None and facts.head == "classification":
        yield Recommendation(
            path=("metric",), value="f1_macro", why=f"accuracy flatters: {found.words}; macro F1 counts classes alike"
        )


def training(facts: DataProfile) -> Iterator[Recommendation]:
    """Rate, batch, epochs and what is the same for all sizes."""
    band, (batch_size, batches, batch_source) = size_of(facts), _batch(facts)
    rates = rates_of(band, facts.encoder)
    yield Recommendation(path=("training", "learning_rate"), value=rates.learning_rate, why=rates.why, source=rates.source)
    yield Recommendation(path=("training", "batch_size"), value=batch_size, why=batches, source=batch_source)
    why_epochs = f"{band.why}: {band.why_epochs}"
    yield Recommendation(path=("training", "epochs"), value=band.epochs, why=why_epochs, source=band.source)
    why = "a tenth of the steps: large first steps are what unsettles a training"
    yield Recommendation(path=("training", "warmup_ratio"), value=0.1, why=why, source="Devlin 2019")
    why = "decoupled; none on biases and LayerNorm"
    yield Recommendation(path=("training", "weight_decay"), value=0.01, why=why, source="Devlin 2019")
    yield Recommendation(path=("training", "dropout"), value=0.1, why="as in pre-training", source="Devlin 2019")
    why = f"{band.epochs / band.evaluate_every_epochs:.0f} looks at the validation set; the weights of the best one are reported"
    yield Recommendation(path=("training", "evaluate_every_epochs"), value=band.evaluate_every_epochs, why=why)


def size_of(facts: DataProfile) -> Band:
    """The band of the training set; raw text counts by its blocks, since a text may be a sentence or a book."""
    n_blocks = facts.n_train * blocks_per_text(facts) if facts.head == "masked_lm" else facts.n_train
    return band_of(round(n_blocks))


def _batch(facts: DataProfile) -> tuple[int, str, str]:
    """Batch size, why, and source; of raw text so many texts that a step sees the usual number of blocks."""
    band, blocks = size_of(facts), blocks_per_text(facts)
    if facts.head == "masked_lm" and blocks >= 2:
        n_texts = max(1, round(band.batch_size / blocks))
        return n_texts, f"a text makes {blocks:.1f} blocks, so a step sees about {n_texts * blocks:.0f} of them", "house rule"
    return band.batch_size, "16 or 32 are the standard; the larger for large sets", "Devlin 2019"


def machine(facts: DataProfile) -> Iterator[Recommendation]:
    """What fits the machine: memory and precision."""
    batch_size, read = _batch(facts)[0], length_of(facts)
    typical = min(read.max_length, facts.lengths.p99)
    n_windows = math.ceil(facts.lengths.p99 / read.max_length) if reads_all(facts) else 1
    micro = micro_batch_of(facts.encoder, facts.machine, batch_size, typical, n_windows)
    if micro is not None:
        room = f"{facts.machine.memory_bytes / 2**30:.1f} GiB"
        why = f"a batch of {batch_size} of {n_windows * typical} word pieces would not fit into {room}"
        yield Recommendation(
            path=("training", "micro_batch_size"), value=micro, why=f"{why}; same gradients in parts", source="Korthikanti 2022"
        )
    if facts.machine.has_bf16:
        why = f"{facts.machine.gpu_name or 'the GPU'} multiplies in bf16: faster, and half the memory"
        yield Recommendation(path=("training", "precision"), value="bf16", why=why)


def arms(facts: DataProfile) -> Iterator[Recommendation]:
    """A baseline, plain fine-tuning, and what the size and the balance make worth trying."""
    band, found = size_of(facts), imbalance_of(facts)
    yield from _baseline(facts)
    why = "every parameter learns" + (": does it beat the baseline?" if _has_other_baseline(facts) else "; the baseline")
    yield from _arm(facts, "full", [{"kind": "full"}], why, "Devlin 2019")
    n_layers = facts.encoder.n_layers
    if band.freezes and n_layers >= 2:
        why = f"{band.why}: with the lower {n_layers // 2} of {n_layers} layers frozen, less can be unlearned"
        yield from _arm(facts, "frozen_half", [{"kind": "freezing", "layers": n_layers // 2}], why, "house rule")
    if found is not None:
        yield from _arm(facts, "weighted", [{"kind": "class_weights"}], f"{found.words}: rare classes count more", "house rule")
    if not _has_other_baseline(facts) and not band.freezes and found is None:
        why = "lower layers hold what is general and take smaller steps: does it help here?"
        yield from _arm(facts, "llrd", [{"kind": "llrd", "decay": 0.9}], why, "Zhang 2021")


def _has_other_baseline(facts: DataProfile) -> bool:
    return facts.head in TEXT_HEADS or is_small(facts.encoder)


def _baseline(facts: DataProfile) -> Iterator[Recommendation]:
    band = size_of(facts)
    if facts.head in TEXT_HEADS:
        why = "baseline: a head on frozen features, which is cheap; fine-tuning must beat it to be worth its time"
        yield from _strategies("features", [{"kind": "feature_extraction"}], why, "house rule")
        yield _space("features", FEATURES_LOW, FEATURES_HIGH, "a fresh head alone takes larger steps")
        yield from _trials("features")
    elif is_small(facts.encoder):
        why = "baseline: the usual rate as it is, though it is BERT-base's"
        yield from _strategies("usual_rate", [{"kind": "full"}], why, band.rate_source)
        why = f"{band.why}: usual for BERT-base"
        yield Recommendation(
            path=("arms", "usual_rate", "learning_rate"), value=band.learning_rate, why=why, source=band.rate_source
        )


def _arm(facts: DataProfile, name: str, strategies: list[dict[str, Any]], why: str, source: str) -> Iterator[Recommendation]:
    """An arm; with a search of the rate where it is not known. Every arm has the same chance, or the comparison is none."""
    rates = rates_of(size_of(facts), facts.encoder)
    yield from _strategies(name, strategies, why, source)
    if rates.searched:
        yield _space(name, rates.low, rates.high, "from the usual rates up to those of small encoders")
        yield from _trials(name)


def _strategies(name: str, strategies: list[dict[str, Any]], why: str, source: str) -> Iterator[Recommendation]:
    yield Recommendation(path=("arms", name, "strategies"), value=strategies, why=why, source=source)


def _space(name: str, low: float, high: float, why: str) -> Recommendation:
    space = {"low": low, "high": high, "log": True}
    return Recommendation(path=("arms", name, "search", "space", "learning_rate"), value=space, why=why)


def _trials(name: str) -> Iterator[Recommendation]:
    why = "each on two seeds that no reported run uses, scored on validation alone"
    yield Recommendation(path=("arms", name, "search", "n_trials"), value=N_TRIALS, why=why)


def seeds(facts: DataProfile) -> Iterator[Recommendation]:
    """More seeds where scores spread more."""
    band = size_of(facts)
    why = f"{band.why}: scores of small sets move more with the seed" if band.n_seeds > 5 else "enough for an interval"
    yield Recommendation(
        path=("seeds", "n"), value=band.n_seeds, why=why, source="Dodge 2020" if band.n_seeds > 5 else "house rule"
    )


RULES: tuple[Callable[[DataProfile], Iterator[Recommendation]], ...] = (reading, metric, training, machine, arms, seeds)


def note_length(facts: DataProfile) -> Iterator[str]:
    """What is lost of long inputs."""
    if (warning := length_of(facts).warning) is not None:
        yield warning


def note_classes(facts: DataProfile) -> Iterator[str]:
    """Classes with hardly an example."""
    few = {label: n for label, n in facts.label_counts.items() if n < FEW_EXAMPLES}
    if few and facts.head in ("classification", "multi_label"):
        named = ", ".join(f"'{label}' ({n})" for label, n in sorted(few.items(), key=lambda item: item[1])[:5])
        yield f"{len(few)} classes have fewer than {FEW_EXAMPLES} training examples and can hardly be learned: {named}"
    if len(facts.label_counts) > MANY_CLASSES:
        yield f"{len(facts.label_counts)} labels are too many for class weights to be sure of; look at f1_macro too"


def note_validation(facts: DataProfile) -> Iterator[str]:
    """How rough a score on so few examples is."""
    if facts.n_validation >= FEW_TO_CHOOSE_BY:
        return
    error = 100 * 0.5 / facts.n_validation**0.5
    how = f"the standard error of a share right is up to {error:.1f} points" if facts.head in COUNTED else "a score is rough"
    yield f"{facts.n_validation} validation examples: {how}, so small differences between settings are noise"


def note_test(facts: DataProfile) -> Iterator[str]:
    """Scores that were selected on are too good."""
    if not facts.has_test and facts.head != "masked_lm":
        yield "there is no test set: scores are told on validation, where the best weights were chosen, and are a little too good"


NOTES: tuple[Callable[[DataProfile], Iterator[str]], ...] = (note_length, note_classes, note_validation, note_test)
