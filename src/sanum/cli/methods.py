"""`sanum methods`: which methods there are, by task, with paper, extra, weights and numbers."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from .messages import complain

if TYPE_CHECKING:
    from ..methods.catalog import CatalogEntry

EXAMPLE = "Example:  sanum methods una"


def command(
    name: Annotated[str | None, typer.Argument(help="Of a method, to see all that is known of it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the methods by task, with paper, weights, extra and the first of their results; or show one.

    Exit code: 0, 1 if an extra that the method needs is not installed, 2 if
    there is no such method.
    """
    from ..methods.catalog import catalog, entry_of
    from ..methods.registry import find

    if name is None:
        found = catalog()
        typer.echo(json.dumps([entry.as_dict() for entry in found], indent=2) if as_json else repr(found))
        return
    try:
        entry = entry_of(find(name))
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(2) from None
    recipes, lacks = _recipes(entry)
    if as_json:
        typer.echo(json.dumps({**entry.as_dict(), "recipes": recipes}, indent=2))
    else:
        typer.echo(_in_full(entry, recipes))
    if lacks:
        complain(lacks)
        raise typer.Exit(1)


def _recipes(entry: "CatalogEntry") -> tuple[list[str], str]:
    """Names of a method's recipes; none, and a sentence, where its extra is not installed."""
    from ..extras import MissingExtra
    from ..methods.registry import recipes_of

    try:
        return list(recipes_of(entry.method)), ""
    except MissingExtra as error:
        return [], str(error)


def _in_full(entry: "CatalogEntry", recipes: list[str]) -> str:
    from ..methods.catalog import row_text, sections_of

    method = entry.method
    without = "none ship: sanum train makes them" if method.trained else "none needed"
    facts = {
        "name": method.name,
        "task": method.task,
        "what": method.summary,
        "paper": method.paper,
        "weights": method.weights or without,
        "extra": f"pip install 'sanum[{method.extra}]'" if method.extra else "none",
        "recipes": ", ".join(recipes) or "none",
        "readme": str(entry.readme),
        "sections": ", ".join(sections_of(entry.readme.read_text(encoding="utf-8"))),
    }
    lines = [f"{key:9} {value}" for key, value in facts.items()]
    return "\n".join([*lines, *(f"{'result':9} {row_text(row)}" for row in entry.results)])
