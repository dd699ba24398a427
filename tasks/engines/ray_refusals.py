"""Why a study cannot be carried out on a Ray cluster, as errors to raise. Needs no Ray."""

import os

from bertft_core.config import UserError
from bertft_core.config.addresses import shown
from bertft_core.processes import LOOPBACK


def no_cluster(address: str | None, error: Exception) -> UserError:
    """No cluster answers there."""
    return UserError(
        "no Ray cluster can be reached",
        code="ray.no-cluster",
        found=f"{address or 'no execution.address'}: {shown(error)}",
        expected="a running cluster, whose token RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH gives where it has one",
        hint="start one with ray start --head, or use --set execution.engine=local",
    )


def refuse_open_cluster(address: str) -> None:
    """Raise `UserError` for a cluster beyond this machine without a token: whoever reaches its port can run code on it."""
    host = address.rpartition(":")[0].strip("[]")
    if host in LOOPBACK or host.startswith("127.") or os.environ.get("RAY_AUTH_MODE") == "token":
        return
    raise UserError(
        "a Ray cluster beyond this machine needs a token",
        code="ray.no-token",
        found=f"{address} without RAY_AUTH_MODE=token: whoever reaches this port can run any code there",
        expected="RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH, here and on every node",
        hint="make a token with ray get-auth-token --generate, and start every node with both variables",
    )


def slot_does_not_start(reason: str) -> UserError:
    """A node has a place for a slot and cannot start it; every other would fail in the same way."""
    return UserError(
        "a node cannot start a worker",
        code="ray.slot-does-not-start",
        found=reason,
        expected="bertft with the extra [ray] on every node, and a folder that it may write to",
        hint="run make install EXTRAS=ray there, start ray from that environment, and set BERTFT_NODE_HOME to a folder",
    )
