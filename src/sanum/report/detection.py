"""Parts of pages about detectors of 2-D images: galleries, figures, tables. Self-contained, as the report."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from .figures import to_png
from .group import STYLE as TABLES
from .html import text

STYLE = f"""{TABLES}
.gallery {{ display: grid; gap: 12px; padding: 0; margin: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }}
.gallery.wide {{ grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }}
.gallery li {{ background: #0d1117; border-radius: 4px; padding: 6px; break-inside: avoid; }}
.gallery img {{ display: block; width: 100%; height: auto; aspect-ratio: 2; object-fit: contain;
  border-radius: 2px; }}
.gallery.wide img {{ aspect-ratio: 3; }}
.gallery span {{ display: block; color: #e6edf3; font-size: .8rem; overflow-wrap: anywhere; }}
.gallery span small {{ color: #9aa7b4; }}
.tight th, .tight td {{ font-size: .76rem; padding: .3rem .35rem; white-space: nowrap; }}
.tight thead th {{ white-space: normal; vertical-align: bottom; }}
h3 {{ margin: 1.2rem 0 .4rem; font-size: 1rem; }}
"""


@dataclass(frozen=True)
class GalleryRow:
    """One image of a gallery.

    Parameters
    ----------
    name : str
        What tables call it.
    about : str
        Below it: its score.
    picture : bytes
        JPEG of its panels, side by side.
    """

    name: str
    about: str
    picture: bytes


def gallery(title: str, words: str, rows: Sequence[GalleryRow], panels: Sequence[str]) -> str:
    """HTML of a gallery, as a part of a section.

    Parameters
    ----------
    title : str
        Any text.
    words : str
        What is shown, in one sentence.
    rows : sequence of GalleryRow
        In their order; may be none.
    panels : sequence of str
        What stands side by side in each picture.
    """
    items = "".join(
        f'<li><img loading="lazy" alt="{text(row.name)}: {text(", ".join(panels))}" '
        f'src="data:image/jpeg;base64,{base64.b64encode(row.picture).decode("ascii")}">'
        f"<span>{text(row.name)} <small>{text(row.about)}</small></span></li>\n"
        for row in rows
    )
    wide = " wide" if len(panels) > 2 else ""
    shown = f'<ul class="gallery{wide}">\n{items}</ul>' if rows else "<p>None.</p>"
    order = f" From left to right: {', '.join(panels)}." if rows and len(panels) > 1 else ""
    return f'<h3>{text(title)}</h3>\n<p class="kind">{text(words + order)}</p>\n{shown}\n'


def drawing(figure: Figure, alt: str, caption: str) -> str:
    """HTML of a figure.

    Parameters
    ----------
    figure : Figure
        Not drawn by pyplot.
    alt : str
        What it shows, for who does not see it.
    caption : str
        Below it.
    """
    data = base64.b64encode(to_png(figure)).decode("ascii")
    return (
        f'<figure class="light">\n<img alt="{text(alt)}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{text(caption)}</figcaption>\n</figure>\n"
    )


def photograph(jpeg: bytes, alt: str, caption: str) -> str:
    """HTML of a picture that is as wide as the page.

    Parameters
    ----------
    jpeg : bytes
        The picture.
    alt : str
        What it shows, for who does not see it.
    caption : str
        Below it.
    """
    data = base64.b64encode(jpeg).decode("ascii")
    return (
        f'<figure class="light">\n<img loading="lazy" alt="{text(alt)}" '
        f'src="data:image/jpeg;base64,{data}">\n'
        f"<figcaption>{text(caption)}</figcaption>\n</figure>\n"
    )


def section(title: str, body: str) -> str:
    """HTML of a section.

    Parameters
    ----------
    title : str
        Any text.
    body : str
        HTML.
    """
    return f"<section>\n<h2>{text(title)}</h2>\n{body}</section>\n"


def facts_table(facts: Mapping[str, str]) -> str:
    """HTML of names and values.

    Parameters
    ----------
    facts : mapping of str
        Any text.
    """
    lines = "".join(
        f'<tr><th scope="row">{text(name)}</th><td><bdi>{text(value)}</bdi></td></tr>\n'
        for name, value in facts.items()
    )
    return f'<table class="figures">\n<tbody>\n{lines}</tbody>\n</table>\n'


def many_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int], *, tight: bool = False
) -> str:
    """HTML of a table that a click on a head sorts.

    Parameters
    ----------
    heads : sequence of str
        Of the columns.
    rows : sequence of sequence of str
        Cells, any text; what follows a line's end is set small, below.
    numbers : sequence of int
        Columns that are set to the right, from 0.
    tight : bool
        Of many columns: in smaller letters.
    """

    def kind(place: int) -> str:
        return ' class="number"' if place in numbers else ""

    head = "".join(f"<th{kind(n)}>{text(one)}</th>" for n, one in enumerate(heads))
    lines = "".join(
        "<tr>" + "".join(f"<td{kind(n)}>{_cell(cell)}</td>" for n, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="many{" tight" if tight else ""}"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines}</tbody></table></div>\n"
    )


def _cell(words: str) -> str:
    first, _, second = words.partition("\n")
    return f"{text(first)}<br><small>{text(second)}</small>" if second else text(first)


def notes_box(notes: Sequence[str]) -> str:
    """HTML of what a reader must know first; empty if there is nothing.

    Parameters
    ----------
    notes : sequence of str
        Any text.
    """
    if not notes:
        return ""
    items = "".join(f"<li>{text(note)}</li>\n" for note in notes)
    return f'<div class="warnings" role="alert">\n<h2>Notes</h2>\n<ul>\n{items}</ul>\n</div>\n'
