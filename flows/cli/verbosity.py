"""`-q` and `-v` of every command, and what libraries log with `-v`."""

import inspect
import logging
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from flows.cli.terminal import Level, say, set_level

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer, warnings and errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is computed, and show what libraries log.")]
CHATTY = ("httpcore", "httpx", "urllib3", "asyncio", "matplotlib", "filelock", "fsspec", "aiosqlite")
"""Loggers that tell of every request and every file."""
OF_LIBRARIES = {"TRANSFORMERS_VERBOSITY": "info", "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO", "ALEMBIC_LOG_LEVEL": "INFO"}


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options `-q` and `-v`, which hold before it begins."""

    @wraps(command)
    def spoken(*args: Any, quiet: bool, verbose: bool, **options: Any) -> None:
        if quiet and verbose:
            raise typer.BadParameter("--quiet and --verbose exclude each other")
        if quiet:
            set_level(Level.QUIET)
        elif verbose:
            set_level(Level.VERBOSE)
            show_logs()
        command(*args, **options)

    signature = inspect.signature(command)
    kind, none = inspect.Parameter.KEYWORD_ONLY, False
    more = {"quiet": Quiet, "verbose": Verbose}
    added = [inspect.Parameter(name, kind, default=none, annotation=option) for name, option in more.items()]
    spoken.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    spoken.__annotations__ = {**command.__annotations__, **more}
    return spoken


class _Lines(logging.Handler):
    """Log records as lines on stderr, above the progress where that is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            say(f"{record.name}: {record.getMessage()}", file=sys.stderr, flush=True)
        except Exception:  # a record whose arguments do not fit its text
            self.handleError(record)


def show_logs() -> None:
    """Print what libraries log from now on, here and in children that have not started."""
    os.environ.update(OF_LIBRARIES)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    if not any(isinstance(handler, _Lines) for handler in root.handlers):
        root.addHandler(_Lines())
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
