"""Checks of a study that need the encoder or the data: layers, labels, metrics and splits that must exist."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig
from bertft_core.config.encoder_families import FAMILIES, SHARED_LAYERS, WITH_ADAPTERS, n_layers_of
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.strategy_settings import (
    AnyStrategy,
    ClassWeights,
    EarlyStopping,
    Freezing,
    GradualUnfreezing,
    LayerwiseDecay,
    Lora,
    Reinit,
)
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.examples import shorten
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.records import DatasetCard, EncoderIdentity
from bertft_core.storage.weight_files import read_headers, weight_files


def refuse_missing_layers(study: StudyConfig, name: str, encoder_settings: dict[str, Any], *, searched: bool = False) -> None:
    """Raise `UserError` for an arm that freezes, reinitialises or unfreezes more layers than its encoder's `config.json` has,
    and for one that needs single layers of an encoder that has none, or whose layers are unknown.

    `searched` where its search could make it so.
    """
    strategies = study.arms[name].strategies
    place = f"{name}.search.space" if searched else f"{name}.strategies"
    _refuse_single_layers(place, strategies, encoder_settings)
    n_layers = n_layers_of(encoder_settings)
    if n_layers is None:
        return
    frozen, reinit = _layers(strategies, Freezing), _layers(strategies, Reinit)
    unfrozen = _layers(strategies, GradualUnfreezing)
    most = {"freezing": (frozen, n_layers), "reinit": (reinit, n_layers), "gradual_unfreezing": (unfrozen, n_layers + 1)}
    for kind, (n, limit) in most.items():  # the embeddings are unfrozen like a layer
        if n > limit:
            raise _refusal(place, f"{kind} names more layers than the encoder has", f"layers: {n}", f"at most {limit}")
    if frozen and reinit and frozen + reinit > n_layers:
        found = f"{frozen} lowest layers frozen and {reinit} top layers reinitialised, of {n_layers}"
        raise _refusal(place, "a reinitialised layer would be frozen", found, "layers that are either trained or pre-trained")


def refuse_too_high_rank(study: StudyConfig, name: str, encoder_settings: dict[str, Any], *, searched: bool = False) -> None:
    """Raise `UserError` for an arm of lora whose adapters would have a higher rank than the matrices beside them.

    `searched` where its search could make it so.
    """
    width = encoder_settings.get("hidden_size", encoder_settings.get("dim"))
    rank = max((strategy.rank for strategy in study.arms[name].strategies if isinstance(strategy, Lora)), default=0)
    if width is not None and rank > width:
        place = f"{name}.search.space" if searched else f"{name}.strategies"
        problem = "the rank of lora is above the width of the encoder"
        raise _refusal(place, problem, f"rank: {rank}", f"at most {width}", "choose a rank such as 8")


def refuse_missing_biases(study: StudyConfig, name: str, encoder_dir: Path, *, searched: bool = False) -> None:
    """Raise `UserError` for an arm of bitfit whose encoder has no bias in its layers, so that the head alone would learn.

    `searched` where its search could make it so.
    """
    if not any(strategy.kind == "bitfit" for strategy in study.arms[name].strategies):
        return
    weights = read_headers(weight_files(encoder_dir))
    if not any(weight.endswith("bias") and re.search(r"\.\d+\.", weight) for weight in weights):
        place = f"{name}.search.space" if searched else f"{name}.strategies"
        found = f"{len(weights)} weights without a bias in a layer"
        hint = "use feature_extraction to train the head alone, or choose another encoder or strategy"
        raise _refusal(place, "bitfit has no bias to train in the encoder", found, "biases in the encoder's layers", hint)


def _refuse_single_layers(place: str, strategies: Sequence[AnyStrategy], encoder_settings: dict[str, Any]) -> None:
    kind = encoder_settings.get("model_type", "")
    by_layer = [
        strategy for strategy in strategies if isinstance(strategy, Freezing | Reinit | GradualUnfreezing | LayerwiseDecay)
    ]
    if by_layer and kind not in FAMILIES:
        raise UserError(
            f"arms.{place}: the layers of encoders of the type '{kind}' are unknown",
            code="strategy.unknown-layers",
            found=by_layer[0].kind,
            expected=f"an encoder of the type {', '.join(FAMILIES)}",
            hint=f"remove {by_layer[0].kind}, or choose another encoder",
        )
    if kind not in WITH_ADAPTERS and any(isinstance(strategy, Lora) for strategy in strategies):
        raise UserError(
            f"arms.{place}: lora is not tried with encoders of the type '{kind}'",
            code="strategy.lora-untried",
            found="lora",
            expected=f"an encoder of the type {', '.join(WITH_ADAPTERS)}",
            hint="remove lora, or choose another encoder",
        )
    single = [
        strategy
        for strategy in by_layer
        if isinstance(strategy, LayerwiseDecay) or (isinstance(strategy, Freezing | Reinit) and strategy.layers)
    ]
    if single and kind == SHARED_LAYERS:
        raise UserError(
            f"arms.{place}: {single[0].kind} needs single layers, and all layers of this encoder share their weights",
            code="strategy.shared-layers",
            found=f"{single[0].kind} and an encoder of the type '{kind}'",
            expected="layers: 0 for its embeddings or its pooler alone, or a strategy that takes all layers together",
            hint=f"remove {single[0].kind}, or use gradual_unfreezing, mixout or prior_decay",
        )


def refuse_other_examples(study: StudyConfig, cards: Mapping[str, DatasetCard], first: str) -> None:
    """Raise `UserError` for an arm that would be scored on other examples than the others, as no pair could be compared."""
    for arm, card in cards.items():
        for split in card.evaluated_splits:
            if card.splits[split].sha256 != cards[first].splits[split].sha256:
                raise UserError(
                    f"arms.{arm}: its {split} examples would not be those of the arm '{first}'",
                    code="arm.other-examples",
                    found=f"{card.splits[split].n_examples} examples of its own",
                    expected=f"the {cards[first].splits[split].n_examples} examples of all arms",
                    hint=f"use arms.{arm}.train_examples, which takes as many from the training set of each split"
                    if study.seeds.splits is not None and arm in study.arms and (own := study.arms[arm].data) and own.subsample
                    else "give the settings that change or drop examples for the whole study",
                )


def refuse_unfit_subset(study: StudyConfig, arm: str, card: DatasetCard) -> None:
    """Raise `UserError` for an arm that trains on more examples than there are, or on too few to have one of each label.

    In a split design no split may have fewer.
    """
    size = study.arms[arm].train_examples
    train = min((draw.splits["train"] for draw in card.draws or (card,)), key=lambda split: split.n_examples)
    labels = [label for label, n in train.label_counts.items() if n] if study.head.kind == "classification" else []
    if size is None or len(labels) <= size <= train.n_examples:
        return
    large = size > train.n_examples
    raise UserError(
        f"arms.{arm}: it would train on more examples than there are"
        if large
        else f"arms.{arm}: its training set cannot have an example of each label",
        code="subset.too-large" if large else "subset.too-small",
        found=f"{size} training examples",
        expected=f"at most {train.n_examples}, the whole training set" if large else f"at least {len(labels)}, one of each label",
        hint="choose a smaller size" if large else "choose a larger size",
    )


def refuse_encoders_of_one_name(cards: Mapping[str, DatasetCard]) -> None:
    """Raise `UserError` for arms whose encoders differ only in what no run digest knows: one would get the other's results."""
    first_of: dict[EncoderIdentity, str] = {}
    for arm, card in cards.items():
        first = first_of.setdefault(card.encoder.in_digests, arm)
        if card.encoder != cards[first].encoder:
            raise UserError(
                f"arms.{arm}: its encoder has the same name and weights as that of the arm '{first}', but other settings",
                code="arm.encoders-of-one-name",
                found=f"{cards[first].encoder_dir} and {card.encoder_dir}",
                expected="a folder of another name for each encoder, as runs are known by it",
                hint="rename one of the two folders",
            )


