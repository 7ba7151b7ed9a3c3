import numpy as np
import pytest

from sanum.evaluation import ORACLES, HealthyAnatomy, Oracle, find_cases, measure
from sanum.evaluation.tasks.anatomy.numbers import read_truth
from sanum.evaluation.tasks.anatomy.oracle import filled_by_mirror


@pytest.mark.full
def test_baselines_are_given_the_truth(bids, rows_of, tmp_path):
    cases = find_cases(bids, healthy=True)
    task = HealthyAnatomy(["keep-healthy"])
    done = measure(task, cases, {name: Oracle(name) for name in ORACLES}, tmp_path)
    rows = rows_of(tmp_path)
    assert done.failed == ()
    assert {case for case, _ in rows} == {"sub-1_desc-brain_T1w", "sub-1_desc-brain_T2w"}
    own, filled = (rows["sub-1_desc-brain_T1w", name] for name in ORACLES)
    assert float(own["l1_h"]) == pytest.approx(0, abs=1e-6)  # healthy tissue is the truth's
    assert float(own["brain_l1_d"]) > 0.1
    assert float(filled["brain_l1_d"]) < 0.5 * float(own["brain_l1_d"])
    assert not own["dice"]
    assert measure(task, cases, {"input": Oracle("input")}, tmp_path).measured == 0
    with pytest.raises(ValueError, match="known are input, mirror"):
        Oracle("mean")


def test_an_unknown_uncertainty_is_nan_inside_the_brain_alone(bids):
    case = find_cases(bids)[0]
    result = Oracle("input").reconstruct(case, read_truth(case))
    np.testing.assert_array_equal(np.isnan(result.uncertainty.voxels), np.asarray(result.brain.voxels, bool))


def test_the_lesion_is_filled_by_the_mirror_image():
    image, mirrored = np.zeros((2, 2, 2), np.float32), np.ones((2, 2, 2), np.float32)
    lesion = np.zeros((2, 2, 2), bool)
    lesion[0] = True
    np.testing.assert_array_equal(filled_by_mirror(image, mirrored, lesion), lesion)
