"""What commands that measure methods share: how they fail, and what they say at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from .messages import complain, harmless


@contextmanager
def measuring() -> Iterator[None]:
    """Leave with exit code 2 and one sentence where a measurement cannot be made."""
    try:
        yield
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    except (MemoryError, RuntimeError) as error:  # torch's lack of memory is a RuntimeError
        reason = str(error).splitlines()[0] if str(error) else "not enough memory"
        complain(f"{reason}; close other programs or try --device cpu; started again, the run goes on")
        raise typer.Exit(2) from None


def tell_measured(failed: Sequence[str], paths: Sequence[Path]) -> None:
    """Say what could not be measured and what was written; exit code 1 if something failed.

    Parameters
    ----------
    failed : sequence of str
        A sentence for each case.
    paths : sequence of Path
        Files that were written.
    """
    for failure in failed:
        complain(failure)
    for path in paths:
        typer.echo(harmless(str(path)))
    if failed:
        raise typer.Exit(1)
