"""Addresses of servers and stores as they may be shown: without what is secret in them."""

import re

CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^/\s]*@")
PARAMETER = re.compile(r"([?&](?:password|sslpassword|token)=)[^&\s]+", re.IGNORECASE)


def without_password(text: str) -> str:
    """A text with the addresses in it as they may be shown."""
    return PARAMETER.sub(r"\1***", CREDENTIALS.sub(r"\1***@", text))


def shown(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has none; libraries write addresses with passwords into theirs."""
    return without_password((str(error).strip().splitlines() or [type(error).__name__])[0])
