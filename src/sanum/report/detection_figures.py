"""Figures of scores: histograms by class, F1 against the threshold, ROC, curves of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_curve

from ..metrics.ranking import Labels, Scores, decide
from .group import INK, LINE, MARK, QUIET

COLOURS = (INK, MARK, "#0f766e", "#7c3aed", "#be123c", "#57534e")
BINS, TRIED = 30, 120
SKEWED = 20.0
"""Times the median, without signs, above which the largest score asks for an axis that is no straight one."""


@dataclass(frozen=True, eq=False)
class RunCurves:
    """What figures show of one run of a cross-validation.

    Parameters
    ----------
    scores : (n,) float
        Of the test set.
    labels : (n,) int
        0 normal, 1 abnormal.
    threshold : float
        That was chosen on validation; may be infinite.
    losses : mapping of (steps, values)
        By name.
    looks : sequence of (step, AUC)
        On validation.
    chosen : float or None
        The step whose state was taken.
    likeness : sequence of (step, FID, KID)
        Of what a generator made while it learned.
    """

    scores: Scores
    labels: Labels
    threshold: float
    losses: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    looks: Sequence[tuple[float, float]] = ()
    chosen: float | None = None
    likeness: Sequence[tuple[float, float, float]] = ()


def histogram(classes: Mapping[str, Scores], thresholds: Sequence[float]) -> Figure:
    """Figure of scores by class, with thresholds as lines.

    Parameters
    ----------
    classes : mapping of (n,) float
        Scores by what the images are.
    thresholds : sequence of float
        Infinite ones are not drawn.
    """
    figure = _figure(10.5, 3.0)
    _histogram(figure.subplots(), classes, thresholds)
    return figure


def figures_of_runs(runs: Sequence[RunCurves]) -> Figure:
    """Figure of all runs of a method: scores by class, F1 against the threshold, ROC and, if known, training.

    Parameters
    ----------
    runs : sequence of RunCurves
        At least one.
    """
    trained = any(run.losses or run.looks for run in runs)
    figure = _figure(10.5, 6.2 if trained else 3.2)
    panels = figure.subplots(2 if trained else 1, 3, squeeze=False)
    classes = {
        name: np.concatenate([run.scores[run.labels == label] for run in runs])
        for label, name in enumerate(("normal", "abnormal"))
    }
    _histogram(panels[0, 0], classes, [run.threshold for run in runs])
    _f1(panels[0, 1], runs)
    _roc(panels[0, 2], runs)
    if trained:
        _losses(panels[1, 0], runs)
        _looks(panels[1, 1], runs)
        if any(run.likeness for run in runs):
            _likeness(panels[1, 2], runs)
        else:
            panels[1, 2].set_visible(False)
    return figure


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=137, facecolor="white", layout="constrained")


def _dress(ax: Axes, title: str, x: str, y: str) -> None:
    ax.set_title(title, fontsize=10, color="#1b2430", loc="left")
    ax.set_xlabel(x, fontsize=8.5, color="#3d4956")
    ax.set_ylabel(y, fontsize=8.5, color="#3d4956")
    ax.tick_params(colors="#3d4956", labelsize=8.5)
    ax.grid(color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#9aa7b4")


def _is_skewed(scores: Scores) -> bool:
    sizes = np.abs(scores)
    return bool(scores.size and sizes.max() > SKEWED * np.median(sizes) > 0)


def _edges(scores: Scores) -> list[float]:
    low, high = float(scores.min()), float(scores.max())
    if not high > low:
        low, high = low - 0.5, high + 0.5
    if not _is_skewed(scores):
        edges = np.linspace(low, high, BINS + 1)
    elif low > 0:
        edges = np.geomspace(low, high, BINS + 1)
    else:
        width = float(np.median(np.abs(scores)))
        inner = width * np.sinh(np.linspace(np.arcsinh(low / width), np.arcsinh(high / width), BINS + 1))
        edges = np.array([low, *inner[1:-1], high])
    return [float(x) for x in edges]


def _scale(ax: Axes, scores: Scores, marks: Sequence[float]) -> None:
    """An axis of skewed scores: logarithmic or, where some are not above 0, so on both sides of it."""
    if not _is_skewed(scores):
        return
    if scores.min() > 0:
        ax.set_xscale("log")
        return
    width = float(np.median(np.abs(scores)))
    low, high = (float(end(np.append(scores, marks))) for end in (np.min, np.max))
    ax.set_xscale("asinh", linear_width=width)
    decades = 10.0 ** np.arange(np.ceil(np.log10(width)), np.log10(max(-low, high)))
    ticks = [float(t) for t in (*-decades[::-1], 0.0, *decades) if low <= t <= high]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_xlim(low, high)


def _histogram(ax: Axes, classes: Mapping[str, Scores], thresholds: Sequence[float]) -> None:
    every = np.concatenate(list(classes.values()))
    edges = _edges(every)
    for (name, scores), colour in zip(classes.items(), cycle(COLOURS), strict=False):
        if scores.size:
            label = f"{_plain(name)} ({scores.size})"
            ax.hist(scores, edges, color=colour, alpha=0.45, label=label)
            ax.hist(scores, edges, color=colour, histtype="step", linewidth=1.2)
    drawn = [t for t in thresholds if np.isfinite(t)]
    for n, t in enumerate(drawn):
        ax.axvline(
            t,
            color="#1b2430",
            linewidth=1,
            linestyle="--",
            alpha=1 if len(drawn) == 1 else 0.5,
            label=None if n else "threshold" if len(drawn) == 1 else "thresholds of the runs",
        )
    _scale(ax, every, drawn)
    _dress(ax, "Scores", "score", "images")
    ax.margins(y=0.3)  # for the legend
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=8, frameon=False, labelcolor="#1b2430")


def _f1(ax: Axes, runs: Sequence[RunCurves]) -> None:
    every = np.concatenate([run.scores for run in runs])
    for run in runs:
        tried = np.quantile(run.scores, np.linspace(0, 1, TRIED))
        values = [decide(run.scores, run.labels, t).f1 for t in tried]
        ax.plot(tried, values, color=INK, linewidth=0.9, alpha=0.5)
        if np.isfinite(run.threshold):
            at = decide(run.scores, run.labels, run.threshold).f1
            ax.plot([run.threshold], [at], "o", color=MARK, markersize=4.5)
    _scale(ax, every, [run.threshold for run in runs if np.isfinite(run.threshold)])
    ax.set_ylim(0, 1.02)
    _dress(ax, "F1 against the threshold, on test", "threshold", "F1")
    ax.plot([], [], "o", color=MARK, markersize=4.5, label="chosen on validation")
    ax.legend(fontsize=8, frameon=False, loc="best", labelcolor="#1b2430")


def _roc(ax: Axes, runs: Sequence[RunCurves]) -> None:
    grid = np.linspace(0, 1, 101)
    rows = []
    for run in runs:
        if len(np.unique(run.labels)) < 2:
            continue
        false, true, _ = roc_curve(run.labels, run.scores)
        ax.plot(false, true, color=INK, linewidth=0.8, alpha=0.35)
        rows.append(np.interp(grid, false, true))
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
    if rows:
        ax.plot([0, *grid], [0, *np.mean(rows, 0)], color=INK, linewidth=2, label="mean of the runs")
        ax.legend(fontsize=8, frameon=False, loc="lower right", labelcolor="#1b2430")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    _dress(ax, "ROC, on test", "share of normals called abnormal", "recall")


def _losses(ax: Axes, runs: Sequence[RunCurves]) -> None:
    names = list(dict.fromkeys(name for run in runs for name in run.losses))
    for name, colour in zip(names, cycle(COLOURS), strict=False):
        for n, run in enumerate(run for run in runs if name in run.losses):
            ax.plot(
                *run.losses[name], color=colour, linewidth=0.8, alpha=0.6, label=None if n else _plain(name)
            )
    values = [v for run in runs for _, row in run.losses.values() for v in row]
    if values and min(values) > 0 and max(values) > SKEWED * min(values):
        ax.set_yscale("log")
    _dress(ax, "Loss", "step", "loss")
    if names:
        ax.legend(fontsize=8, frameon=False, labelcolor="#1b2430")


def _looks(ax: Axes, runs: Sequence[RunCurves]) -> None:
    for run in runs:
        if run.looks:
            steps, values = zip(*run.looks, strict=True)
            ax.plot(steps, values, color=INK, linewidth=0.9, alpha=0.5)
            taken = [(step, value) for step, value in run.looks if step == run.chosen]
            for step, value in taken:
                ax.plot([step], [value], "o", color=MARK, markersize=4.5)
    _dress(ax, "AUC on validation", "step", "AUC")
    ax.plot([], [], "o", color=MARK, markersize=4.5, label="taken")
    ax.legend(fontsize=8, frameon=False, loc="lower right", labelcolor="#1b2430")


def _likeness(ax: Axes, runs: Sequence[RunCurves]) -> None:
    """FID and KID have scales of their own."""
    other = ax.twinx()
    for run in runs:
        if run.likeness:
            steps, fid, kid = zip(*run.likeness, strict=True)
            ax.plot(steps, fid, color=INK, linewidth=0.9, alpha=0.6, marker=".")
            other.plot(steps, kid, color=MARK, linewidth=0.9, alpha=0.6, marker=".")
    _dress(ax, "Generated images against normals", "step", "FID (dark)")
    other.set_ylabel("KID (bright)", fontsize=8.5, color=MARK)
    other.tick_params(colors=MARK, labelsize=8.5)
    ax.set_ylim(bottom=0)
    other.set_ylim(bottom=min(0.0, other.get_ylim()[0]))


def _plain(name: str) -> str:
    """In characters that every font has, and without matplotlib's mathematics."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in name).replace("$", r"\$")[:40]
