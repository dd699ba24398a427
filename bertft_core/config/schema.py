"""The JSON schema of a study, for editors: `python -m bertft_core.config.schema > configs/study.schema.json`."""

import json
import sys
from typing import Any

from bertft_core.config.study_config import StudyConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def study_schema() -> dict[str, Any]:
    """What a study file may contain. Rules across keys are only checked when the file is loaded."""
    return {"$schema": DIALECT} | StudyConfig.model_json_schema()


def schema_text() -> str:
    """The schema as committed: indented, with a final newline."""
    return json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
