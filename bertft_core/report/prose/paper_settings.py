"""The settings of a study in sentences for a paper: what most arms share, where an arm differs, and the searches."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.search_space import Choices, Range
from bertft_core.config.study_config import StudyConfig
from bertft_core.config.training_settings import SCALED_TO, TrainingConfig
from bertft_core.records import StudySummary
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar
from bertft_core.report.prose.metric_names import in_print

PAIRED = (("epochs", "max_steps"), ("evaluate_every_epochs", "evaluate_every_steps"))
CADENCE = ("evaluate_every_epochs", "evaluate_every_steps")
UNITS = {
    "epochs": "{} epochs",
    "max_steps": "{} steps",
    "evaluate_every_epochs": "validated every {} epochs",
    "evaluate_every_steps": "validated every {} steps",
}


SCALED = {"none": "", "linear": f" × (batch size / {SCALED_TO})", "sqrt": f" × √(batch size / {SCALED_TO})"}
"""What a learning rate is multiplied by."""


def training(study: StudyConfig, summary: StudySummary) -> str:
    """The settings that most arms share, then those in which an arm differs."""
    chosen = {arm.arm: dict(arm.chosen) for arm in summary.arms}
    settings = {arm: study.training_of(arm, chosen.get(arm)) for arm in study.arms}
    usual, unsettled = _usual(list(settings.values()))
    text = _shared(usual, unsettled)
    for arm, config in settings.items():
        names = [name for name in type(usual).model_fields if name in unsettled or getattr(config, name) != getattr(usual, name)]
        named = [_named(config, name) for name in names if _says(config, name)]
        text += f" For {arm}: {grammar.listed(named)}." if named else ""
    which = "with the best validation " + in_print(study.metric) if summary.headline_checkpoint == "best" else "of the last step"
    cadence = () if {*CADENCE} & unsettled else [_named(usual, name) for name in CADENCE if _says(usual, name)]
    return f"{text} We report the weights {which}{f' ({grammar.listed(cadence)})' if cadence else ''}."


def _usual(settings: Sequence[TrainingConfig]) -> tuple[TrainingConfig, frozenset[str]]:
    """The value of each setting in more than half of the arms, and the names of the settings without such a value."""
    usual: dict[str, Any] = {}
    unsettled: set[str] = set()
    paired = {name: pair for pair in PAIRED for name in pair}
    for name in type(settings[0]).model_fields:
        names = paired.get(name, (name,))
        (values, n), *_ = Counter(tuple(getattr(config, one) for one in names) for config in settings).most_common(1)
        usual |= dict(zip(names, values, strict=True))
        unsettled |= set() if 2 * n > len(settings) else {*names}
    return settings[0].model_copy(update=usual), frozenset(unsettled)


def _says(config: TrainingConfig, name: str) -> bool:
    """One of a pair of settings is None where the other is given; then it is not mentioned."""
    return getattr(config, name) is not None or name not in UNITS


def _named(config: TrainingConfig, name: str) -> str:
    value = getattr(config, name)
    words = UNITS.get(name, name.replace("_", " ") + " {}").format("none" if value is None else numbers.setting(value))
    words = words.replace("every 1 epochs", "after every epoch").replace("every 1 steps", "after every step")
    return {"1 epochs": "1 epoch", "1 steps": "1 step"}.get(words, words)


def _shared(config: TrainingConfig, differing: frozenset[str]) -> str:
    length = _named(config, "epochs" if config.max_steps is None else "max_steps")
    clip = (
        "without clipping"
        if config.max_grad_norm is None
        else f"gradients clipped at norm {numbers.setting(config.max_grad_norm)}"
    )
    scaling = "" if "learning_rate_scaling" in differing else SCALED[config.learning_rate_scaling]
    parts = {
        "learning_rate": f"peak learning rate {numbers.setting(config.learning_rate)}" + scaling,
        "batch_size": f"batch size {config.batch_size}",
        "epochs": length,
        "warmup_ratio": f"{100 * config.warmup_ratio:g} % linear warm-up",
        "schedule": f"{config.schedule} schedule",
        "weight_decay": f"weight decay {numbers.setting(config.weight_decay)} (none on biases and LayerNorm)",
        "precision": f"{config.precision} precision",
        "max_grad_norm": clip,
    }
    if {"epochs", "max_steps"} & differing:
        parts.pop("epochs")
    beta1, beta2, epsilon = map(numbers.setting, (config.adam_beta1, config.adam_beta2, config.adam_epsilon))
    betas = f"β = ({beta1}, {beta2}), ε = {epsilon}"
    shared = [words for name, words in parts.items() if name not in differing]
    dropout = [] if config.dropout is None or "dropout" in differing else [f"dropout {numbers.setting(config.dropout)}"]
    return f"We train with AdamW ({betas}), {grammar.listed([*shared, *dropout])}."


def search(arm: str, config: SearchConfig) -> str:
    """Sampler, size, space and selection rule of one search."""
    space = grammar.listed(f"{_setting(name)} in {_space(values)}" for name, values in config.space.items())
    pruner = ", stopping trials below the median early" if config.pruner == "median" else ""
    changed = [f"{name.replace('_', ' ')} {numbers.setting(value)}" for name, value in config.training.overrides().items()]
    trained = f" with {grammar.listed(changed)}" if changed else ""
    n = len(config.enqueue)
    given = f", the first {n} of which we gave" if n > 1 else ", the first of which we gave" if n else ""
    return (
        f"For {arm} we searched {space} by {_sampler(config)} (Optuna) in {grammar.several(config.n_trials, 'trial')}{given}"
        f"{trained}{pruner}; "
        f"the best mean validation score over {grammar.several(config.n_seeds, 'seed')} was chosen, "
        "and none of these seeds is among those we report."
    )


def _sampler(config: SearchConfig) -> str:
    """What suggests the trials, in words."""
    if config.sampler == "tpe":
        options = "" if config.multivariate else "univariate "
        return f"the {options}tree-structured Parzen estimator" + (" with grouped settings" if config.group else "")
    return {
        "random": "random search",
        "grid": "grid search",
        "qmc": "a scrambled Sobol sequence",
        "gp": "Bayesian optimization with a Gaussian process",
        "cmaes": "CMA-ES",
    }[config.sampler]


def _setting(name: str) -> str:
    """In words; a dotted one is named as it is written."""
    return name if "." in name else name.replace("_", " ")


def _space(values: Range | Choices) -> str:
    if isinstance(values, Choices):
        return "{" + ", ".join(map(numbers.setting, values.choices)) + "}"
    scale = " (log scale)" if values.log else "" if values.step is None else f" (steps of {numbers.setting(values.step)})"
    return f"[{numbers.setting(values.low)}, {numbers.setting(values.high)}]{scale}"
