"""What every engine asks of its nodes: the versions of the study, sight of its store, and a folder."""

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bertft_core.config import UserError

Versions = Mapping[str, str | None]

EQUAL = ("bertft", "torch", "transformers", "tokenizers")
"""Packages whose versions decide what a run computes: a node has those of the study."""
NODE_HOME = "BERTFT_NODE_HOME"
"""Variable of a node: the folder that it may keep data, encoders and running runs in."""


def node_dir() -> Path:
    """That folder, on this machine."""
    return Path(os.environ.get(NODE_HOME) or Path.home() / ".cache" / "bertft" / "node")


def installed() -> dict[str, str | None]:
    """Versions of what decides results."""

    def version_of(name: str) -> str | None:
        try:
            return version(name).partition("+")[0]  # builds for a CPU and for CUDA
        except PackageNotFoundError:
            return None

    return {name: version_of(name) for name in EQUAL}


def other_versions(node: str, found: Versions, wanted: Versions) -> UserError:
    """A node would compute something else."""
    names = [name for name in wanted if found[name] != wanted[name]]
    return UserError(
        f"the node {node} has other versions than this study",
        code="node.other-versions",
        found=", ".join(f"{name} {found[name]}" for name in names),
        expected=", ".join(f"{name} {wanted[name]}" for name in names),
        hint="install the same requirements.lock on every node",
    )


def store_out_of_sight(node: str, address: str) -> UserError:
    """A node does not see what the study has stored."""
    return UserError(
        f"the node {node} does not see the study's artifact store",
        code="node.store-out-of-sight",
        found=f"nothing of this study in {address}",
        expected="a store that every node reaches",
        hint="set execution.store to a folder that all nodes share (file://…), or to a bucket (s3://…)",
    )
