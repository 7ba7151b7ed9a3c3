"""Signals that ask a training to stop, so that it can finish its step and save."""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress


class Interruption:
    """SIGINT and SIGTERM set a flag while the context is open (main thread only).

    Parameters
    ----------
    on_signal : function, optional
        Called at the first signal, at once.
    """

    def __init__(self, on_signal: Callable[[], None] | None = None) -> None:
        self.flag, self.on_signal = threading.Event(), on_signal

    def __enter__(self) -> threading.Event:
        self.before = {}
        if threading.current_thread() is threading.main_thread():
            for s in (signal.SIGINT, signal.SIGTERM):
                self.before[s] = signal.signal(s, self._stop)
        return self.flag

    def __exit__(self, *_: object) -> None:
        for s, handler in self.before.items():
            signal.signal(s, handler)

    def _stop(self, *_: object) -> None:
        first = not self.flag.is_set()
        self.flag.set()
        if first and self.on_signal is not None:
            with suppress(RuntimeError):  # in the middle of another line
                self.on_signal()
