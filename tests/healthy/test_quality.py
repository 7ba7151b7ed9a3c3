"""One number for how far a result can be trusted."""

import math

import numpy as np
import pytest

from sanum.healthy import rule
from sanum.healthy.calibration import Calibration, to_header
from sanum.healthy.quality import (
    AGREEING,
    CONTRADICTING,
    LOW,
    STRANGE,
    UNTOLD,
    USUAL,
    WELL_POSED,
    quality_of,
)
from sanum.healthy.reconstruction import reconstruct
from sanum.methods.common.anatomy import Maps, Posture
from sanum.scan.contrast import Decided

from .rules import RULE

SOME = Calibration({"unknown": 1.0}, {"unknown": 0.1}, slope=0.5)
NOTHING = np.zeros((1, 1, 1), np.float32)


def maps_with(fit=None, disagreement=None):
    posture = None if fit is None else Posture(np.eye(4), fit)
    return Maps(NOTHING, NOTHING, NOTHING, NOTHING, posture=posture, disagreement=disagreement)


WELL, T1W = maps_with(0.6, AGREEING), Decided("T1w", "user")


def test_a_scan_as_the_model_knows_them():
    quality = quality_of(WELL, T1W, 0.1, SOME)
    assert quality.value == 1
    assert quality.warnings == ()


def test_it_falls_with_either_and_the_worse_one_counts():
    scattered = quality_of(WELL, T1W, 0.1 * (USUAL + STRANGE) / 2, SOME)
    assert scattered.value == pytest.approx(0.5)
    badly = quality_of(maps_with(0.12), T1W, 0.1 * (USUAL + STRANGE) / 2, SOME)
    assert badly.value < scattered.value
    assert badly.warnings == (
        f"the quality of the result is low ({badly.value:.2f} of 1): the average brain hardly fits the scan",
    )


def test_where_the_pose_is_good_enough_more_is_no_better():
    assert quality_of(maps_with(WELL_POSED), T1W, 0.1, SOME).value == pytest.approx(1)


def test_two_passes_that_differ_are_worth_little():
    middle = quality_of(maps_with(0.6, (AGREEING + CONTRADICTING) / 2), T1W, 0.1, SOME)
    assert middle.value == pytest.approx(0.5)
    apart = quality_of(maps_with(0.6, CONTRADICTING), T1W, 0.1, SOME)
    assert apart.value == 0
    assert "its left-right flip gives another anatomy" in apart.warnings[0]


def test_an_unknown_contrast_costs_some():
    assert quality_of(WELL, Decided(), 0.1, SOME).value == pytest.approx(UNTOLD)
    assert quality_of(WELL, Decided("T2starw", "file name"), 0.1, SOME).value == pytest.approx(UNTOLD)


def test_a_scan_whose_fit_fails_is_worth_nothing():
    quality = quality_of(WELL, T1W, math.nan, SOME)
    assert quality.value == 0 < LOW
    assert "its intensities are not those that its anatomy would give" in quality.warnings[0]


def test_what_was_not_looked_at_says_nothing():
    assert quality_of(WELL, T1W, None, SOME).value == quality_of(WELL, T1W, 9.0, None).value == 1
    nothing = quality_of(maps_with(), T1W, None, None)
    assert math.isnan(nothing.value)
    assert nothing.warnings == ()


@pytest.mark.usefixtures("rough_mirror", "no_pictures")
class TestMainJob:
    def test_errors_are_calibrated_where_the_second_witness_is_heard(self, phantom, phantom_predictor):
        before = reconstruct(phantom, predictor=phantom_predictor)
        phantom_predictor.calibration = to_header(SOME)
        alone = reconstruct(phantom, predictor=phantom_predictor)
        np.testing.assert_array_equal(alone.uncertainty.voxels, before.uncertainty.voxels)
        phantom_predictor.witnesses = rule.to_header(RULE)
        after = reconstruct(phantom, predictor=phantom_predictor)
        times = SOME.times(after.contrast, after.witnesses.heard.residual.scatter)
        np.testing.assert_allclose(after.uncertainty.voxels, before.uncertainty.voxels * times, rtol=1e-5)
        assert after.numbers["quality"] == after.quality.value
        assert after.quality.own_contrast is not None

    def test_a_low_quality_is_a_warning_and_is_in_the_report(self, phantom, phantom_predictor):
        phantom_predictor.witnesses = rule.to_header(RULE)
        phantom_predictor.calibration = to_header(Calibration({"unknown": 1.0}, {"unknown": 1e-3}, 0.5))
        noise = np.random.default_rng(0).normal(1, 0.1, phantom.voxels.shape)
        noisy = phantom.with_voxels((phantom.voxels * noise).astype(np.float32))
        result = reconstruct(noisy, predictor=phantom_predictor)
        assert result.quality.value < LOW
        assert any("the quality of the result is low" in w for w in result.warnings)
        assert "Quality of the result" in result.report()
