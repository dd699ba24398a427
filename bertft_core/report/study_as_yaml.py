"""A study written as the shortest YAML that is read back as the same study."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bertft_core.config.head_settings import default_metric
from bertft_core.config.study_config import ArmConfig, StudyConfig

TELLING = frozenset({"kind", "source"})
"""Fields that say which of several classes a mapping is: written even when they are the default."""


def study_yaml(study: StudyConfig) -> str:
    """YAML of what differs from the defaults."""
    return yaml.safe_dump(shortest_values(study), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def shortest_values(study: StudyConfig) -> dict[str, Any]:
    """What differs from the defaults, as plain values."""
    values: dict[str, Any] = _short(study)
    return values


def _short(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        kept = {name: item for name, item in value if name in TELLING or _says_something(value, name, fields[name], item)}
        return {name: _short(item) for name, item in kept.items()}
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, (list, tuple)) else value


def _says_something(model: BaseModel, name: str, field: FieldInfo, item: Any) -> bool:
    """Differs from the default; an arm's null is an override when the arm names it."""
    if isinstance(model, StudyConfig) and name == "metric":
        return bool(item != default_metric(model.head))  # where nothing is said, it is the head's own
    if isinstance(model, ArmConfig) and item is None:
        return name in model.model_fields_set and name != "search"
    return bool(field.is_required() or item != field.get_default(call_default_factory=True))
