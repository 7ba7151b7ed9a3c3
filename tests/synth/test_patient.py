"""Patients in training, on a made-up one: the phantom head, stripped, with a lesion."""

import nibabel as nib
import numpy as np
import pytest
import torch

from sanum.space.box import Box
from sanum.space.grid import apply_affine
from sanum.synth.patient import apply_patient, draw_patient, patients_in, prepare_patient
from sanum.synth.sampling import SamplingConfig
from sanum.synth.stream import Stream, TrainingSet

BOX = Box((40, 48, 40), 4.0).grid()
LESION_MM = (34.0, 0.0, 20.0)


def save(path, voxels, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(voxels.astype(np.float32), affine).to_filename(path)
    return path


@pytest.fixture(scope="module")
def root(anatomy, tmp_path_factory):
    """One patient with two images and a mask, one without a mask, one without a stripped T1w."""
    root, affine = tmp_path_factory.mktemp("patients"), anatomy.grid.affine
    where = apply_affine(affine, np.moveaxis(np.indices(anatomy.grid.shape), 0, -1))
    lesion = (((where - LESION_MM) / 12) ** 2).sum(-1) < 1
    t1w = 800 * np.where(lesion, 0.5, anatomy.t1w) * anatomy.brain
    flair = 500 * np.where(lesion, 1.5, 1.2 - 0.4 * anatomy.t1w) * anatomy.brain
    anat = root / "sub-a" / "anat"
    save(anat / "sub-a_desc-brain_T1w.nii.gz", t1w, affine)
    save(anat / "sub-a_desc-brain_FLAIR.nii.gz", flair, affine)
    save(anat / "sub-a_desc-brain_T2w.nii.gz", flair[2:], affine)  # another grid: not aligned
    save(anat / "sub-a_desc-lesion_mask.nii.gz", lesion, affine)
    save(root / "sub-b" / "anat" / "sub-b_desc-brain_T1w.nii.gz", t1w, affine)
    save(root / "sub-c" / "anat" / "sub-c_T1w.nii.gz", t1w, affine)
    return root


@pytest.fixture(scope="module")
def patient(root):
    return prepare_patient(
        root / "sub-a" / "anat" / "sub-a_desc-brain_T1w.nii.gz",
        root / "sub-a" / "anat" / "sub-a_desc-lesion_mask.nii.gz",
    )


def test_patients_with_a_mask_are_found_and_may_be_left_out(root):
    assert [p.name for p in patients_in(root)] == ["sub-a"]
    assert patients_in(root, leave_out=["sub-a"]) == []


def test_a_patient_is_scaled_to_white_matter(patient):
    assert set(patient.images) == {"T1w", "FLAIR"}
    healthy = patient.t1w[patient.brain & (patient.lesion == 0)]
    assert np.percentile(healthy, 90) == pytest.approx(1, abs=0.1)
    assert not patient.t1w[~patient.brain].any()
    assert patient.images["FLAIR"].max() > 500


def test_a_sample_shows_the_lesion_in_image_and_target(patient):
    for seed in range(3):
        params = draw_patient(np.random.default_rng(seed), patient, spacing_mm=4.0)
        sample = apply_patient(patient, params, box=BOX)
        again = apply_patient(patient, params, box=BOX)
        np.testing.assert_array_equal(sample.image, again.image)
        assert sample.image.shape == (2, *BOX.shape)
        assert sample.lesion.any()
        assert not (sample.mirrored & sample.lesion).any()  # it lies on one side
        assert sample.mirrored.any()
        healthy = sample.brain & (sample.p == 0)
        assert sample.t1w[sample.lesion].mean() < 0.75 * np.median(sample.t1w[healthy])
        brighter = sample.image[0][sample.lesion].mean() > np.median(sample.image[0][healthy])
        assert brighter == (params.suffix == "FLAIR")
        assert not sample.image[0][~sample.brain].any()


def test_a_stream_mixes_patients_among_the_real_scans(anatomy, patient):
    def shares(**sampling):
        stream = Stream(
            TrainingSet([anatomy], patients=[patient]), seed=1, box=BOX, sampling=SamplingConfig(**sampling)
        )
        return np.mean([float(stream.item(n)["real"]) for n in range(12)])

    assert shares(real=1.0, patients=1.0) == 1
    assert shares(real=0.0, patients=1.0) == 0
    assert 0 < shares(real=1.0, patients=0.5) < 1
    assert shares(real=1.0, patients=0.0) == 0


def test_a_patient_is_like_any_other_sample_for_a_network(anatomy, patient):
    one = Stream(
        TrainingSet([anatomy], patients=[patient]),
        seed=1,
        box=BOX,
        sampling=SamplingConfig(real=1.0, patients=1.0),
    ).item(0)
    other = Stream(TrainingSet([anatomy]), seed=1, box=BOX).item(0)
    assert {k: (v.shape, v.dtype) for k, v in one.items()} == {
        k: (v.shape, v.dtype) for k, v in other.items()
    }
    batch = next(
        Stream(
            TrainingSet([anatomy], patients=[patient]),
            seed=1,
            box=BOX,
            sampling=SamplingConfig(real=1.0, patients=1.0),
        ).batches(2)
    )
    torch.testing.assert_close(batch["image"][0], one["image"])
    assert batch["real"].tolist() == [1, 1]


def test_bad_input_says_so(root, anatomy, tmp_path):
    t1w = root / "sub-a" / "anat" / "sub-a_desc-brain_T1w.nii.gz"
    affine, shape = anatomy.grid.affine, anatomy.grid.shape
    with pytest.raises(ValueError, match="on different grids; resample one to the other"):
        prepare_patient(t1w, save(tmp_path / "a_mask.nii.gz", np.ones((4, 4, 4)), affine))
    with pytest.raises(ValueError, match="holds no lesion"):
        prepare_patient(t1w, save(tmp_path / "b_mask.nii.gz", np.zeros(shape), affine))
