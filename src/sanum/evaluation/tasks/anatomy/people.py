"""What participants.tsv says of people: age, sex and the site where they were scanned."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from ....files import read_small

_MOST_BYTES = 50_000_000
_SEXES = {"m": "M", "male": "M", "1": "M", "f": "F", "female": "F", "2": "F", "o": "O", "other": "O"}


@dataclass(frozen=True)
class Person:
    """What is known of somebody; empty where it is not.

    Parameters
    ----------
    age : float or None
        In years.
    sex : str
        "M", "F" or "O", as BIDS writes them.
    site : str
        Where the scanner stands.
    """

    age: float | None = None
    sex: str = ""
    site: str = ""


NOBODY = Person()
"""Of whom nothing is known."""


def people_of(folder: Path) -> dict[str, Person]:
    """Everybody in the participants.tsv of a data set, by name (sub-01); nobody if there is none.

    Parameters
    ----------
    folder : Path
        Root of a BIDS data set. Columns that are looked at: participant_id, age, sex (or gender), site.

    Raises
    ------
    ValueError
        The file is no table of text.
    """
    path = folder / "participants.tsv"
    if not path.is_file():
        return {}
    try:
        text = read_small(path, _MOST_BYTES).decode("utf-8-sig")
        rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no table of text: {error}") from error
    out = {}
    for row in rows:
        known = {k.strip().lower(): (v or "").strip() for k, v in row.items() if isinstance(k, str)}
        if name := known.get("participant_id"):
            sex = known.get("sex") or known.get("gender") or ""
            out[name] = Person(_age(known.get("age", "")), _SEXES.get(sex.lower(), ""), _word(known))
    return out


def _age(text: str) -> float | None:
    """BIDS writes ages above 89 as 89+."""
    try:
        age = float(text.rstrip("+"))
    except ValueError:
        return None
    return age if math.isfinite(age) and age >= 0 else None


def _word(known: dict[str, str]) -> str:
    site = known.get("site", "")
    return "" if site.lower() in ("n/a", "nan") else site
