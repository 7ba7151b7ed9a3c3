"""The figure of an evaluation: a typical case of every input, and dots with intervals.

Typical is the case with the median of a number that the task names (of healthy anatomy: Dice), not the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from ..metrics.statistics import FEWEST_SUBJECTS
from ..report.figures import BACKGROUND, DPI, FRAME, QUIET, TEXT
from .store import example_path, load_example
from .summary import Summary, summaries
from .task import CaseRow, CaseT, DotPanel, Example, Layout, MethodT, Task

WIDTH, EXAMPLE_HEIGHT, MOST_EXAMPLES = 10.5, 2.25, 8  # the first two in inches
LABEL_LETTERS = 21  # of a line beside the dots
COLOURS = ("#4fe3ff", "#ffc21a", "#ff6b8a", "#9be564", "#c49bff", "#ff9d5c", "#e6edf3", "#8aa4ff")


@dataclass(frozen=True)
class _Page:
    """Where things are on the page, in inches from its top."""

    figure: Figure
    height: float

    def share(self, inches_from_top: float) -> float:
        """Matplotlib's coordinate, 0 at the bottom and 1 at the top."""
        return 1 - inches_from_top / self.height


def figure(task: Task[CaseT, MethodT], rows: Sequence[CaseRow], reference: str, folder: Path) -> Figure:
    """Examples of `reference` from the slices in `folder`, and the means of every method.

    Parameters
    ----------
    task : Task
    rows : sequence of CaseRow
        Numbers of cases.
    reference : str
        Name of the method of the examples.
    folder : Path
        Folder of the evaluation.
    """
    found = summaries(task, rows)
    examples = typical(task, rows, reference, folder)[:MOST_EXAMPLES]
    panels = [d for d in task.layout.dots if any(d.number in s.means for s in found)]
    dots = _Dots(task.layout, found)
    dots_height = 1.3 + 0.2 * len(dots.inputs) * max(len(dots.methods), 2)
    height = 0.45 + EXAMPLE_HEIGHT * len(examples) + (dots_height if panels else 0)
    page = _Page(Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=BACKGROUND), height)
    if examples:
        _draw_examples(page, task, examples)
    if panels:
        _draw_panels(page, dots, panels, dots_height)
    return page.figure


