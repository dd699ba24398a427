"""`bertft server notify`: failures and regressions are sent to a webhook by automations on the Prefect server in use.

Run as a module it makes them again where there is a webhook: `bertft server up` brings them up to date.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import yaml

from bertft_core.config import UserError
from flows.cli.server_answers import expect_prefect
from flows.cli.terminal import say

if TYPE_CHECKING:  # seconds
    from prefect.client.orchestration import SyncPrefectClient

AUTOMATIONS = Path(__file__).parent / "lab" / "automations.yaml"
"""A link to the one in deploy/."""
BLOCK = "bertft-notify"


def notify_command() -> int:
    """Save the webhook, whose address is read from stdin, as a block, and make the automations that call it anew."""
    api_url = os.environ.get("PREFECT_API_URL")
    if not api_url:
        raise UserError(
            "there is no Prefect server to notify",
            code="notify.no-server",
            found="no PREFECT_API_URL",
            expected="the address of a server that goes on running",
            hint="load the credentials of a lab: . HOME/server/credentials.env",
        )
    webhook = read_webhook()
    expect_prefect(api_url)
    names = set_up(webhook)
    say(f"{len(names)} automations call the webhook: {'; '.join(names)}")
    say(f"its address is in the block webhook/{BLOCK}")
    return 0


def read_webhook() -> str:
    """The address, which is a secret: it is no argument, and a terminal does not show it."""
    given = getpass.getpass("Address of the webhook: ") if sys.stdin.isatty() else sys.stdin.readline()
    address = given.strip()
    if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname:
        raise UserError(
            "standard input is not the address of a webhook",
            code="notify.no-address",
            found="an empty line" if not address else f"{len(address)} characters that do not begin with https://HOST",
            expected="one line, https://…",
            hint="bertft server notify < FILE, where FILE has the address",
        )
    return address


def set_up(address: str) -> list[str]:
    """Make block and automations, or make them again; the names of the automations."""
    from prefect.blocks.webhook import Webhook  # seconds
    from prefect.client.orchestration import get_client

    block = Webhook(url=address, headers={"Content-Type": "application/json"}).save(BLOCK, overwrite=True)
    with get_client(sync_client=True) as client:
        return _make(client, str(block))


def renew() -> list[str]:
    """Make the automations again where there is a webhook, because an update may have others; their names."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            block = client.read_block_document_by_name(BLOCK, "webhook", include_secrets=False)
        except ObjectNotFound:
            return []
        return _make(client, str(block.id))


def _make(client: SyncPrefectClient, block_id: str) -> list[str]:
    from prefect.events.schemas.automations import AutomationCore

    described = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]
    for automation in described:
        for action in automation["actions"]:
            action["block_document_id"] = block_id
        for old in client.read_automations_by_name(automation["name"]):
            client.delete_automation(old.id)
        client.create_automation(AutomationCore.model_validate(automation))
    return [str(automation["name"]) for automation in described]


if __name__ == "__main__":
    renew()
