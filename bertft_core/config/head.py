"""Which task head is put on the encoder."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bertft_core.config.base import Frozen

Direction = Literal["maximize", "minimize"]


class ClassificationHead(Frozen):
    """Sequence classification over two or more classes, one text or a pair of texts."""

    kind: Literal["classification"] = "classification"

    metrics: ClassVar[dict[str, Direction]] = {
        "accuracy": "maximize",
        "f1_macro": "maximize",
        "f1_weighted": "maximize",
        "mcc": "maximize",
        "log_loss": "minimize",
        "ece": "minimize",
    }
    """Metrics a study may select by, and which way is better; the first is the default."""


def _kind_alone(value: object) -> object:
    """`head: classification` is short for `head: {kind: classification}`."""
    return {"kind": value} if isinstance(value, str) else value


HeadConfig = Annotated[
    Annotated[ClassificationHead, Field()],
    BeforeValidator(_kind_alone, json_schema_input_type=ClassificationHead | Literal["classification"]),
]
