"""Entry of the command line: it runs one command, reports what went wrong in words, and ends with its exit code."""

import sys

from flows.cli import first_sign

if __name__ == "__main__":  # before the other imports, which take the longest
    first_sign.begin(sys.argv[1:])

import io
from collections.abc import Callable
from typing import Any

import typer

from bertft_core.config.errors import UserError
from bertft_core.processes import end_process
from flows.cli.command_line import app
from flows.cli.output import OutputLost, flush_output, give_up_output, use_safe_output
from flows.cli.reading_lines import ReadingLines, reading_shown
from flows.cli.terminal import note, say, speak
from tasks.process_environment import check_current_folder, check_interpreter, settle_environment

DONE, SOME_RUNS_FAILED, USER_MUST_ACT, INTERRUPTED = 0, 1, 2, 130
READER_GONE = 141
"""Of a command whose output nobody reads any more, such as `bertft show | head -1`: what a shell gives for SIGPIPE."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    use_safe_output(as_json="--json" in (sys.argv if arguments is None else arguments))
    speak()
    try:
        code = _written(lambda: _guarded(lambda: app(args=arguments, prog_name="bertft", standalone_mode=False)))
    finally:
        first_sign.stop()
        if arguments is not None:  # called in a program, which goes on: as it spoke before
            speak()
    sys.exit(code)


def _written(command: Callable[[], int]) -> int:
    """Run a command, and see that its output arrives; a reader that is gone is no mistake."""
    try:
        code = command()
        flush_output()
        return code
    except OutputLost as lost:
        give_up_output()
        if isinstance(lost.error, BrokenPipeError):
            return READER_GONE
        say(f"error: standard output cannot be written: {lost.error.strerror}", file=sys.stderr)
        say("  hint:     write to another file, or free some space there", file=sys.stderr)
        return USER_MUST_ACT


def _guarded(command: Callable[[], Any]) -> int:
    """Run a command; a user's mistake is a message and code 2, never a traceback."""
    for remark in settle_environment():
        note(f"note: {remark}")
    try:
        check_interpreter()
        check_current_folder()
        with reading_shown(ReadingLines()):
            code = command()
    except UserError as error:
        say(f"error: {error}", file=sys.stderr)
        return USER_MUST_ACT
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except OutputLost:
        raise
    except Exception as error:
        show_message = getattr(error, "show", None)  # a wrong option or argument
        if show_message is None:
            from bertft_core.storage.disk_errors import disk_user_error

            if (disk_error := disk_user_error(error)) is None:
                raise
            say(f"error: {disk_error}", file=sys.stderr)
            return USER_MUST_ACT
        message = io.StringIO()
        show_message(file=message)
        say(message.getvalue(), end="", file=sys.stderr)
        return USER_MUST_ACT
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code
        say("stopped; the same command continues from here", file=sys.stderr)
    return code if isinstance(code, int) else DONE


if __name__ == "__main__":
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int):
            end_process(end.code)
        raise
