"""Pages from templates: every text that came with the data is escaped, and nothing is loaded from outside."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

DISCLAIMER = "Research use only. Not a medical device."
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load and run: nothing but the page's own pictures and style."""
UNKNOWN = "not available"

VIEWER_SCRIPTS = tuple(f"viewer/{name}.js" for name in ("inflate", "planes", "draw", "viewer"))
SORT_SCRIPT = "templates/sort.js"
"""Makes the heads of tables buttons that sort; what is not known comes last. Without it the tables stay."""

_HERE = Path(__file__).parent


def render_page(
    template: str,
    heading: str,
    kind: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    policy: str = POLICY,
    **content: Any,
) -> str:
    """A complete HTML document that needs nothing else; write it to disk as UTF-8.

    Its content security policy lets a browser run the page's own script and no other. The same content gives
    the same text.

    Parameters
    ----------
    template : str
        File in `report/templates`, which extends `base.html`.
    heading, kind : str
        Any text.
    styles, scripts : sequence of str
        Files in `report`, beside the style of every page.
    policy : str
        What a browser may load, beside the page's own script.
    **content : object
        What the template shows. A text is escaped, and its control and direction marks and lone surrogates
        become their codes.
    """
    script = script_of(scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return fragment(
        template,
        heading=heading,
        kind=kind,
        policy=Markup(f"{policy}; script-src 'sha256-{digest}'" if script else policy),
        style=Markup("".join(own_file(name) for name in ("templates/base.css", *styles))),
        script=Markup(script),
        **content,
    )


def fragment(template: str, **content: Any) -> str:
    """HTML of a template by itself.

    Parameters
    ----------
    template : str
        File in `report/templates`.
    **content : object
        As in `render_page`.
    """
    return _environment().get_template(template).render(**content)


def script_of(names: Sequence[str]) -> str:
    """JavaScript of files, one after the other, in one function so that no name of theirs is the page's.

    Parameters
    ----------
    names : sequence of str
        Files in `report`; none: an empty text.
    """
    together = "\n".join(own_file(name) for name in names)
    return f'"use strict";\n(() => {{\n{together}}})();\n' if names else ""


@cache
def own_file(name: str) -> str:
    """Text of a style or a script that comes with the package.

    Parameters
    ----------
    name : str
        Path below `report`.
    """
    return (_HERE / name).read_text(encoding="utf-8")


def printable(value: Any) -> Any:
    """A text whose control and direction marks and lone surrogates are their codes; anything else unchanged.

    Parameters
    ----------
    value : object
        What a template shows.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():  # pictures are long
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        finalize=printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(disclaimer=DISCLAIMER, unknown=UNKNOWN)
    made.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    made.filters["one_line"] = lambda words: " ".join(words.split())
    return made
