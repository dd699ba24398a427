"""What `bertft recommend` tells: what was looked at, every choice with its reason, the steps, and what to know beside."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from bertft_core.config import StudyConfig
from bertft_core.config.search_settings import Range
from bertft_core.recipes.advice import Advice, Recommendation
from bertft_core.recipes.citations import HOUSE_RULE
from bertft_core.recipes.data_profile import DataProfile
from bertft_core.recipes.study_yaml import inline, number, sources_of
from bertft_core.training.step_plan import StepPlan

WIDTH = 118
FEW_STEPS = 100
"""Optimizer steps in which hardly anything is learned, and a tenth of warm-up is a handful."""


def describe(study: StudyConfig, facts: DataProfile, advice: Advice, told: Sequence[str]) -> str:
    """The explanation as plain text; no line ends at the end."""
    lines = [f"{study.name}: {facts.head}, {facts.n_train} training and {facts.n_validation} validation examples"]
    lines += [f"  {line}" for sentence in told for line in textwrap.wrap(sentence, WIDTH)]
    lines += ["", "looked at", *_seen(facts), "", "chosen"]
    for choice in advice.choices:
        if choice.path[0] != "arms" or choice.path[-1] == "strategies":
            words = choice.why if choice.source == HOUSE_RULE else f"{choice.why} ({choice.source})"
            lines.append(f"  {_shown(study, choice)}")
            lines += [f"      {line}" for line in textwrap.wrap(words, WIDTH - 6)]
    lines += ["", "steps", *(f"  {line}" for line in steps_of(study, facts))]
    notes = [*advice.notes, *_few_steps(study, facts)]
    if notes:
        lines += [
            "",
            "to know",
            *(
                line
                for note in notes
                for line in textwrap.wrap(f"- {note}", WIDTH, initial_indent="  ", subsequent_indent="    ")
            ),
        ]
    lines += ["", "sources", *_sources(advice)]
    return "\n".join(lines)


def _seen(facts: DataProfile) -> Iterator[str]:
    lengths, encoder = facts.lengths, facts.encoder
    measured = f"{lengths.n_measured} of {facts.n_train}" if lengths.n_measured < facts.n_train else f"all {facts.n_train}"
    yield (
        f"  lengths   median {lengths.median}, 90 % {lengths.p90}, 99 % {lengths.p99}, longest {lengths.longest} word pieces "
        f"({measured} training examples)"
    )
    counts = sorted(facts.label_counts.items(), key=lambda item: -item[1])
    if counts:
        shown = ", ".join(f"{label} {n}" for label, n in counts[:6]) + (
            f", … {counts[-1][0]} {counts[-1][1]}" if len(counts) > 6 else ""
        )
        yield f"  labels    {shown}"
    yield (
        f"  encoder   {encoder.checkpoint}: {encoder.n_layers} layers, hidden size {encoder.hidden_size}, "
        f"{encoder.n_parameters / 1e6:.1f} M parameters"
    )
    yield f"  machine   {facts.machine.words}"


def _shown(study: StudyConfig, choice: Recommendation) -> str:
    """The value in the study, which `--set` may have changed since; an arm with its strategies and its rate in one line."""
    if choice.path[0] != "arms":
        value: Any = study.model_dump(mode="json")
        for key in choice.path:
            value = value[key]
        return f"{'.'.join(choice.path)} = {inline(value)}"
    name = choice.path[1]
    arm = study.arms[name]
    kinds = " + ".join(strategy.kind for strategy in arm.strategies)
    if arm.search is None:
        return f"arm {name}: {kinds}, learning_rate {number(study.training_of(name).learning_rate)}"
    space = arm.search.space.get("learning_rate")
    rates = f"{number(space.low)} to {number(space.high)}" if isinstance(space, Range) else "as it says"
    return (
        f"arm {name}: {kinds}, learning_rate searched from {rates} in {arm.search.n_trials} trials on {arm.search.n_seeds} seeds"
    )


def steps_of(study: StudyConfig, facts: DataProfile) -> list[str]:
    """Arms with the same number of steps in one line: how many, and how many of them warm up."""
    by_words: dict[str, list[str]] = {}
    for arm in study.arms:
        training = study.training_of(arm)
        n_steps = StepPlan(facts.n_train, training, order_seed=0).n_steps
        words = f"{n_steps} optimizer steps, {math.ceil(training.warmup_ratio * n_steps)} of them warm-up"
        words += (
            f" ({training.epochs:g} epochs of {facts.n_train} in batches of {training.batch_size})" if training.epochs else ""
        )
        by_words.setdefault(words, []).append(arm)
    return [f"{', '.join(arms)}: {words}" for words, arms in by_words.items()]


def _few_steps(study: StudyConfig, facts: DataProfile) -> Iterator[str]:
    n_steps = min(StepPlan(facts.n_train, study.training_of(arm), order_seed=0).n_steps for arm in study.arms)
    if n_steps < FEW_STEPS:
        yield (
            f"{n_steps} optimizer steps are few; smaller batches make more of them (--set training.batch_size="
            f"{max(1, study.training.batch_size // 2)}), and so do more epochs"
        )


def _sources(advice: Advice) -> Iterator[str]:
    for source in sources_of(advice):
        yield from textwrap.wrap(source, WIDTH, initial_indent="  ", subsequent_indent="    ")
