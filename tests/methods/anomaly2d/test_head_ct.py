"""Numbers on 200 real head CT slices, 100 with haemorrhage. Skipped where the data is not."""

import numpy as np
import pytest

import sanum
from sanum.data.folds import make_folds
from sanum.data.pictures import PictureEntry, files_in, load_pictures
from sanum.methods.common.findings import Validation
from sanum.metrics.ranking import auc, decide
from sanum.scan.read_picture import PictureAt


@pytest.fixture(scope="module")
def head_ct(shared_data):
    """The set with its labels, and near-duplicates in one group."""
    folder = shared_data / "headct"
    rows = (folder / "labels.csv").read_text().split("\n")[1:]
    labels = dict(row.split(",") for row in rows if row)
    entries = [PictureEntry(PictureAt(p), p.stem, int(labels[str(int(p.stem))])) for p in files_in(folder)]
    return load_pictures(entries)


def test_near_duplicates_are_those_that_are_known(shared_data, head_ct):
    table = (shared_data / "headct" / "duplicates.tsv").read_text().split("\n")[1:]
    assert set(head_ct.duplicates) == {tuple(row.split("\t")[:2]) for row in table if row}
    assert len(set(head_ct.groups)) == 192


def test_mean_intensity(head_ct):
    normals = np.flatnonzero(head_ct.labels == 0)[:60]
    detector = sanum.load("intensity").fit([head_ct.sources[n] for n in normals])
    assert auc(detector.score(head_ct.sources), head_ct.labels) == pytest.approx(0.769, abs=5e-4)


def test_principal_components_over_ten_runs(head_ct):
    """Published indices; epoch and threshold by validation; the test set is scored once."""
    labels, sources, rows = head_ct.labels, head_ct.sources, []
    for fold in make_folds(labels):
        validation = Validation([sources[n] for n in fold.validation], labels[list(fold.validation)])
        detector = sanum.load("pca").fit([sources[n] for n in fold.train], validation=validation)
        scores, truth = detector.score([sources[n] for n in fold.test]), labels[list(fold.test)]
        told = decide(scores, truth, detector.threshold.value)
        rows.append((auc(scores, truth), told.f1, told.accuracy))
    mean, deviation = np.mean(rows, 0), np.std(rows, 0)
    assert mean == pytest.approx([0.810, 0.856, 0.781], abs=5e-4)
    assert deviation[0] == pytest.approx(0.065, abs=5e-4)
