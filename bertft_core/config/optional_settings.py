"""The settings of a section as optional overrides, each with the section's own constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, create_model, model_serializer
from pydantic.fields import FieldInfo

from bertft_core.config.base import Frozen


class Overrides(Frozen):
    """Settings that differ; absent settings are unchanged."""

    overridable: ClassVar[frozenset[str]] = frozenset()
    """The settings that may be absent; a subclass may have others."""

    @model_serializer(mode="wrap")
    def _only_what_it_names(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out absent settings: written as null, they would be read back as overrides with null."""
        absent = self.overridable - self.model_fields_set
        return {name: value for name, value in serialize(self).items() if name not in absent}

    def overrides(self) -> dict[str, Any]:
        """The settings that are given, as plain values."""
        named = self.model_fields_set & self.overridable
        return {name: value for name, value in self.model_dump().items() if name in named}


def overrides_of(fields: Mapping[str, FieldInfo]) -> type[Overrides]:
    """The base of a model of these fields, each of which may be absent."""
    optional: dict[str, Any] = {}
    for key, field in fields.items():
        kind: Any = field.annotation
        if field.metadata:
            kind = Annotated[(kind, *field.metadata)]  # type: ignore[misc]
        optional[key] = (kind | None, Field(None, description=field.description))
    made = create_model("Overrides", __base__=Overrides, **optional)
    made.overridable = frozenset(fields)
    return made
