"""Two environments: in what they differ, and which of that can change numbers."""

from __future__ import annotations

from typing import NamedTuple

from bertft_core.records import Environment

DECIDING_PACKAGES = ("bertft", "torch", "transformers", "tokenizers", "safetensors", "numpy")
HARMLESS_VARIABLES = ("CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED")
"""Recorded, but which GPU of a kind and how Python hashes decide no number."""
UNKNOWN = "not recorded"


class Change(NamedTuple):
    """One thing that is not the same in both."""

    what: str
    left: str
    right: str
    decides: bool
    """It can change what a run computes."""

    def __str__(self) -> str:
        return f"{self.what}: {self.left} → {self.right}"


def environment_changes(left: Environment, right: Environment) -> list[Change]:
    """What differs, first what can change numbers. What one of the two never recorded is no difference."""
    rows = [
        ("processor" if _on_cpu(left, right) else "device", left.device, right.device, True),
        ("vector instructions", left.cpu_capability, right.cpu_capability, True),
        ("threads per run", str(left.threads), str(right.threads), True),
        ("GPU driver", left.gpu_driver, right.gpu_driver, True),
        *_packages(left, right),
        *_named("setting of torch", _words(left.flags), _words(right.flags)),
        *_variables(left, right),
        ("code of bertft", _code(left), _code(right), True),
        ("Python", left.python, right.python, False),
        ("system", left.platform, right.platform, False),
        ("lock file", _short(left.lock_sha256), _short(right.lock_sha256), False),
        ("host", left.host, right.host, False),
    ]
    changes = [Change(what, a, b, decides) for what, a, b, decides in rows if a is not None and b is not None and a != b]
    return sorted(changes, key=lambda change: not change.decides)


def _on_cpu(left: Environment, right: Environment) -> bool:
    return left.gpu_driver is None and right.gpu_driver is None


Row = tuple[str, str | None, str | None, bool]


def _packages(left: Environment, right: Environment) -> list[Row]:
    names = sorted(left.packages.keys() | right.packages.keys())
    return [
        (name, left.packages.get(name, "not installed"), right.packages.get(name, "not installed"), name in DECIDING_PACKAGES)
        for name in names
    ]


def _named(kind: str, left: dict[str, str], right: dict[str, str]) -> list[Row]:
    """Of what both have recorded."""
    return [(f"{kind} {name}", left[name], right[name], True) for name in sorted(left.keys() & right.keys())]


def _words(flags: dict[str, bool]) -> dict[str, str]:
    return {name: "on" if value else "off" for name, value in flags.items()}


def _variables(left: Environment, right: Environment) -> list[Row]:
    """A variable that is missing on one side is unset there, unless that record is older than the list of variables."""
    if not (left.flags and right.flags):
        return []
    names = sorted(left.variables.keys() | right.variables.keys())
    return [
        (
            f"variable {name}",
            left.variables.get(name, "unset"),
            right.variables.get(name, "unset"),
            name not in HARMLESS_VARIABLES,
        )
        for name in names
    ]


def _code(environment: Environment) -> str | None:
    if environment.commit is None:
        return None
    return environment.commit[:12] + (" with uncommitted changes" if environment.dirty else "")


def _short(sha256: str | None) -> str | None:
    return None if sha256 is None else sha256[:12]
