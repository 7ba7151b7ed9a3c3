"""Translations measured: what counts as the body, what baselines may know, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from sanum.data.pairs import PairFiles
from sanum.evaluation.task import CaseRow
from sanum.evaluation.tasks.translation import (
    ContrastTranslation,
    Measuring,
    PairCase,
    ThresholdFinder,
    TrainedFinder,
    find_pair_cases,
    first_look,
)
from sanum.evaluation.tasks.translation.baselines import LevelTally, TableBaseline
from sanum.evaluation.tasks.translation.numbers import body_of, numbers_of, slice_axis
from sanum.scan import Scan, ScanError, write

HOW = Measuring("T1w", "FLAIR", finder=ThresholdFinder(300, "below"))


def scan_of(voxels, spacing=(2, 2, 5)):
    return Scan(np.asarray(voxels, np.float32), np.diag([*spacing, 1.0]))


def made(seed):
    """A head with a dark ventricle, and its FLAIR: a function of the intensity."""
    place = (np.indices((24, 26, 6)).T - [12, 13, 3]).T
    head = (place[0] / 10) ** 2 + (place[1] / 11) ** 2 < 1
    ventricle = np.abs(place[:2]).max(0) < 3
    t1w = np.where(ventricle, 20, np.random.default_rng(seed).uniform(300, 900, head.shape)) * head
    return t1w, np.where(head, 1000 - t1w, 0)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Three people; of a fourth the FLAIR is on another grid."""
    root = tmp_path_factory.mktemp("data") / "people"
    for n in range(4):
        for contrast, voxels in zip(("T1w", "FLAIR"), made(n), strict=True):
            cut = voxels[:, :, : 5 if (n, contrast) == (3, "FLAIR") else None]
            write(scan_of(cut), root / f"sub-{n}" / "anat" / f"sub-{n}_{contrast}.nii.gz")
    return root


def test_the_body_encloses_what_is_dark_in_it():
    t1w, _ = made(0)
    head, place = t1w > 0, (12, 13)
    body = body_of(scan_of(t1w), "T1w")
    assert (body == head).all()
    assert body[(*place, 0)]  # a ventricle that is open at the ends of the stack, and closed in a slice
    turned = body_of(scan_of(t1w.transpose(2, 0, 1), (5, 2, 2)), "T1w")
    assert (turned == head.transpose(2, 0, 1)).all()
    assert slice_axis(scan_of(t1w, (1, 1, 1))) == 2


def test_a_perfect_translation_and_one_without_dark_parts():
    source, truth = map(scan_of, made(0))
    truth = truth.with_voxels(np.where(np.asarray(source.voxels) == 20, 100, truth.voxels))
    right = numbers_of(truth, source, truth, HOW)
    assert right["ssim"] == pytest.approx(1)
    assert (right["mae"], right["dice"]) == (0, 1)
    assert "psnr" not in right  # infinite
    flat = truth.with_voxels(np.full(truth.voxels.shape, 600, np.float32))
    assert numbers_of(flat, source, truth, HOW)["dice"] == 0
    none = numbers_of(flat, source, truth, replace(HOW, finder=None))
    assert set(none) == {"psnr", "ssim", "mae"}
    wide = numbers_of(flat, source, truth, replace(HOW, data_range=10_000.0))
    narrow = numbers_of(flat, source, truth, replace(HOW, data_range=1000.0))
    assert wide["psnr"] == pytest.approx(narrow["psnr"] + 20)


def test_the_table_of_intensities_learns_a_function_of_intensity():
    (t1w, flair), (other, _) = made(0), made(1)
    tally = LevelTally.of(scan_of(t1w), scan_of(flair), "T1w")
    head = other > 100
    assert np.abs(tally.by_table(scan_of(other), "T1w") - (1000 - other))[head].max() < 20
    mean = tally.mean_target(scan_of(other), "T1w")
    assert mean[head] == pytest.approx(flair[t1w > 100].mean(), abs=1e-3)
    assert mean[0, 0, 0] == flair.min()
    both = tally + tally
    np.testing.assert_allclose(both.by_table(scan_of(other), "T1w"), tally.by_table(scan_of(other), "T1w"))
    assert both.mean_target(scan_of(other), "T1w") == pytest.approx(mean)


def test_the_table_tells_tissues_of_a_ct_apart():
    ct = np.where(made(0)[0] > 600, 38, 28) * (made(0)[0] > 0) - 1000.0 * (made(0)[0] == 0)
    t1w = np.select([ct == 38, ct == 28], [300, 900], 0)
    tally = LevelTally.of(scan_of(ct), scan_of(t1w), "CT")
    assert tally.by_table(scan_of(ct), "CT") == pytest.approx(t1w, abs=1e-2)


