"""What the check of a GPU imports, and which of it this Python lacks; with the standard library alone, before all else."""

from __future__ import annotations

import sys
from importlib.util import find_spec

NEEDED = {
    "torch": "torch",
    "transformers": "transformers",
    "accelerate": "accelerate",  # transformers' Trainer
    "annotated_types": "annotated-types",
    "filelock": "filelock",
    "jinja2": "jinja2",
    "markupsafe": "markupsafe",
    "numpy": "numpy",
    "pandas": "pandas",
    "psutil": "psutil",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic-core",
    "pytest": "pytest",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "tokenizers": "tokenizers",
    "typing_extensions": "typing-extensions",
    "typing_inspection": "typing-inspection",
    "yaml": "pyyaml",
}
"""Import name → distribution."""


def missing() -> list[str]:
    """The distributions that cannot be imported."""
    return [distribution for name, distribution in NEEDED.items() if find_spec(name) is None]


if __name__ == "__main__":
    if absent := missing():
        sys.exit(
            f"error: {sys.executable} lacks {', '.join(absent)}\n"
            f"  where there is a network: benchmarks/gpu/wheels.sh {' '.join(absent)}\n"
            "  then bring benchmarks/gpu/wheels/ here, and start again"
        )
