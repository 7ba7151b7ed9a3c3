"""What to say where an optional library is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtra(ModuleNotFoundError):
    """A library is needed that is not installed; the sentence says which extra brings it."""


@contextmanager
def needs_extra(who: str, extra: str | None) -> Iterator[None]:
    """Let a library that is missing name the extra that brings it.

    Parameters
    ----------
    who : str
        What needs it, as the sentence calls it.
    extra : str or None
        Of `pip install 'sanum[…]'`; None: there is none, and errors stay as they are.

    Raises
    ------
    MissingExtra
        In place of the ModuleNotFoundError of another library than sanum.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if extra is None or isinstance(error, MissingExtra) or name == "sanum":
            raise
        raise MissingExtra(
            f"{who} needs {name or extra}, which is not installed: pip install 'sanum[{extra}]'",
            name=error.name,
        ) from error
