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
        A sentence; line ends in it become spaces, and what a terminal would obey "?".
    details : sequence of str
        Further lines, likewise.
    """
    lines = [f"sanum: {' '.join(message.split())}", *details]
    print(*map(harmless, lines), sep="\n", file=sys.stderr)  # noqa: T201


def harmless(line: str) -> str:
    """A line without what a terminal would obey, such as escape sequences; tabs stay.

    Parameters
    ----------
    line : str
        With names from files, tables or headers.
    """
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in line)


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
