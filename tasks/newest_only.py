"""A listener that may be slow, such as one that calls a server: it runs in a thread of its own and skips outdated values."""

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class NewestOnly(Generic[Value]):
    """Returns at once. A value that is replaced while the listener is busy is skipped."""

    def __init__(self, listener: Callable[[Value], object]) -> None:
        """`listener` is called with the context of this thread."""
        self._listener, self._changed = listener, threading.Condition()
        self._newest: list[Value] = []
        self._is_closed = False
        self._error: Exception | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), daemon=True)
        self._thread.start()

    def __call__(self, value: Value) -> None:
        """Pass the value on soon. Raises what the listener raised for an earlier one, after which it is not called again."""
        with self._changed:
            if self._error is not None:
                raise self._error
            self._newest = [value]
            self._changed.notify()

    def close(self) -> None:
        """Wait until the listener has had the newest value."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._is_closed)
                if not self._newest:
                    return
                (value,), self._newest = self._newest, []
            try:
                self._listener(value)
            except Exception as error:  # of whatever kind: the next call raises it
                self._error = error
                return
