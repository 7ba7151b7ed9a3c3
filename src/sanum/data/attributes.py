"""Attributes by which people are told apart, as they are asked for: `--by sex,age:40,60`."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Attribute:
    """An attribute as it was asked for.

    Parameters
    ----------
    name : str
        Column, in lower case.
    cuts : tuple of float
        Where its numbers are cut: a band begins at each; none: thirds, or words.
    """

    name: str
    cuts: tuple[float, ...] = ()


def parse_by(words: str) -> list[Attribute]:
    """Attributes of `--by`, such as sex,age:40,60,site.

    Parameters
    ----------
    words : str
        Names, separated by commas; numbers after a name and a colon, or another number, are cuts.

    Raises
    ------
    ValueError
        There is none, one twice, or cuts that do not rise.

    Examples
    --------
    >>> [(one.name, one.cuts) for one in parse_by("sex,age:40,60,site")]
    [('sex', ()), ('age', (40.0, 60.0)), ('site', ())]
    """
    found: list[Attribute] = []
    for word in (one.strip() for one in words.split(",")):
        name, colon, first = word.rpartition(":")
        number = finite_number(first)
        if ":" in name:
            raise ValueError(f'cuts are separated by commas, as in age:40,60, got "{word}"')
        if colon and number is None:
            raise ValueError(f'a cut is a number, as in age:40,60, got "{first}"')
        if number is None:
            found.append(Attribute(word.lower()))
        elif colon:
            found.append(Attribute(name.strip().lower(), (number,)))
        elif found and found[-1].cuts:
            found[-1] = Attribute(found[-1].name, (*found[-1].cuts, number))
        else:
            raise ValueError(f'expected names of columns, as in sex,age:40,60, got "{word}"')
    names = [one.name for one in found]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError("expected the names of columns, each once, as in sex,site,age")
    for one in found:
        if list(one.cuts) != sorted(set(one.cuts)):
            raise ValueError(f"cuts rise, as in age:40,60, got {', '.join(f'{x:g}' for x in one.cuts)}")
    return found


def finite_number(word: str) -> float | None:
    """A number of a table's cell; None of what is none, or not finite.

    Parameters
    ----------
    word : str
        The cell.
    """
    """A number; BIDS writes ages above 89 as 89+."""
    try:
        number = float(word.strip().removesuffix("+"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