def refuse_other_vocabularies(encoders: Mapping[str, EncoderFiles]) -> None:
    """Raise `UserError` for an arm of masked_lm that predicts tokens of another vocabulary: scores are per token."""
    vocabularies = {each.directory: load_tokenizer(each).get_vocab().keys() for each in encoders.values()}
    first, known = next(iter(encoders)), next(iter(vocabularies.values()))
    for arm, encoder in encoders.items():
        own = vocabularies[encoder.directory]
        if own != known:
            raise UserError(
                f"arms.{arm}: its encoder has another vocabulary than that of the arm '{first}'",
                code="arm.other-vocabulary",
                found=f"{len(own)} tokens, {len(own & known)} of them among the {len(known)} of '{first}'",
                expected="one vocabulary: losses, perplexities and accuracies of masked_lm are per token",
                hint="compare these encoders by a task that is scored by texts or words, such as classification",
            )


def refuse_missing_labels(study: StudyConfig, labels: Sequence[str]) -> None:
    """Raise `UserError` for an arm that weights a label which the data do not have."""
    for name, arm in study.arms.items():
        for strategy in arm.strategies:
            weights = strategy.weights if isinstance(strategy, ClassWeights) else None
            if isinstance(weights, dict) and not any(weights.get(label, 1.0) for label in labels):
                hint = "raise the weight of a label"
                raise _refusal(
                    f"{name}.strategies", "class_weights weights every label with 0", "nothing to learn", "a weight above 0", hint
                )
            for label in weights if isinstance(weights, dict) else ():
                if label not in labels:
                    problem = "class_weights names a label that is not in the data"
                    expected = f"one of {shorten(', '.join(labels), 200)}"
                    raise _refusal(
                        f"{name}.strategies", problem, label, expected, did_you_mean(label, labels) or "correct it or remove it"
                    )


