"""Addresses of servers and stores as they may be shown: without what is secret in them."""

import re

CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^/\s]*@")
PARAMETER = re.compile(r"([?&](?:password|sslpassword|token)=)[^&\s]+", re.IGNORECASE)

HIDDEN = "***"
"""In place of a password."""


def without_password(text: str) -> str:
    """A text with the addresses in it as they may be shown."""
    return PARAMETER.sub(rf"\1{HIDDEN}", CREDENTIALS.sub(rf"\1{HIDDEN}@", text))


def with_password(uri: str | None, given: str | None) -> str | None:
    """The `given` address where `uri` is what may be shown of it, else `uri`."""
    return given if given is not None and uri == without_password(given) else uri


def shown(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has none; libraries write addresses with passwords into theirs."""
    return without_password((str(error).strip().splitlines() or [type(error).__name__])[0])
