"""Figures of scores: what they draw is what they were given."""

import numpy as np
import pytest

from sanum.metrics.ranking import decide
from sanum.report.detection_figures import RunCurves, figures_of_runs, histogram


def curves(seed, **how):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], 20)
    return RunCurves(rng.normal(labels, 0.5), labels, 0.5, **how)


def test_every_image_is_in_the_histogram_and_an_infinite_threshold_is_not():
    rng = np.random.default_rng(0)
    figure = histogram({"normal": rng.normal(0, 1, 50), "$abnormal_": rng.normal(2, 1, 30)}, [np.inf, 1.5])
    (ax,) = figure.axes
    assert sum(patch.get_height() for patch in ax.patches if hasattr(patch, "get_height")) == 80
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [1.5]
    figure.canvas.draw()  # a name is no mathematics


@pytest.mark.parametrize("scores", [np.ones(5), np.array([1e-3] * 20 + [10.0]), np.array([2.0])])
def test_odd_scores_are_drawn(scores):
    (ax,) = histogram({"images": scores}, []).axes
    assert sum(patch.get_height() for patch in ax.patches if hasattr(patch, "get_height")) == len(scores)
    assert (ax.get_xscale() == "log") == (scores.max() > 1000 * scores.min())


def test_a_few_huge_scores_beside_negative_ones_leave_the_others_apart():
    scores = np.append(np.linspace(-8, 8, 60), [900.0, 30000.0])
    (ax,) = histogram({"images": scores}, [0.0]).axes
    assert ax.get_xscale() == "asinh"
    heights = [patch.get_height() for patch in ax.patches if hasattr(patch, "get_height")]
    assert sum(heights) == len(scores)
    assert max(heights) < 20
    run = RunCurves(scores, np.repeat([0, 1], 31), 1.0)
    assert [panel.get_xscale() for panel in figures_of_runs([run]).axes] == ["asinh", "asinh", "linear"]


def test_runs_without_training_have_three_panels_and_f1_is_that_of_the_threshold():
    runs = [curves(0), curves(1)]
    figure = figures_of_runs(runs)
    assert len(figure.axes) == 3
    dots = [line for line in figure.axes[1].lines if line.get_marker() == "o" and len(line.get_xdata())]
    for run, dot in zip(runs, dots, strict=True):
        assert dot.get_ydata()[0] == decide(run.scores, run.labels, 0.5).f1


def test_losses_and_looks_are_drawn_with_the_step_that_was_taken():
    losses = {"loss": ([1, 2, 3], [3.0, 2.0, 1.0])}
    figure = figures_of_runs([curves(0, losses=losses, looks=[(10, 0.6), (20, 0.8)], chosen=20)])
    assert len(figure.axes) == 6
    (line,) = figure.axes[3].lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == losses["loss"]
    taken = [line for line in figure.axes[4].lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in taken] == [(20, 0.8)]
