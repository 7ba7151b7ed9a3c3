"""Other maps that look for the anomaly, as rows of the tables; results that are kept."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from sanum.evaluation import HealthyAnatomy, find_cases, measure
from sanum.evaluation.store import cases_of
from sanum.evaluation.tasks.anatomy.detection import THRESHOLDS, of_healthy, of_score, volume_curve
from sanum.evaluation.tasks.anatomy.kept import kept_path, result_of
from sanum.evaluation.tasks.anatomy.scores import SCORES, intensity
from sanum.healthy.reconstruction import reconstruct
from sanum.healthy.result import Reconstruction
from sanum.scan import Scan


class Said(NamedTuple):
    """What each witness says."""

    network: Scan
    residual: Scan


@pytest.fixture(scope="module")
def result(bids, counting):
    return reconstruct(find_cases(bids)[0].scan, predictor=counting())


def made(values, contrast):
    """A result whose brain has these intensities, in a row."""
    x = np.zeros((len(values) + 2, 1, 1), np.float32)
    x[1:-1, 0, 0] = values
    scan = Scan(x, np.eye(4), contrast)
    nothing = scan.with_voxels(np.zeros(x.shape, np.uint8))
    brain = np.zeros(x.shape, np.uint8)
    brain[1:-1] = 1
    return Reconstruction(
        scan, anatomy=scan, anomaly=nothing, anomaly_mask=nothing, uncertainty=nothing,
        brain=scan.with_voxels(brain), contrast=contrast,
    )  # fmt: skip


def test_intensity_is_the_share_that_is_less_extreme():
    values = np.arange(1000.0)
    score = intensity(made(values, "FLAIR"))[1:-1, 0, 0]
    assert score[0] == 0
    assert score[900] == pytest.approx(0.25)  # the top tenth begins here
    assert score[990] == pytest.approx(0.5)
    assert (np.diff(score) > 0).all()
    np.testing.assert_allclose(intensity(made(np.exp(values / 99), "FLAIR"))[1:-1, 0, 0], score)


def test_intensity_looks_for_dark_lesions_in_a_t1w():
    values = np.arange(1000.0)
    bright = intensity(made(values, "T2w"))
    np.testing.assert_allclose(intensity(made(values, "T1w"))[1:-1], bright[1:-1][::-1])
    assert not intensity(made(values, "CT"))[[0, -1]].any()  # outside the brain


def test_scores_of_a_brain_that_is_empty(result):
    empty = replace(result, brain=result.brain.with_voxels(np.zeros_like(result.brain.voxels)))
    assert not SCORES["intensity"](empty).any()
    assert not SCORES["difference"](empty).any()


def test_the_volumes_above_each_threshold():
    p = np.array([0.0, 0.005, 0.3, 0.5, 0.95, 1.0], np.float32)
    curve = dict(zip(THRESHOLDS.round(2), volume_curve(p, 0.5), strict=True))
    assert curve[0.01] == 2.0
    assert curve[0.3] == curve[0.49] == 1.5  # above, not at
    assert curve[0.5] == 1.0
    assert curve[0.99] == 0.5


def test_numbers_of_a_score_by_hand():
    p = np.array([0.9, 0.6, 0.6, 0.2, 0.0], np.float32)
    truth = np.array([1, 0, 1, 1, 0], bool)
    found = of_score(p, truth, np.ones(5, bool), 1.0)
    curve = [float(x) for x in found["dice_curve"].split()]
    assert curve[10] == pytest.approx(6 / 7, abs=1e-3)  # above 0.11: 4 called, 3 right
    assert curve[70] == pytest.approx(2 / 4)
    assert found["dice_oracle"] == pytest.approx(6 / 7)
    assert "dice" not in found  # it is no probability
    well = of_healthy(p, p > 0.5, np.ones(5, bool), 2.0)
    assert (well["healthy_ml"], well["anomalous_percent"]) == (6, 60)
    assert well["volume_curve"].split()[49] == "6"


@pytest.mark.full
def test_a_score_is_a_row_of_its_own(bids, counting, rows_of, tmp_path):
    task = HealthyAnatomy(scores=[name for name in SCORES if name != "population"])  # it takes long
    cases, method = find_cases(bids, healthy=True), counting()
    measure(task, cases, {"una": method}, tmp_path)
    rows = rows_of(tmp_path)
    sick = rows["sub-1_desc-brain_T1w", "una, intensity"], rows["sub-1_desc-brain_T1w", "una"]
    assert float(sick[1]["dice_oracle"]) >= float(sick[1]["dice"]) > 0.7
    assert not sick[0]["dice"]
    assert not sick[0]["brain_psnr_f"]
    # the phantom's lesion is its brightest part: what looks for dark ones in a T1w cannot find it
    assert float(sick[0]["average_precision"]) < 0.5 < float(sick[1]["average_precision"])
    bright = rows["sub-1_desc-brain_T2w", "una, intensity"]
    assert float(bright["average_precision"]) > 0.9
    healthy = rows["sub-2_T1w", "una, intensity"]
    assert len(healthy["volume_curve"].split()) == THRESHOLDS.size
    assert not healthy["healthy_ml"]  # without a threshold nothing is called
    assert method.passes == 3
    with pytest.raises(ValueError, match='no score is named "brightness"'):
        HealthyAnatomy(scores=["brightness"])


def test_results_are_kept_by_scan_and_weights(bids, counting, tmp_path):
    case, method = find_cases(bids)[0], counting()
    first = result_of(case, method, tmp_path)
    again = result_of(case, method, tmp_path)
    assert method.passes == 1
    for name in (*first.images, "scan", "network", "residual"):
        one, other = getattr(first, name), getattr(again, name)
        np.testing.assert_array_equal(other.voxels, one.voxels)
        np.testing.assert_array_equal(other.affine, one.affine)
    assert np.asarray(first.residual.voxels).any()
    assert again.decided == first.decided
    assert again.warnings == first.warnings
    assert again.provenance == first.provenance
    other = counting("1")
    assert kept_path(tmp_path, case, other) != kept_path(tmp_path, case, method)
    result_of(case, other, tmp_path)
    assert other.passes == 1


@pytest.mark.full
def test_numbers_of_kept_results_are_the_same(bids, counting, tmp_path):
    cases, method = find_cases(bids, healthy=True), counting()
    task = HealthyAnatomy(scores=("intensity",), kept=tmp_path / "maps")
    for out in ("one", "other"):
        measure(task, cases, {"una": method}, tmp_path / out)
    assert method.passes == 3
    one, other = (cases_of(task, tmp_path / out).rows for out in ("one", "other"))
    assert one == other


def test_the_witnesses_alone(result):
    """The residual speaks in the direction of lesions, in a T1w of what is dark."""
    z = np.zeros(result.brain.voxels.shape, np.float32)
    z[30, 30, 30], z[30, 30, 31], z[30, 30, 32] = -6, 6, -60
    said = replace(
        result,
        contrast="T1w",
        witnesses=Said(result.anomaly.with_voxels(z / 100), result.anomaly.with_voxels(z)),
    )
    np.testing.assert_allclose(SCORES["residual"](said)[30, 30, 29:33], [0, 0.5, 0, 1])
    np.testing.assert_allclose(
        SCORES["residual"](replace(said, contrast="FLAIR"))[30, 30, 30:33], [0, 0.5, 0]
    )
    np.testing.assert_array_equal(SCORES["network"](said), z / 100)
    np.testing.assert_array_equal(SCORES["network"](replace(said, witnesses=None)), said.anomaly.voxels)
