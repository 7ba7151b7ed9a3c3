"""Signals that ask a training to stop, so that it can finish its step and save."""

import signal
import threading


class Interruption:
    """SIGINT and SIGTERM set a flag while the context is open (main thread only)."""

    def __enter__(self) -> threading.Event:
        self.flag = threading.Event()
        self.before = {}
        if threading.current_thread() is threading.main_thread():
            for s in (signal.SIGINT, signal.SIGTERM):
                self.before[s] = signal.signal(s, lambda *_: self.flag.set())
        return self.flag

    def __exit__(self, *_: object) -> None:
        for s, handler in self.before.items():
            signal.signal(s, handler)
