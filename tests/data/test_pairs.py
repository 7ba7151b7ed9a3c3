"""Pairs of a data set and of a table; one grid, or landmarks, or a sentence."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from sanum.data.pairs import (
    LandmarkUse,
    PairFiles,
    contrasts_of,
    find_pairs,
    read_pair,
    register_by_landmarks,
)
from sanum.scan import Scan, ScanError, write
from sanum.space.grid import apply_affine

SHAPE = (24, 28, 20)
VERTEBRAE = {"L1": (12, 14, 4), "L2": (12, 14, 10), "L3": (12, 14, 16)}


def blob(shape=SHAPE, affine=None):
    x = np.random.default_rng(0).random(shape).astype(np.float32)
    x[: shape[0] // 2] += 3
    return Scan(1000 * x, np.diag([2.0, 2, 3, 1]) if affine is None else affine)


def markups(path, points):
    rows = [
        {"id": str(n), "label": label, "position": (-np.array([1, 1, -1]) * place).tolist()}
        for n, (label, place) in enumerate(points)
    ]
    path.write_text(json.dumps({"markups": [{"coordinateSystem": "LPS", "controlPoints": rows}]}))
    return path


def landmarks_of(scan, shift, count):
    """One or two points a vertebra, in mm, of a scan whose content is shifted."""
    for name, at in VERTEBRAE.items():
        for k in range(count):
            yield f"{name}-{k + 1}", apply_affine(scan.affine, np.subtract(at, (0, 8 * k, 0))) + shift


def test_pairs_of_a_data_set(tmp_path):
    names = (
        "sub-1_desc-translated_FLAIR",
        "sub-1_T1w",
        "sub-1_FLAIR",
        "sub-2_acq-a_T1w",
        "sub-2_acq-b_FLAIR",
        "sub-3_T1w",
    )
    for name in names:
        place = tmp_path / name.partition("_")[0] / "anat" / f"{name}.nii.gz"
        write(blob(), place)
    files = find_pairs(tmp_path, "T1w", "FLAIR")
    assert files == find_pairs(tmp_path, "t1w", "flair")
    assert [(f.name, f.group, f.source is not None, f.target is not None) for f in files] == [
        ("sub-1_T1w", "1", True, True),
        ("sub-2_acq-a_T1w", "2", True, True),
        ("sub-3_T1w", "3", True, False),
    ]
    pairs = [read_pair(one) for one in files]
    assert [p.is_whole for p in pairs] == [True, True, False]
    assert contrasts_of(pairs) == ("T1w", "FLAIR")
    assert contrasts_of(pairs, "t1", "other") == ("T1w", "other")
    with pytest.raises(ScanError, match="name both, such as --source T1w --target FLAIR"):
        find_pairs(tmp_path)
    with pytest.raises(ScanError, match="holds no scan whose name ends in _PD or _ADC"):
        find_pairs(tmp_path, "PD", "ADC")
    with pytest.raises(ScanError, match="is not there"):
        find_pairs(tmp_path / "none", "PD", "ADC")


def test_pairs_on_different_grids_are_refused_and_registration_is_offered(tmp_path):
    write(blob(), tmp_path / "a_T1w.nii.gz")
    write(blob((24, 28, 22)), tmp_path / "a_FLAIR.nii.gz")
    (tmp_path / "pairs.csv").write_text("source,target\na_T1w.nii.gz,a_FLAIR.nii.gz\n")
    (files,) = find_pairs(tmp_path / "pairs.csv")
    with pytest.raises(
        ScanError, match=r"not on the grid of .*: register the pair first \(sanum register a_FLAIR"
    ) as told:
        read_pair(files)
    assert "give landmarks" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("piecewise", [False, True])
def test_landmarks_lay_the_source_onto_the_target(tmp_path, piecewise):
    shift = np.array([4.0, -2, 3])
    source, target = blob(), blob()
    source = Scan(source.voxels, source.affine + np.outer([*shift, 0], [0, 0, 0, 1]))
    write(source, tmp_path / "a_T1w.nii.gz")
    write(target, tmp_path / "a_FLAIR.nii.gz")
    tables = [
        markups(tmp_path / f"{n}.mrk.json", landmarks_of(target, by, 2))
        for n, by in enumerate((shift, 0 * shift))
    ]
    row = f"a_T1w.nii.gz,a_FLAIR.nii.gz,{tables[0].name};{tables[1].name}\n"
    (tmp_path / "pairs.csv").write_text("source,target,landmarks\n" + row)
    (files,) = find_pairs(tmp_path / "pairs.csv")
    pair = read_pair(files, use=LandmarkUse(piecewise=piecewise))
    assert pair.residual_mm < 1e-3
    assert pair.turn_sd_deg < 1e-2
    inside = (slice(3, -3),) * 3
    np.testing.assert_allclose(pair.source.voxels[inside], target.voxels[inside], atol=2)
    assert pair.source.contrast == "T1w"
    with pytest.raises(ScanError, match=r"0.mrk.json.*(lie on a line .* add a second point|three or more)"):
        read_pair(files, use=LandmarkUse(1, piecewise))
    markups(tables[0], list(landmarks_of(target, shift, 2))[:2])
    with pytest.raises(ScanError, match="2 landmarks are in both scans: a rigid map needs three or more"):
        read_pair(files)


@pytest.mark.parametrize("piecewise", [False, True])
def test_a_source_whose_axes_are_not_at_right_angles_is_laid_where_its_affine_says(tmp_path, piecewise):
    """As a plane of intensities, which any interpolation gives exactly."""
    target = Scan(np.zeros((6, 6, 6)), np.diag([2.0, 2, 3, 1]))
    sheared = np.array([[2.0, 0.8, 0, -26], [0, 2, 0.9, -24], [0, 0, 3, -15], [0, 0, 0, 1]])
    places = apply_affine(sheared, np.moveaxis(np.indices((24, 24, 16)), 0, -1))
    source = Scan((places @ [1, 2, 3]).astype(np.float32), sheared)
    table = markups(tmp_path / "a.mrk.json", landmarks_of(target, 0, 2))
    laid, residual, _ = register_by_landmarks(source, target, (table, table), LandmarkUse(2, piecewise))
    assert residual < 1e-6
    truth = apply_affine(target.affine, np.moveaxis(np.indices((6, 6, 6)), 0, -1)) @ [1, 2, 3]
    np.testing.assert_allclose(laid.voxels, truth, atol=0.05)


@pytest.mark.parametrize("piecewise", [False, True])
def test_what_a_laid_source_does_not_show_is_background_of_both(tmp_path, piecewise):
    target = blob()
    write(Scan(target.voxels[:18], target.affine), tmp_path / "a_T1w.nii.gz")
    write(target, tmp_path / "a_FLAIR.nii.gz")
    table = markups(tmp_path / "a.mrk.json", landmarks_of(target, 0, 2))
    files = PairFiles("a", "a", tmp_path / "a_T1w.nii.gz", tmp_path / "a_FLAIR.nii.gz", (table, table))
    pair = read_pair(files, use=LandmarkUse(piecewise=piecewise))
    for scan in (pair.source, pair.target):
        assert (scan.voxels[18:] == scan.voxels.min()).all()
        assert scan.voxels[2:17, 2:-2, 2:-2].std() > 500
    far = markups(tmp_path / "b.mrk.json", landmarks_of(target, 900, 2))
    with pytest.raises(ScanError, match="nothing of both overlaps"):
        read_pair(replace(files, landmarks=(far, table)))


def test_a_map_of_each_vertebra_takes_little_memory(tmp_path):
    scan = blob((40, 40, 40))
    tables = (markups(tmp_path / "a.mrk.json", landmarks_of(scan, 0, 2)),) * 2
    tracemalloc.start()
    register_by_landmarks(scan, scan, tables, LandmarkUse(piecewise=True))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 40 * scan.voxels.size


def test_what_is_no_table_of_pairs(tmp_path):
    table = tmp_path / "pairs.csv"
    for text, about in (
        ("a,b\n1,2\n", "expected the columns source and target"),
        ("source,target\n,\n", "line 2 of pairs.csv names no scan"),
        ("source,target,landmarks\na,b,c\n", "names 1 files of landmarks: expected those of the source and"),
    ):
        table.write_text(text)
        with pytest.raises(ScanError, match=about):
            find_pairs(table)
    table.write_text("source,target\n,x.nii.gz\n")
    with pytest.raises(ScanError, match="--source"):
        contrasts_of([], "", "CT")
