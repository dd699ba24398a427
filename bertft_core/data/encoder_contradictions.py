"""Settings and files that make another model of an encoder than its weights are, though each is valid by itself."""

import json
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.encoder_config import EXPECTED, FILE, HINT
from bertft_core.data.examples import shorten

ADAPTER = "adapter_config.json"
ONE_FAMILY = frozenset({"roberta", "xlm-roberta", "camembert"})
"""Model types of the same layers and positions."""


def refuse_adapter(directory: Path) -> None:
    """Raise `UserError` for an adapter beside the weights: transformers would load the model that it names instead of them."""
    if (directory / ADAPTER).exists():
        raise UserError(
            "the encoder is an adapter of another model",
            code="encoder.adapter",
            path=directory / ADAPTER,
            found=f"{ADAPTER} beside the weights",
            expected="the weights of a whole model",
            hint="merge the adapter into its model (merge_and_unload) and save that with save_pretrained, or delete the file",
        )


def refuse_contradictions(directory: Path, settings: dict[str, Any]) -> None:
    """Raise `UserError` for a class of another model type, a decoder, and a dropout of 1 or more."""
    model_type, classes = settings["model_type"], settings.get("architectures")
    names = [name for name in classes if isinstance(name, str)] if isinstance(classes, list) else []
    other = next((name for name in names if _is_of_another_type(name, model_type)), None)
    if other is not None:
        found = f"model_type: {model_type}, and architectures: [{shorten(other, 60)}]"
        raise _refusal(directory, "the encoder's config.json names two kinds of model", found, code="encoder.other-class")
    if settings.get("is_decoder"):
        found = "is_decoder: true, so that no token sees those after it"
        raise _refusal(directory, "the encoder is set up as a decoder", found, code="encoder.decoder")
    for name, value in settings.items():
        if "drop" in name and isinstance(value, int | float) and not 0 <= value < 1:
            found = f"{shorten(name, 60)}: {json.dumps(value)}"
            raise _refusal(
                directory, "a dropout of the encoder is no probability below 1", found, code="encoder.dropout-impossible"
            )


def _is_of_another_type(class_name: str, model_type: str) -> bool:
    """Whether transformers has the class, and only for model types other than this one; unknown names say nothing."""
    from transformers.models.auto import modeling_auto  # slow

    tables = [table for name, table in vars(modeling_auto).items() if name.endswith("_MAPPING_NAMES")]
    owners = {
        owner
        for table in tables
        for owner, given in table.items()
        if class_name in (given if isinstance(given, tuple | list) else [given])
    }
    return bool(owners) and model_type not in owners and not (model_type in ONE_FAMILY and owners & ONE_FAMILY)


def _refusal(directory: Path, problem: str, found: str, *, code: str) -> UserError:
    return UserError(problem, code=code, path=directory / FILE, found=found, expected=EXPECTED, hint=HINT)
