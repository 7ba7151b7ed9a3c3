"""What goes to stderr: errors and notes, one sentence each."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr


def complain(message: str, details: Sequence[str] = ()) -> None:
    """Print one line on stderr, and those that explain it.

    Parameters
    ----------
    message : str
        A sentence; line ends in it become spaces.
    details : sequence of str
        Further lines, each printed as it is.
    """
    print(f"sanum: {' '.join(message.split())}", *details, sep="\n", file=sys.stderr)  # noqa: T201


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
