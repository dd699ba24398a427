"""What an arm asks of encoder and data that only they can tell: layers that are there, labels that are there."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.strategy_settings import AnyStrategy, ClassWeights, Freezing, Reinit


def refuse_missing_layers(study: StudyConfig, encoder_settings: dict[str, Any]) -> None:
    """Raise `UserError` for an arm that freezes or draws anew more layers than `config.json` of the encoder says there are."""
    n_layers = encoder_settings.get("num_hidden_layers", encoder_settings.get("n_layers"))
    if n_layers is None:
        return
    for name, arm in study.arms.items():
        frozen, anew = _layers(arm.strategies, Freezing), _layers(arm.strategies, Reinit)
        for kind, n in (("freezing", frozen), ("reinit", anew)):
            if n > n_layers:
                raise _refusal(name, f"{kind} names more layers than the encoder has", f"layers: {n}", f"at most {n_layers}")
        if frozen and anew and frozen + anew > n_layers:
            found = f"{frozen} lowest layers frozen and {anew} top layers drawn anew, of {n_layers}"
            raise _refusal(name, "a layer that is drawn anew could not learn", found, "layers that learn or stay pre-trained")


def refuse_missing_labels(study: StudyConfig, labels: Sequence[str]) -> None:
    """Raise `UserError` for an arm that weighs a label which the data do not have."""
    for name, arm in study.arms.items():
        for strategy in arm.strategies:
            weights = strategy.weights if isinstance(strategy, ClassWeights) else None
            for label in weights if isinstance(weights, dict) else ():
                if label not in labels:
                    near = difflib.get_close_matches(label, labels, n=1, cutoff=0.0)
                    problem = "class_weights names a label that the data do not have"
                    raise _refusal(name, problem, label, f"one of {', '.join(labels)}", f"did you mean '{near[0]}'?")


def _layers(strategies: Sequence[AnyStrategy], kind: type[Freezing] | type[Reinit]) -> int:
    return next((strategy.layers for strategy in strategies if isinstance(strategy, kind)), 0)


def _refusal(arm: str, problem: str, found: str, expected: str, hint: str = "choose fewer layers") -> UserError:
    return UserError(f"arms.{arm}.strategies: {problem}", found=found, expected=expected, hint=hint)
