"""A method that knows the phantom, two people as a BIDS data set, and a folder of numbers of them."""

import csv

import numpy as np
import pytest

from sanum.evaluation import HealthyAnatomy, find_cases, measure, write_results
from sanum.evaluation.store import cases_of
from sanum.methods.common.anatomy import Maps
from sanum.scan import write
from sanum.space.box import Box

TASK = HealthyAnatomy(["keep-healthy"])


class Counting:
    """Brain where it is bright, anomaly where it is very bright; counts its full passes."""

    weights_name, device = "none", "cpu"
    box = Box((40, 48, 40), 4.0)

    def __init__(self, weights="0"):
        self.weights_sha256, self.passes = weights * 64, 0

    def __call__(self, pair, *, covered=None, quick=False, contrast="unknown"):
        self.passes += not quick
        image = pair[0]
        brain, anomaly = np.clip((image - 0.1) / 0.1, 0, 1), np.clip((image - 1.1) / 0.2, 0, 1)
        return Maps(np.minimum(image, 1), anomaly, brain, np.full_like(image, 0.05))


@pytest.fixture(scope="session")
def counting():
    return Counting


@pytest.fixture(scope="session")
def bids(phantom, tmp_path_factory):
    """Two people: one with a lesion, a known truth, T1w and T2w aligned; one of whom nothing is known."""
    root = tmp_path_factory.mktemp("bids") / "people"
    voxels = np.asarray(phantom.voxels)
    anat, derived = root / "sub-1" / "anat", root / "derivatives" / "masks" / "sub-1" / "anat"
    for path, x in (
        (anat / "sub-1_desc-brain_T1w", voxels),
        (anat / "sub-1_desc-brain_T2w", 500 * voxels),
        (anat / "sub-1_desc-lesion_mask", (voxels > 1.2).astype(np.uint8)),
        (derived / "sub-1_desc-brain_mask", (voxels > 0).astype(np.uint8)),
        (derived / "sub-1_desc-healthy_T1w", np.minimum(voxels, 1)),
        (root / "sub-2" / "anat" / "sub-2_T1w", np.minimum(voxels, 1)),
    ):
        write(phantom.with_voxels(x), path.with_name(f"{path.name}.nii.gz"))
    return root


@pytest.fixture(scope="session")
def measured(bids, tmp_path_factory):
    """Folder of a run that was interrupted after its first case and then went on; its method."""
    folder, method = tmp_path_factory.mktemp("measured"), Counting()
    cases = find_cases(bids, healthy=True)

    def stop(done, count, what):
        assert (done, count, what) == (1, 3, "people/sub-1_desc-brain_T1w, una")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(TASK, cases, {"una": method}, folder, on_case=stop)
    assert len(cases_of(TASK, folder).rows) == 2  # with its composition
    assert method.passes == 1
    calls = []
    done = measure(TASK, cases, {"una": method}, folder, on_case=lambda *x: calls.append(x[:2]))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert done.failed == ()
    write_results(TASK, folder, "una")
    return folder, method


@pytest.fixture(scope="session")
def rows_of():
    """Rows of `cases.csv` in a folder, by case and method."""

    def read(folder):
        with (folder / "cases.csv").open(newline="") as file:
            return {(r["case"], r["method"]): r for r in csv.DictReader(file)}

    return read
