"""What every engine asks of its nodes: the versions of the study, sight of its store, and a folder."""

import math
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bertft_core.artifacts.node_cache import LIMIT_BYTES
from bertft_core.config import UserError

Versions = Mapping[str, str | None]

EQUAL = ("bertft", "torch", "transformers", "tokenizers")
"""Packages whose versions decide what a run computes: a node has those of the study."""
NODE_HOME = "BERTFT_NODE_HOME"
"""Variable of a node: the folder that it may keep data, encoders and running runs in."""
CACHE_GIB = "BERTFT_NODE_CACHE_GIB"
"""Variable of a node: how much of them it keeps for later runs."""


def node_dir() -> Path:
    """That folder, on this machine."""
    return Path(os.environ.get(NODE_HOME) or Path.home() / ".cache" / "bertft" / "node")


def cache_bytes() -> int:
    """How much this machine may keep of data and encoders. Raises `UserError` for what is no number of GiB."""
    given = os.environ.get(CACHE_GIB, "").strip()
    if not given:
        return LIMIT_BYTES
    try:
        limit = float(given)
    except ValueError:
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise no_cache_limit(platform.node(), given)
    return int(limit * 2**30)


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


def no_cache_limit(node: str, given: str) -> UserError:
    """A node's own setting means nothing."""
    return UserError(
        f"the limit of the cache of the node {node} is no size",
        code="node.cache-limit",
        found=f"{CACHE_GIB}={given}",
        expected="a number of GiB, such as 50 or 0.5; 0 keeps nothing that is not in use",
        hint="correct the variable where the node was started, or unset it, and start the node again",
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
