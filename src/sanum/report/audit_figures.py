"""Figure of an audit: scores of the groups' normals, how often they are called abnormal, areas under ROC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..metrics.ranking import Scores
from .detection_figures import SKEWED
from .group import INK, LINE, MARK, QUIET

MUTED = "#9aa7b4"
_LONGEST_NAME = 22


@dataclass(frozen=True, eq=False)
class GroupPoints:
    """What a figure shows of a group.

    Parameters
    ----------
    name : str
        Of the group.
    normals : (n,) float
        Their scores.
    enough : bool
        Else it is drawn in grey.
    numbers : mapping of str to float
        fpr, own_fpr, auc_within and auc_across; nan: not known.
    intervals : mapping of str to (float, float)
        Of fpr, auc_within and auc_across.
    """

    name: str
    normals: Scores
    enough: bool
    numbers: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def audit_figure(groups: Sequence[GroupPoints], threshold: float, alpha: float) -> Figure:
    """Figure of one attribute, a row for each group, in two or (with anomalies) three panels.

    Parameters
    ----------
    groups : sequence of GroupPoints
        At least one.
    threshold : float
        Of all groups; may be infinite.
    alpha : float
        What share of normals may be called abnormal.
    """
    areas = any(np.isfinite(one.numbers["auc_across"]) for one in groups)
    figure = Figure(figsize=(10.5, 1.6 + 0.5 * len(groups)), dpi=137, facecolor="white", layout="constrained")
    panels = figure.subplots(1, 3 if areas else 2, sharey=True)
    _scores(panels[0], groups, threshold)
    _rates(panels[1], groups, alpha)
    if areas:
        _areas(panels[2], groups)
    names = [_short(f"{one.name} ({len(one.normals)})") for one in groups]
    panels[0].set_yticks(range(len(groups)), names, parse_math=False)
    panels[0].set_ylim(len(groups) - 0.4, -0.6)
    return figure


def _scores(ax: Axes, groups: Sequence[GroupPoints], threshold: float) -> None:
    """A point for each person, with the median."""
    for place, one in enumerate(groups):
        spread = 0.5 * ((np.arange(len(one.normals)) * 0.618034 + 0.5) % 1 - 0.5)
        colour = INK if one.enough else MUTED
        ax.scatter(one.normals, place + spread, s=12, color=colour, alpha=0.5, linewidths=0)
        if len(one.normals):
            ax.vlines(np.median(one.normals), place - 0.35, place + 0.35, color="#1b2430", linewidth=2)
    if np.isfinite(threshold):
        ax.axvline(threshold, color=MARK, linestyle="--", linewidth=1.2)
    every = np.concatenate([one.normals for one in groups])
    if every.size and every.min() > 0 and every.max() > SKEWED * np.median(every):
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
    _dress(ax, "Scores of normals", "score; bar: median; dashed: threshold")


def _rates(ax: Axes, groups: Sequence[GroupPoints], alpha: float) -> None:
    ax.axvline(100 * alpha, color=MARK, linestyle="--", linewidth=1.2)
    for place, one in enumerate(groups):
        _point(ax, place, one, "fpr", INK if one.enough else MUTED, "o", scale=100)
        if np.isfinite(one.numbers["own_fpr"]):
            ax.plot([100 * one.numbers["own_fpr"]], [place + 0.22], "D", color="#0f766e", markersize=5)
    ax.plot([], [], "o", color=INK, markersize=5, label="one threshold for all")
    ax.plot([], [], "D", color="#0f766e", markersize=5, label="one for each group")
    ax.set_xlim(left=0)
    _dress(ax, "Normals called abnormal", f"%; dashed: {100 * alpha:g} % as asked")
    _legend(ax)


def _areas(ax: Axes, groups: Sequence[GroupPoints]) -> None:
    for place, one in enumerate(groups):
        _point(ax, place - 0.12, one, "auc_across", INK if one.enough else MUTED, "o")
        _point(ax, place + 0.12, one, "auc_within", MARK if one.enough else MUTED, "s")
    ax.axvline(0.5, color=QUIET, linestyle=":", linewidth=1)
    ax.plot([], [], "o", color=INK, markersize=5, label="against anomalies of all")
    ax.plot([], [], "s", color=MARK, markersize=5, label="against its own anomalies")
    ax.set_xlim(right=1.02)
    _dress(ax, "Area under ROC", "of the group's normals; dotted: chance")
    _legend(ax)


def _point(
    ax: Axes, place: float, one: GroupPoints, name: str, colour: str, mark: str, *, scale: float = 1
) -> None:
    value = scale * one.numbers[name]
    if not np.isfinite(value):
        return
    low, high = one.intervals.get(name, (np.nan, np.nan))
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([scale * low, scale * high], [place, place], color=colour, linewidth=1.8, alpha=0.7)
    ax.plot([value], [place], mark, color=colour, markersize=5.5, clip_on=False)


def _legend(ax: Axes) -> None:
    """Below the axis, where no point can be; the distance is in letters."""
    ax.legend(
        fontsize=8,
        frameon=False,
        labelcolor="#1b2430",
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=4.2,
        ncols=2,
        handletextpad=0.2,
        columnspacing=1.0,
    )


def _dress(ax: Axes, title: str, x: str) -> None:
    ax.set_title(title, fontsize=10, color="#1b2430", loc="left")
    ax.set_xlabel(x, fontsize=8.5, color="#3d4956")
    ax.tick_params(colors="#3d4956", labelsize=8.5)
    ax.grid(axis="x", color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)


def _short(name: str) -> str:
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in name)
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[:9]}...{plain[-10:]}"