def typical(
    task: Task[CaseT, MethodT], rows: Sequence[CaseRow], method: str, folder: Path
) -> list[tuple[CaseRow, Example]]:
    """Case in the middle of each data set and input, with its example.

    Parameters
    ----------
    task : Task
    rows : sequence of CaseRow
        Numbers of cases.
    method : str
        Name of the method.
    folder : Path
        Folder of the evaluation.
    """
    groups: dict[tuple[str, str], list[CaseRow]] = {}
    for r in rows:
        if r["method"] == method and not r["failed"]:
            groups.setdefault((r["data"], r["input"]), []).append(r)
    out = []
    for group in groups.values():
        for number in task.layout.typical_by:
            ranked = [r for r in group if r[number]]
            if ranked:
                ranked.sort(key=lambda r: r["case"] if number == "case" else float(r[number]))
                row = ranked[(len(ranked) - 1) // 2]
                path = example_path(folder, row["data"], row["case"])
                out += [(row, load_example(path))] if path.exists() else []
                break
    return out


def _draw_examples(page: _Page, task: Task[CaseT, MethodT], examples: list[tuple[CaseRow, Example]]) -> None:
    """One line of images for each example."""
    titles = task.layout.example_columns
    grid = GridSpec(
        len(examples),
        len(titles),
        figure=page.figure,
        left=0.045,
        right=0.995,
        wspace=0.02,
        hspace=0.03,
        top=page.share(0.35),
        bottom=page.share(0.35 + EXAMPLE_HEIGHT * len(examples)),
    )
    for n, (row, example) in enumerate(examples):
        axes = [page.figure.add_subplot(grid[n, k]) for k in range(len(titles))]
        task.draw_example(axes, example, row["input"])
        label = f"{_input(task.layout, row['data'], row['input'])}\n{row['case']}"
        axes[0].set_ylabel(label, color=TEXT, fontsize=7.5, parse_math=False)
        for ax, title in zip(axes, titles if n == 0 else (), strict=False):
            ax.set_title(title, color=TEXT, fontsize=10, pad=6)


def _draw_panels(page: _Page, dots: "_Dots", panels: Sequence[DotPanel], height: float) -> None:
    """One panel for each number, and the legend."""
    grid = GridSpec(
        1,
        len(panels),
        figure=page.figure,
        left=0.13,
        right=0.985,
        wspace=0.12,
        top=page.share(page.height - height + 0.25),
        bottom=page.share(page.height - 0.75),
    )
    for n, panel in enumerate(panels):
        ax = page.figure.add_subplot(grid[0, n])
        dots.draw(ax, panel)
        ax.set_title(panel.title, color=TEXT, fontsize=10)
        names = [_input(dots.layout, *i) for i in dots.inputs] if n == 0 else []
        labels = [fill(name, LABEL_LETTERS) for name in names]
        ax.set_yticks(range(len(dots.inputs)), labels)
    page.figure.legend(
        handles=dots.handles(panels),
        loc="lower center",
        ncols=5,
        fontsize=8.5,
        facecolor=BACKGROUND,
        edgecolor=FRAME,
        labelcolor=TEXT,
    )


class _Dots:
    """One line per input; a dot per method with its interval, hollow where none is given."""

    def __init__(self, layout: Layout, found: Sequence[Summary]) -> None:
        self.layout, self.found = layout, found
        self.inputs = list(dict.fromkeys((s.data, s.contrast) for s in found))
        self.methods = list(dict.fromkeys(s.method for s in found))

    def draw(self, ax: Axes, panel: DotPanel) -> None:
        """Draw one number."""
        ax.set_facecolor(BACKGROUND)
        step = 0.7 / max(len(self.methods), 1)
        for s in self.found:
            mean = s.means.get(panel.number)
            if mean is None:
                continue
            place = self.methods.index(s.method)
            y = self.inputs.index((s.data, s.contrast)) + (place - (len(self.methods) - 1) / 2) * step
            colour = COLOURS[place % len(COLOURS)]
            if mean.low is not None and mean.high is not None:
                ax.plot([mean.low, mean.high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
            face = colour if mean.low is not None else BACKGROUND
            ax.plot([mean.value], [y], "o", color=colour, markerfacecolor=face, markersize=5.5)
        for n, (_, contrast) in enumerate(self.inputs):
            published = self._published(contrast).get(panel.number)
            if published is not None:
                ax.plot(
                    [published], [n], "D", color=QUIET, markerfacecolor=BACKGROUND, markersize=5.5, zorder=1
                )
        ax.set_ylim(len(self.inputs) - 0.5, -0.5)
        if panel.limits:
            ax.set_xlim(*panel.limits)
        ax.grid(axis="x", color=FRAME, linewidth=0.6)
        ax.tick_params(colors=TEXT, labelsize=8.5, length=0)
        for spine in ax.spines.values():
            spine.set_color(FRAME)

    def handles(self, panels: Sequence[DotPanel]) -> list[Line2D]:
        """What the legend shows."""
        handles = [
            Line2D([], [], marker="o", linewidth=2, color=COLOURS[n % len(COLOURS)], label=method)
            for n, method in enumerate(self.methods)
        ]
        published = {n for contrast in self.layout.published for n in self._published(contrast)}
        if any(p.number in published for p in panels):
            handles.append(_hollow("D", self.layout.published_dot or ""))
        few = f"hollow: fewer than {FEWEST_SUBJECTS} subjects, no interval"
        return [*handles, _hollow("o", few)]

    def _published(self, contrast: str) -> dict[str, float | None]:
        methods = self.layout.published.get(contrast, {})
        return dict(methods.get(self.layout.published_dot or "", {}))


def _hollow(marker: str, label: str) -> Line2D:
    return Line2D([], [], marker=marker, linewidth=0, color=QUIET, markerfacecolor=BACKGROUND, label=label)


def _input(layout: Layout, data: str, contrast: str) -> str:
    title = layout.input_title(contrast)
    return title if data.lower() == contrast.lower() else f"{data}, {title}"
