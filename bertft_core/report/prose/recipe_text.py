"""What `bertft recommend` writes: the reason of every choice, notes, sources, and the measured data."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bertft_core.config import StudyConfig
from bertft_core.config.search_space import Range
from bertft_core.recipes.advice import Advice, SettingChoice, note_steps
from bertft_core.recipes.data_profile import ArmSteps, DataProfile, Machine
from bertft_core.recipes.reasons import Reason
from bertft_core.recipes.study_yaml import inline, number
from bertft_core.report.formatting import aligned_table
from bertft_core.report.prose import grammar
from bertft_core.report.prose.recipe_reasons import reason, references, with_source

WIDTH = 118
MOST_LABELS = 6


def describe(
    study: StudyConfig, profile: DataProfile, advice: Advice, steps: Sequence[ArmSteps], concluded: Iterable[Reason]
) -> str:
    """The whole explanation, without a final newline; `study` has the advice and what `--set` changed of it."""
    notes = map(reason, (*advice.notes, *note_steps(steps, study.training.batch_size)))
    blocks = {
        "measured": [aligned_table.aligned(list(_measured(profile)), indent="  ")],
        "chosen": [line for choice in advice.choices if _is_shown(choice) for line in _chosen(study, choice)],
        "steps": [f"  {line}" for line in map(arm_steps, steps)],
        "notes": [line for note in notes for line in _wrapped(f"- {note}", 2, 4)],
        "sources": [line for reference in references(advice) for line in _wrapped(reference, 2, 4)],
    }
    n_validation = grammar.several(profile.n_validation, "validation example")
    lines = [f"{study.name}: {profile.head}, {profile.n_train:,} training and {n_validation}"]
    lines += [line for each in concluded for line in _wrapped(reason(each), 2, 2)]
    for title, block in blocks.items():
        lines += ["", title, *block] if block else []
    return "\n".join(lines)


def _wrapped(text: str, first: int, rest: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * first, subsequent_indent=" " * rest)


def _measured(profile: DataProfile) -> Iterator[tuple[str, str]]:
    lengths, encoder = profile.lengths, profile.encoder
    n = f"all {profile.n_train:,}" if lengths.n_measured == profile.n_train else f"{lengths.n_measured:,} of {profile.n_train:,}"
    quantiles = f"median {lengths.median:,}, 90 % {lengths.p90:,}, 99 % {lengths.p99:,}, longest {lengths.longest:,} tokens"
    yield "lengths", f"{quantiles} ({n} training examples)"
    if profile.label_counts:
        yield "labels", _labels(profile.label_counts)
    n_layers = grammar.several(encoder.n_layers, "layer")
    size = f"{n_layers}, hidden size {encoder.hidden_size}, {encoder.n_parameters / 1e6:.1f} M parameters"
    yield "encoder", f"{encoder.checkpoint}: {size}"
    yield "machine", _machine(profile.machine)


def _labels(counts: Mapping[str, int]) -> str:
    ranked = [f"{label} {n:,}" for label, n in sorted(counts.items(), key=lambda item: -item[1])]
    return ", ".join(ranked if len(ranked) <= MOST_LABELS else [*ranked[:MOST_LABELS], f"… {ranked[-1]}"])


def _machine(machine: Machine) -> str:
    device = f"{machine.n_gpus} × {machine.gpu_name or 'GPU'}" if machine.n_gpus else "CPU only"
    return f"{device}, {grammar.several(machine.n_slots, 'run')} at once, {machine.memory_bytes / 2**30:.1f} GiB for each"


def _is_shown(choice: SettingChoice) -> bool:
    return choice.path[0] != "arms" or choice.path[-1] == "strategies"


def _chosen(study: StudyConfig, choice: SettingChoice) -> list[str]:
    """The value in the study and the reason; an arm with its strategies and its rate in one line."""
    if choice.path[0] == "arms":
        return [f"  arm {choice.path[1]}: {_arm(study, choice.path[1])}", *_wrapped(with_source(choice), 6, 6)]
    value: Any = study.model_dump(mode="json")
    for key in choice.path:
        value = value[key]
    return [f"  {'.'.join(choice.path)} = {inline(value)}", *_wrapped(with_source(choice), 6, 6)]


def _arm(study: StudyConfig, name: str) -> str:
    arm = study.arms[name]
    kinds = " + ".join(strategy.kind for strategy in arm.strategies)
    if arm.search is None:
        return f"{kinds}, learning_rate {number(study.training_of(name).learning_rate)}"
    space = arm.search.space.get("learning_rate")
    rates = f"learning_rate searched from {number(space.low)} to {number(space.high)}" if isinstance(space, Range) else "searched"
    return f"{kinds}, {rates} in {grammar.several(arm.search.n_trials, 'trial')} on {grammar.several(arm.search.n_seeds, 'seed')}"


def arm_steps(steps: ArmSteps) -> str:
    """'full: 40 optimizer steps, 4 of them warm-up (20 epochs in batches of 16)'."""
    epochs = "" if steps.epochs is None else f" ({steps.epochs:g} epochs in batches of {steps.batch_size})"
    return f"{', '.join(steps.arms)}: {grammar.Count(steps.n_steps):optimizer step}, {steps.n_warmup:,} of them warm-up{epochs}"
