"""Expected errors that keep what they say."""

import math

import pytest

from sanum.healthy.calibration import (
    FARTHEST,
    KEY,
    Calibration,
    calibration_from,
    calibration_of,
    to_header,
)
from sanum.weights.file import WeightsError

SOME = Calibration({"unknown": 2.0, "T1w": 1.5}, {"unknown": 0.1, "T1w": 0.05}, slope=0.5)


def test_it_is_read_as_it_was_written():
    assert calibration_from(to_header(SOME)) == SOME


def test_errors_grow_with_the_scatter_within_limits():
    usual = SOME.times("T1w", 0.05)
    assert usual == pytest.approx(1.5)
    assert SOME.times("T1w", 0.10) == pytest.approx(1.5 * math.sqrt(2))
    assert SOME.times("T1w", 5.0) == SOME.times("T1w", math.nan) == pytest.approx(1.5 * math.sqrt(FARTHEST))
    assert SOME.times("T1w", 0.0) == pytest.approx(1.5 / math.sqrt(FARTHEST))


def test_what_has_no_factor_has_that_of_the_unknown():
    assert SOME.times("T2starw", 0.1) == SOME.times(None, 0.1) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "expected a table of factor, slope, usual"),
        ({**to_header(SOME), "more": 1}, "expected a table"),
        ({**to_header(SOME), "factor": {"T1w": 1.0}}, 'factor is no table with "unknown" in it'),
        ({**to_header(SOME), "factor": {"unknown": 1.0}}, "factor and usual are not of the same contrasts"),
        ({**to_header(SOME), "usual": {"unknown": 0.1, "X": 0.1}}, "usual has 'X', which is no contrast"),
        ({**to_header(SOME), "usual": {"unknown": 0.0, "T1w": 0.1}}, "usual of unknown is 0.0"),
        ({**to_header(SOME), "slope": math.nan}, "slope is nan"),
        ({**to_header(SOME), "slope": True}, "slope is True"),
    ],
)
def test_what_is_no_calibration_is_refused(said, why):
    with pytest.raises(ValueError, match=why.replace("[", "\\[")):
        calibration_from(said)


def test_a_method_that_knows_of_none_has_none(phantom_predictor):
    assert calibration_of(phantom_predictor) is None


def test_a_broken_one_is_one_sentence(phantom_predictor, monkeypatch):
    monkeypatch.setattr(phantom_predictor, KEY, {"factor": 1}, raising=False)
    with pytest.raises(WeightsError, match="has a calibration that cannot be used"):
        calibration_of(phantom_predictor)
