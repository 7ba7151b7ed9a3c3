import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from sanum.metrics.ranking import decide
from sanum.metrics.resampling import ScoredRun, draw_weights, intervals, weighted_numbers


@pytest.fixture
def drawn():
    """Scores with ties of 60 images, and twenty resamples."""
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 15, 60).astype(float), (rng.random(60) < 0.4).astype(int)
    return scores, labels, draw_weights(labels, range(60), resamples=20)


def test_weights_stand_for_repeated_images(drawn):
    """The slow way: repeat each image as often as it was drawn, and measure."""
    scores, labels, weights = drawn
    found = weighted_numbers(ScoredRun(np.arange(60), scores, 7.0), labels, weights)
    for r, row in enumerate(weights):
        places = np.repeat(np.arange(60), row.astype(int))
        slow = {
            "auc": roc_auc_score(labels[places], scores[places]),
            "average_precision": average_precision_score(labels[places], scores[places]),
            **decide(scores[places], labels[places], 7.0).as_dict(),
        }
        assert {name: values[r] for name, values in found.items()} == pytest.approx(slow)


def test_groups_are_drawn_whole_and_classes_keep_their_number():
    labels = np.r_[np.zeros(12, int), np.ones(8, int)]
    groups = [n // 2 for n in range(20)]
    weights = draw_weights(labels, groups, resamples=50, seed=3)
    assert (weights[:, ::2] == weights[:, 1::2]).all()
    assert (weights[:, labels == 0].sum(1) == 12).all()
    assert (weights[:, labels == 1].sum(1) == 8).all()
    assert np.array_equal(weights, draw_weights(labels, groups, resamples=50, seed=3))
    assert not np.array_equal(weights, draw_weights(labels, groups, resamples=50, seed=4))


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """AUC of two normal laws one apart is 0.760; 95 % intervals of 100 data sets hold it 85 to 100 times."""
    rng, held = np.random.default_rng(1), 0
    labels = np.r_[np.zeros(60, int), np.ones(60, int)]
    for seed in range(100):
        scores = rng.normal(labels.astype(float), 1)
        weights = draw_weights(labels, range(120), resamples=300, seed=seed)
        low, high = intervals([ScoredRun(np.arange(120), scores, 0.5)], labels, weights)["auc"]
        held += low <= 0.7602 <= high
    assert 85 <= held <= 100


def test_runs_of_some_images_each():
    labels = np.r_[np.zeros(10, int), np.ones(10, int)]
    scores = labels + np.linspace(0, 0.5, 20)
    parts = [np.r_[0:5, 10:15], np.r_[5:10, 15:20]]
    runs = [ScoredRun(part, scores[part], 0.9) for part in parts]
    found = intervals(runs, labels, draw_weights(labels, range(20), resamples=100))
    assert found["auc"] == (1, 1)
    assert found["f1"] == (1, 1)
