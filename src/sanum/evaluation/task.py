"""What a task defines for the evaluation: how a case is measured, and the layout of tables and figure.

Running, storing, summaries, tables and the figure are the same for all tasks. A new task is one module of
`tasks/` with a class derived from `Task`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from matplotlib.axes import Axes

from ..types import FloatArray

Numbers = dict[str, float | str]
"""Numbers of one case by name; what cannot be known of it is left out."""

CaseRow = dict[str, str]
"""One line of a CSV file: text by column."""

Example = Mapping[str, FloatArray]
"""Arrays by name, kept of one case for the figure."""


class EvaluationCase(Protocol):
    """What the evaluation needs of a case of any task."""

    @property
    def data(self) -> str:
        """Name of its data set."""
        ...

    @property
    def name(self) -> str:
        """Name of the case, unique in its data set."""
        ...

    @property
    def subject(self) -> str:
        """Whose it is: all cases of one subject count as one in the statistics."""
        ...

    @property
    def contrast(self) -> str:
        """Kind of input: numbers of different kinds are not averaged."""
        ...

    def digest(self) -> str:
        """Start of the SHA-256 of all that is known of it."""
        ...


class EvaluatedMethod(Protocol):
    """What the evaluation needs of a method of any task."""

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of its weights; empty if it has none."""
        ...


CaseT = TypeVar("CaseT", bound=EvaluationCase)
MethodT = TypeVar("MethodT", bound=EvaluatedMethod)


@dataclass(frozen=True, eq=False)
class Trial:
    """One case done by one method.

    Parameters
    ----------
    numbers : mapping of str to Numbers
        By variant of the method; "" is the method itself.
    comparable : object
        What `Task.compare` takes of two cases; None if nothing is compared.
    example : mapping of str to array, optional
        Kept for the figure.
    """

    numbers: Mapping[str, Numbers]
    comparable: object = None
    example: Example | None = None


@dataclass(frozen=True)
class MeansTable:
    """A table of means: one line for each data set, input and method.

    Parameters
    ----------
    title, text : str
        Heading, and what stands below it; the text may be empty.
    columns : mapping of str to str
        Heading of each number.
    published_with : str, optional
        Lines of `Layout.published` are in the table if this number was measured; None: never.
    """

    title: str
    text: str
    columns: Mapping[str, str]
    published_with: str | None = None


@dataclass(frozen=True)
class LargestTable:
    """A table of the mean and the largest value of one number.

    Parameters
    ----------
    title : str
        Heading.
    number : str
        Name of the number.
    heads : (str, str)
        Headings of the mean and of the largest value.
    """

    title: str
    number: str
    heads: tuple[str, str]


@dataclass(frozen=True)
class PairTable:
    """A table of what two cases of one subject have in common.

    Parameters
    ----------
    title, text : str
        Heading, and what stands below it.
    name : str
        Key of its rows in `tables.json`.
    cases_head : str
        Heading of the column that names the two cases.
    columns : mapping of str to str
        Heading of each number of `Task.pair_numbers`.
    """

    title: str
    text: str
    name: str
    cases_head: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class CaseTable:
    """A table with one line for each case, where subjects are too few for statistics.

    Parameters
    ----------
    columns : mapping of str to str
        Heading of each number.
    requires : str
        Cases without this number are left out.
    """

    columns: Mapping[str, str]
    requires: str


@dataclass(frozen=True)
class PlainTable:
    """A table whose cells are ready.

    Parameters
    ----------
    title, text : str
        Heading, and what stands below it; the text may be empty.
    heads : sequence of str
        Headings of the columns.
    lines : sequence of sequences of str
        Cells by line; without lines there is no table.
    """

    title: str
    text: str
    heads: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class DotPanel:
    """One panel of dots with intervals.

    Parameters
    ----------
    number, title : str
        What it shows, and its heading.
    limits : (float, float), optional
        Of its axis; default: what the numbers need.
    """

    number: str
    title: str
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Layout:
    """What tables and figure show of a task.

    Parameters
    ----------
    conventions : str
        Units and letters, at the head of the tables.
    means : sequence of MeansTable
        The tables of means, in order.
    largest : LargestTable, optional
    pairs : PairTable, optional
    cases : CaseTable, optional
    dots : sequence of DotPanel
        The panels of the figure.
    typical_by : sequence of str
        The example of an input is the case with the median of the first of these numbers that is known;
        "case" is the name.
    example_columns : sequence of str
        Headings of the images of an example.
    input_titles : mapping of str to str
        Title of an input, by its name in small letters.
    published : mapping
        What others report: by input, method and number; None where they report none.
    published_samples : str
        Of how many samples these are.
    published_dot : str, optional
        Method of `published` that the figure shows too.
    """

    conventions: str
    means: Sequence[MeansTable]
    largest: LargestTable | None = None
    pairs: PairTable | None = None
    cases: CaseTable | None = None
    dots: Sequence[DotPanel] = ()
    typical_by: Sequence[str] = ("case",)
    example_columns: Sequence[str] = ()
    input_titles: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, Mapping[str, float | None]]] = field(default_factory=dict)
    published_samples: str = ""
    published_dot: str | None = None

    def input_title(self, contrast: str) -> str:
        """Title of an input.

        Parameters
        ----------
        contrast : str
            Its name, in small letters or not.
        """
        return self.input_titles.get(contrast.lower(), contrast)