def _layers(strategies: Sequence[AnyStrategy], kind: type[Freezing | Reinit | GradualUnfreezing]) -> int:
    return next((strategy.layers for strategy in strategies if isinstance(strategy, kind)), 0)


def _refusal(place: str, problem: str, found: str, expected: str, hint: str = "choose fewer layers") -> UserError:
    return UserError(f"arms.{place}: {problem}", code="strategy.does-not-fit-data", found=found, expected=expected, hint=hint)


def refuse_unknown_headline(split: str, card: DatasetCard) -> None:
    """Raise `UserError` for a headline split that does not exist; `test` falls back to validation."""
    if split != "test" and split not in card.evaluated_splits:
        raise UserError(
            f"headline.split: {card.name} has no split '{split}'",
            code="headline.no-split",
            found=split,
            expected=f"one of {', '.join(card.evaluated_splits)}",
            hint="change headline.split",
        )


def refuse_unscored_metric(study: StudyConfig, card: DatasetCard) -> None:
    """Raise `UserError` for a selection metric that these labels cannot have; losses are exempt, as they may be infinite."""
    scored = card.splits["validation"].constant_scores
    for place, metric in _selection_metrics(study):
        if metric not in scored and study.head.metrics[metric] == "maximize":
            known = [name for name in study.head.metrics if name in scored]
            raise UserError(
                f"{place}: '{metric}' cannot be computed for these labels",
                code="metric.not-computable",
                found=f"the labels {shorten(', '.join(card.labels), 120)}" if card.labels else "no labels",
                expected=f"one of {', '.join(known)}",
                hint=f"set {place}: {next(iter(known), 'loss')}",
            )


def _selection_metrics(study: StudyConfig) -> Iterator[tuple[str, str]]:
    """Every metric that selects something, with its place in the config."""
    yield "metric", study.metric
    if study.seeds.until is not None and study.seeds.until.metric is not None:
        yield "seeds.until.metric", study.seeds.until.metric
    for arm, settings in study.arms.items():
        for i, strategy in enumerate(settings.strategies):
            if isinstance(strategy, EarlyStopping) and strategy.metric is not None:
                yield f"arms.{arm}.strategies[{i}].metric", strategy.metric
