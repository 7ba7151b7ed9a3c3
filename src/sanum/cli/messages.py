"""What goes to stderr: one-sentence errors and progress."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import TracebackType

from rich.console import Console
from rich.markup import escape


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"sanum: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201


@contextmanager
def steady_stderr() -> Iterator[None]:
    """Keep `sys.stderr` open while a thread that reads scans silences file descriptor 2."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, AttributeError, ValueError):  # none, or not of the operating system
        yield
        return
    with (
        os.fdopen(descriptor, "w", buffering=1, errors="backslashreplace") as steady,
        redirect_stderr(steady),
    ):
        yield


class Steps:
    """The step that is running, on stderr: a spinner on a terminal, a line per scan elsewhere."""

    def __init__(self, label: str, *, quiet: bool) -> None:
        self.label, self.quiet, self.began = label, quiet, time.monotonic()
        console = Console(stderr=True)
        self.status = console.status(escape(label)) if console.is_terminal and not quiet else None

    def __enter__(self) -> "Steps":
        if self.status:
            self.status.start()
        return self

    def __call__(self, step: str) -> None:
        """Name the step that begins."""
        if self.status:
            self.status.update(f"{escape(self.label)}: {step} ({time.monotonic() - self.began:.0f} s)")

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if self.status:
            self.status.stop()
        if not self.quiet and kind is None:
            print(f"{self.label}: done in {time.monotonic() - self.began:.1f} s", file=sys.stderr)  # noqa: T201


class Progress:
    """One scan after the other, on stderr: a spinner on a terminal, and a line per scan."""

    def __init__(self, count: int, *, quiet: bool) -> None:
        self.count, self.quiet, self.ended_n, self.worked_n = count, quiet, 0, 0
        self.began = time.monotonic()
        console = Console(stderr=True)
        self.status = console.status("") if console.is_terminal and not quiet else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def step(self, name: str, step: str) -> None:
        """Name the step that begins of the scan that is computed."""
        if self.status:
            self.status.update(f"{escape(self._label(name))}: {step} ({time.monotonic() - self.began:.0f} s)")
            self.status.start()

    def ended(self, name: str, state: str | None, seconds: float | None) -> None:
        """Print a line for a scan: how long it took, or its state; nothing of one that failed."""
        label = self._label(name)
        self.ended_n += 1
        if self.status:
            self.status.stop()
        if seconds is not None:
            self.worked_n += 1
            state = f"done in {seconds:.1f} s{self._left()}"
        if state and not self.quiet:
            print(f"{label}: {state}", file=sys.stderr)  # noqa: T201

    def _label(self, name: str) -> str:
        name = "".join(c if c.isprintable() else "?" for c in name)
        return name if self.count == 1 else f"[{self.ended_n + 1}/{self.count}] {name}"

    def _left(self) -> str:
        """Time that the other scans will take if they go as those so far."""
        left = (self.count - self.ended_n) * (time.monotonic() - self.began) / self.worked_n
        if self.count == self.ended_n:
            return ""
        return f", {left / 60:.0f} min left" if left >= 90 else f", {left:.0f} s left"
