"""`bertft server notify`: failures and regressions are sent to a webhook by automations on the Prefect server in use."""

import getpass
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from bertft_core.config import UserError
from flows.cli.server_answers import expect_prefect
from flows.cli.terminal import say

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
    from prefect.events.schemas.automations import AutomationCore

    block = Webhook(url=address, headers={"Content-Type": "application/json"}).save(BLOCK, overwrite=True)
    described = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]
    with get_client(sync_client=True) as client:
        for automation in described:
            for action in automation["actions"]:
                action["block_document_id"] = str(block)
            for old in client.read_automations_by_name(automation["name"]):
                client.delete_automation(old.id)
            client.create_automation(AutomationCore.model_validate(automation))
    return [str(automation["name"]) for automation in described]
