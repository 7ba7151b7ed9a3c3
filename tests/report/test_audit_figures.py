import numpy as np
import pytest

from sanum.report.audit_figures import GroupPoints, audit_figure


def group(name, many, fpr, area=np.nan, enough=True):
    numbers = {"fpr": fpr, "own_fpr": np.nan, "auc_within": area, "auc_across": area}
    intervals = {"fpr": (0.0, 2 * fpr), "auc_within": (0.5, 1.0), "auc_across": (np.nan, np.nan)}
    return GroupPoints(name, np.arange(many, dtype=float), enough, numbers, intervals)


def test_every_normal_and_both_lines_are_drawn():
    figure = audit_figure([group("A$_", 30, 0.04), group("B", 12, 0.5, enough=False)], 20.0, 0.05)
    scores, rates = figure.axes
    assert [len(points.get_offsets()) for points in scores.collections if len(points.get_offsets()) > 1] == [
        30,
        12,
    ]
    assert [line.get_xdata()[0] for line in scores.lines] == [20.0]
    dashed = [line for line in rates.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [pytest.approx(5)]
    drawn = [x for line in rates.lines for x in line.get_xdata()]
    assert 50 in drawn
    assert 100 in drawn  # the end of its interval
    figure.canvas.draw()  # a name is no mathematics


def test_areas_are_there_where_there_are_anomalies():
    figure = audit_figure([group("A", 5, 0.0, 0.8), group("nobody", 0, np.nan)], np.inf, 0.05)
    assert len(figure.axes) == 3
    assert 0.8 in [x for line in figure.axes[2].lines for x in line.get_xdata()]
    assert not figure.axes[0].lines  # an infinite threshold
