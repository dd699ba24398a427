"""Types of the parameters that people fill in on Prefect's pages, from which it makes its forms."""

from typing import Annotated, Any

from pydantic import Field

from bertft_core.config.ready_studies import ready_names

ReadyStudy = Annotated[str, Field(title="ready study", json_schema_extra={"enum": list(ready_names())})]
ConfigPath = Annotated[str, Field(title="path of a YAML file")]
WholeConfig = Annotated[dict[str, Any], Field(title="whole config")]
AnyConfig = ReadyStudy | ConfigPath | WholeConfig
"""A ready study from a drop-down, a path, or the values of a study."""