def test_baselines_do_not_learn_from_the_person_that_is_measured():
    tallies = {str(n): LevelTally.of(*map(scan_of, made(n)), "T1w") for n in range(2)}
    tallies["1"] = replace(tallies["1"], sums=tallies["1"].sums + 5e6)
    source, table = scan_of(made(2)[0]), "intensity table"
    apart = TableBaseline(table, tallies, apart=True)
    bright, usual = (np.asarray(apart.translated(source, "T1w", n).voxels).mean() for n in ("0", "1"))
    assert bright > usual + 1000
    together = TableBaseline(table, tallies, apart=False)
    assert usual < np.asarray(together.translated(source, "T1w", "0").voxels).mean() < bright
    assert apart.weights_sha256 != together.weights_sha256
    with pytest.raises(ScanError, match="nobody to learn from but 0 itself"):
        TableBaseline(table, {"0": tallies["0"]}, apart=True).translated(source, "T1w", "0")


def test_pairs_are_looked_at_before_they_are_measured(pairs, tmp_path):
    cases, lone = find_pair_cases(pairs, HOW)
    assert ([case.subject for case in cases], lone) == (["0", "1", "2", "3"], 0)
    assert {case.contrast for case in cases} == {"T1w to FLAIR, below 300"}
    calls = []
    look = first_look(cases, on_case=lambda n, of: calls.append((n, of)))
    assert calls[-1] == (4, 4)
    table = look.baselines["intensity table"]
    assert set(table.tallies) == {"0", "1", "2"}  # the fourth cannot be read
    trial = ContrastTranslation(look.largest).measure(cases[0], table, [""], with_example=True)
    assert trial.numbers[""]["dice"] > 0.9
    assert trial.example["truth"].shape == (26, 24)
    told = first_look(cases[:1], cases[1:3]).baselines["mean target"]
    assert (set(told.tallies), told.apart) == ({"1", "2"}, False)
    assert first_look(cases[:1]).baselines == {}
    again = replace(cases[1], files=replace(cases[1].files, group=cases[0].subject))
    (warning,) = first_look(cases[:1], [again]).warnings
    assert warning.startswith("measured, and by name among the people of --train: 0; if they are")
    with pytest.raises(ScanError, match=r"register the pair first \(sanum register sub-3_FLAIR"):
        first_look(cases[3:])
    with pytest.raises(ValueError, match="sub-0_T1w is measured, and among the pairs of --train"):
        first_look(cases[:2], cases[:1])
    nothing = [replace(one, how=replace(HOW, finder=ThresholdFinder(5000))) for one in cases]
    with pytest.raises(ValueError, match="nothing in any target is above 5000: in the body they go from"):
        first_look(nothing)


def test_another_choice_is_another_digest(pairs):
    case = find_pair_cases(pairs, HOW)[0][0]
    others = [
        replace(HOW, finder=ThresholdFinder(300.5, "below")),
        replace(HOW, finder=ThresholdFinder(300)),
        replace(HOW, seed=2),
        replace(HOW, data_range=1000.0),
    ]
    found = {replace(case, how=how).digest() for how in (HOW, *others)}
    assert len(found) == 5


def test_tables_without_pairs_or_names(pairs, tmp_path):
    table, anat = tmp_path / "t.csv", [pairs / f"sub-{n}" / "anat" / f"sub-{n}" for n in range(2)]
    table.write_text(f"source,target\n{anat[0]}_T1w.nii.gz,\n")
    with pytest.raises(ScanError, match=r"t.csv has no pair"):
        find_pair_cases(table, HOW)
    rows = [f"{one}_T1w.nii.gz,{one}_FLAIR.nii.gz,same" for one in anat]
    table.write_text("\n".join(["source,target,name", *rows]))
    with pytest.raises(ScanError, match=r"2 pairs of t.csv are called same: give each a name"):
        find_pair_cases(table, HOW)
    swapped = PairFiles("x", "x", *(anat[0].parent / f"sub-0_{c}.nii.gz" for c in ("FLAIR", "T1w")))
    with pytest.raises(ScanError, match=r"is FLAIR, and the models translate T1w to FLAIR: choose models"):
        PairCase("t", swapped, HOW).read()


def test_a_segmenter_finds_labels_of_both():
    class Halves:
        """Labels 1 and 2 by intensity; all of it is a stand-in for a fit of a minute."""

        weights_name, weights_sha256 = "halves.safetensors", "a" * 64

        def segment(self, scan):
            self.voxels = np.asarray(scan.voxels)
            return self

        def on(self, grid):
            return np.digitize(self.voxels, [300, 600]).astype(np.uint8), None

    source, truth = map(scan_of, made(0))
    how = replace(HOW, finder=TrainedFinder(Halves()))
    assert how.shown == "T1w to FLAIR, halves"
    assert numbers_of(truth, source, truth, how)["dice"] == 1
    shifted = truth.with_voxels(np.asarray(truth.voxels) + 50)
    assert 0.3 < numbers_of(shifted, source, truth, how)["dice"] < 0.95


def test_decimals_follow_the_range():
    rows: list[CaseRow] = []
    assert [ContrastTranslation(x).digits("mae") for x in (1.0, 160.0, 1000.0, 4000.0)] == [4, 2, 1, 1]
    assert ContrastTranslation().more(rows) == ()
