"""What is known of every method without importing it: its line in the registry, and its README."""

import re
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from .api import Method
from .registry import METHODS, folder_of

HEADINGS = ("Paper", "Licence", "Equations", "Departures", "Outputs", "Results")
"""Sections that every method's README has, in this order; it may have more."""

LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class CatalogEntry:
    """A method in the catalog.

    Parameters
    ----------
    method : Method
        Its line in the registry.
    results : tuple of dict
        Rows of the table under "Results" in its README, each by column; no others are known.
    """

    method: Method
    results: tuple[dict[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What `sanum.load` takes."""
        return self.method.name

    @property
    def readme(self) -> Path:
        """Its README."""
        return folder_of(self.method) / "README.md"

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {**vars(self.method), "readme": str(self.readme), "results": list(self.results)}

    def __str__(self) -> str:
        """Some lines; of the results the first."""
        method = self.method
        made = "trained with sanum train" if method.trained else "none needed"
        weights = method.weights or ("fitted to your data" if method.fitted else made)
        lines = [
            f"{method.name}: {method.summary}",
            f"    paper {method.paper}; weights: {weights}; extra: {method.extra or 'none'}",
        ]
        if self.results:
            lines.append(f"    {row_text(self.results[0])}")
        return "\n".join(lines)


class Catalog(tuple[CatalogEntry, ...]):
    """Methods in the order of the registry; prints as a list by task."""

    __slots__ = ()

    def __repr__(self) -> str:
        parts = groupby(self, key=lambda entry: entry.method.task)
        return "\n\n".join("\n".join([f"# {task}", *map(str, entries)]) for task, entries in parts)

    def _repr_html_(self) -> str:
        """In a notebook."""
        return f"<pre>{escape(repr(self))}</pre>"


def catalog(task: str | None = None) -> Catalog:
    """Every method, or those of one task.

    Parameters
    ----------
    task : str, optional
        Such as "anatomy".

    Raises
    ------
    ValueError
        Unknown task; the known ones are listed.
    """
    tasks = list(dict.fromkeys(method.task for method in METHODS))
    if task is not None and task not in tasks:
        raise ValueError(f'unknown task "{task}": known are {", ".join(tasks)}')
    return Catalog(entry_of(method) for method in METHODS if task in (None, method.task))


def entry_of(method: Method) -> CatalogEntry:
    """CatalogEntry of a method, with the results in its README.

    Parameters
    ----------
    method : Method
        Its line in the registry.
    """
    readme = folder_of(method) / "README.md"
    return CatalogEntry(method, rows_of(sections_of(readme.read_text(encoding="utf-8")).get("Results", "")))


def sections_of(markdown: str) -> dict[str, str]:
    """Text under each heading of the second level, in order.

    Parameters
    ----------
    markdown : str
        Of a README.
    """
    parts = re.split(r"^## (.+)$", markdown, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows_of(markdown: str) -> tuple[dict[str, str], ...]:
    """Rows of the first table, each by column, without the cells that are empty or "–"; links as their text.

    Parameters
    ----------
    markdown : str
        Of a section.
    """
    table = re.search(r"^\|.*(?:\n\|.*)+", markdown, flags=re.MULTILINE)
    if table is None:
        return ()
    lines = [
        [LINK.sub(r"\1", cell).strip(" `") for cell in row.strip("|").split("|")]
        for row in table[0].split("\n")
    ]
    names, _, *rows = lines
    return tuple(
        {n: cell for n, cell in zip(names, row, strict=True) if cell not in ("", "–")} for row in rows
    )


def row_text(row: dict[str, str]) -> str:
    """Line of one result, such as "weights una-compact, input T1w: SSIM 0.98".

    Parameters
    ----------
    row : dict
        Of `rows_of`.
    """
    return ", ".join(f"{name} {value}" for name, value in row.items())
