"""The product's modules, for tests of their layout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


PACKAGES = ("bertft_core", "flows", "tasks")


MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


ENTRYPOINT_MODULES = [path for path in MODULES if path.relative_to(ROOT).parts[0] in ("flows", "tasks")]