class Task(ABC, Generic[CaseT, MethodT]):
    """One kind of problem that methods are measured on.

    Attributes
    ----------
    numbers : tuple of str
        Names of all numbers of a case, in the order of the columns of `cases.csv`.
    texts : tuple of str
        Names of those of `numbers` that are words.
    means : tuple of str
        Names of those of which means are taken.
    tested : tuple of str
        Names of those that are compared between methods.
    pair_numbers : tuple of str
        Names of the numbers of two cases, in the order of the columns of `pairs.csv`.
    layout : Layout
        What tables and figure show.
    """

    numbers: tuple[str, ...]
    means: tuple[str, ...]
    tested: tuple[str, ...]
    texts: tuple[str, ...] = ()
    pair_numbers: tuple[str, ...] = ()
    layout: Layout

    @abstractmethod
    def measure(self, case: CaseT, method: MethodT, variants: Sequence[str], *, with_example: bool) -> Trial:
        """One case done and measured.

        Parameters
        ----------
        case : CaseT
        method : MethodT
        variants : sequence of str
            Variants to measure; may be empty if only `Trial.comparable` is needed.
        with_example : bool
            The trial has an example for the figure.

        Raises
        ------
        ScanError
            The method could not do it; the sentence goes into the tables.
        """

    def variants(self, case: CaseT, method: MethodT) -> Sequence[str]:
        """Variants of a method that have numbers of this case; default: the method itself, "".

        Parameters
        ----------
        case : CaseT
        method : MethodT
        """
        return ("",)

    def groups(self, cases: Sequence[CaseT]) -> Iterator[list[CaseT]]:
        """Groups of cases that are compared with each other; default: one case in each group.

        Parameters
        ----------
        cases : sequence of CaseT
        """
        yield from ([case] for case in cases)

    def compared(self, method: MethodT) -> bool:
        """Whether cases of one group are compared with each other; default: no.

        Parameters
        ----------
        method : MethodT
        """
        return False

    def pair_name(self, one: CaseT, other: CaseT) -> str:
        """Name of a pair of cases of one group, unique in its data set.

        Parameters
        ----------
        one, other : CaseT
        """
        return f"{one.name} and {other.name}"

    def compare(self, one: object, other: object) -> Numbers:
        """Numbers of two cases of one group.

        Parameters
        ----------
        one, other : object
            `Trial.comparable` of each.
        """
        return {}

    def complete(self, rows: Sequence[CaseRow]) -> list[CaseRow]:
        """Rows with the numbers that need other rows; default: as they are.

        Parameters
        ----------
        rows : sequence of CaseRow
            All that were measured.
        """
        return list(rows)

    def more(self, rows: Sequence[CaseRow]) -> Sequence[PlainTable]:
        """Tables of the task's own, behind those of `Layout.means`; default: none.

        Parameters
        ----------
        rows : sequence of CaseRow
            Of `complete`.
        """
        return ()

    def digits(self, number: str) -> int:
        """Decimals that the tables show of a number; default 3.

        Parameters
        ----------
        number : str
            Its name.
        """
        return 3

    def draw_example(self, axes: Sequence[Axes], example: Example, contrast: str) -> None:
        """Draw an example; only asked of a task whose trials have some.

        Parameters
        ----------
        axes : sequence of Axes
            One for each of `Layout.example_columns`.
        example : mapping of str to array
            Of a trial.
        contrast : str
            Its input.
        """
        raise NotImplementedError(f"{type(self).__name__} draws no examples")
