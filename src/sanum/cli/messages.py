"""What goes to stderr: one-sentence errors and progress."""

import sys
import time
from types import TracebackType

from rich.console import Console


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"sanum: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201


class Steps:
    """The step that is running, on stderr: a spinner on a terminal, a line per scan elsewhere."""

    def __init__(self, label: str, *, quiet: bool) -> None:
        self.label, self.quiet, self.began = label, quiet, time.monotonic()
        console = Console(stderr=True)
        self.status = console.status(label) if console.is_terminal and not quiet else None

    def __enter__(self) -> "Steps":
        if self.status:
            self.status.start()
        return self

    def __call__(self, step: str) -> None:
        """Name the step that begins."""
        if self.status:
            self.status.update(f"{self.label}: {step} ({time.monotonic() - self.began:.0f} s)")

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if self.status:
            self.status.stop()
        if not self.quiet and kind is None:
            print(f"{self.label}: done in {time.monotonic() - self.began:.1f} s", file=sys.stderr)  # noqa: T201
