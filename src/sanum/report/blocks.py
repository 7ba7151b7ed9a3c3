"""What pages are put together from: plain objects that `templates/blocks.html` shows, each by its kind."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.figure import Figure

from .figures import to_png
from .page import SORT_SCRIPT, render_page

STYLES = ("templates/tables.css", "templates/gallery.css")


@dataclass(frozen=True)
class PageWords:
    """A paragraph.

    Parameters
    ----------
    text : str
        Any.
    quiet : bool
        An explanation, in small grey letters.
    """

    text: str
    quiet: bool = False
    kind: ClassVar[str] = "words"


@dataclass(frozen=True)
class PageHeading:
    """A heading inside of a section.

    Parameters
    ----------
    text : str
        Any.
    """

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class PagePoints:
    """A list of sentences.

    Parameters
    ----------
    items : sequence of str
        Any text.
    """

    items: Sequence[str]
    kind: ClassVar[str] = "points"


@dataclass(frozen=True)
class PageFacts:
    """Names and values.

    Parameters
    ----------
    named : mapping of str
        Any text.
    """

    named: Mapping[str, str]
    kind: ClassVar[str] = "facts"

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value, and no note."""
        return [(name, value, "") for name, value in self.named.items()]


@dataclass(frozen=True)
class PageTable:
    """A table that a click on a head sorts.

    Parameters
    ----------
    heads : sequence of str
        Of the columns.
    rows : sequence of sequence of str
        Cells, any text; what follows a line's end is set small, below.
    numbers : collection of int
        Columns that are set to the right, from 0.
    tight : bool
        Of many columns: in smaller letters.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Collection[int]
    tight: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class PagePicture:
    """A picture that is as wide as the page.

    Parameters
    ----------
    data : bytes
        JPEG, or PNG.
    alt : str
        What it shows, for who does not see it.
    caption : str
        Below it.
    light : bool
        On white, and never narrower than is readable; else on black.
    lazy : bool
        Decoded when it comes into sight.
    """

    data: bytes
    alt: str
    caption: str
    light: bool = True
    lazy: bool = False
    kind: ClassVar[str] = "picture"

    @property
    def mime(self) -> str:
        """Of the picture."""
        return "image/png" if self.data.startswith(b"\x89PNG") else "image/jpeg"


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


@dataclass(frozen=True)
class PageGallery:
    """Small pictures with their names.

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
    square : bool
        Each picture is one large panel.
    """

    title: str
    words: str
    rows: Sequence[GalleryRow]
    panels: Sequence[str]
    square: bool = False
    kind: ClassVar[str] = "gallery"


PageBlock = PageWords | PageHeading | PagePoints | PageFacts | PageTable | PagePicture | PageGallery


@dataclass(frozen=True)
class PageSection:
    """A part of a page with a heading.

    Parameters
    ----------
    title : str
        Any text.
    blocks : sequence of PageBlock
        What it shows.
    """

    title: str
    blocks: Sequence[PageBlock]


def blocks_page(heading: str, kind: str, sections: Sequence[PageSection], notes: Sequence[str] = ()) -> str:
    """A complete HTML document whose tables can be sorted.

    Parameters
    ----------
    heading, kind : str
        Any text.
    sections : sequence of PageSection
        What it shows.
    notes : sequence of str
        What a reader must know first, in a box on top.
    """
    return render_page(
        "blocks.html",
        heading,
        kind,
        styles=STYLES,
        scripts=(SORT_SCRIPT,),
        sections=sections,
        notes=notes,
    )


def drawing(figure: Figure, alt: str, caption: str) -> PagePicture:
    """A figure as a picture.

    Parameters
    ----------
    figure : Figure
        Not drawn by pyplot.
    alt : str
        What it shows, for who does not see it.
    caption : str
        Below it.
    """
    return PagePicture(to_png(figure), alt, caption)
