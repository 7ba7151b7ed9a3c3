"""`sanum segment`: a model from labelled stacks, files of a scan, and what is refused."""

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from sanum.cli.main import main
from sanum.scan import Scan, write
from sanum.synth.heart import draw_heart, heart_grid, heart_stack

QUICK = (
    "loop.steps=3",
    "width=8",
    "depth=2",
    "points=32",
    "batch_size=2",
    "poses.copies=1",
    "latent.steps=10",
)
SETTINGS = [word for value in QUICK for word in ("--set", value)]
NAMES = ["--labels", "1=rv,2=myocardium,3=lv"]


@pytest.fixture
def sanum(monkeypatch, capfd):
    """Run a command; its exit code, what it printed and what it said."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["sanum", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return (left.value.code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Three labelled stacks and one more."""
    place, rng, grid = tmp_path_factory.mktemp("hearts"), np.random.default_rng(0), heart_grid((10, 10, 5))
    for n in range(3):
        image, labels = heart_stack(draw_heart(rng), grid, rng)
        write(image, place / "data" / "images" / f"sub{n}.nii.gz")
        write(labels, place / "data" / "labels" / f"sub{n}.nii.gz")
    write(heart_stack(draw_heart(rng), grid, rng)[0], place / "scan.nii.gz")
    return place


@pytest.fixture
def model(sanum, folder):
    """A model that has learned next to nothing."""
    path = folder / "model.safetensors"
    if not path.exists():
        code, out, err = sanum("segment", "fit", folder / "data", "-o", path, *NAMES, *SETTINGS)
        assert (code, out) == (0, f"{path}\n"), err
        assert "latent steps, mean Dice" in err
        assert not path.with_suffix(".training").exists()
    return path


def test_the_files_of_a_scan(sanum, folder, model, tmp_path):
    words = ["segment", "apply", folder / "scan.nii.gz", "--model", model, "-o", tmp_path]
    code, out, err = sanum(*words, "--spacing", "5,5,8", "--slices", "0,2,4", "--beyond", "8")
    assert code == 0, err
    assert out.startswith("scan.nii.gz\trv ")
    scan = nib.load(folder / "scan.nii.gz")
    labels, chances = (nib.load(tmp_path / f"scan_{name}.nii.gz") for name in ("dseg", "probseg"))
    assert labels.shape == (20, 20, 12)  # 100 mm by 5; 80 mm and 8 at both ends, by 8
    assert chances.shape == (20, 20, 12, 4)
    np.testing.assert_allclose(labels.header.get_zooms(), (5, 5, 8), rtol=1e-6)
    middle = labels.affine @ [9.5, 9.5, 5.5, 1]
    np.testing.assert_allclose(middle, scan.affine @ [4.5, 4.5, 2, 1], atol=1e-4)
    for name in ("rv", "myocardium", "lv"):
        nib.load(tmp_path / f"scan_desc-{name}_surface.surf.gii")
    Image.open(tmp_path / "scan_contours.png").verify()
    record = json.loads((tmp_path / "scan_record.json").read_text())
    assert record["slices"] == [0, 2, 4]
    assert record["weights"] == "model.safetensors"
    found = np.asarray(labels.dataobj)
    assert record["lv_ml"] == pytest.approx((found == 3).sum() * 0.2)
    assert (tmp_path / "volumes.tsv").read_text().startswith("path\tresults\trv_ml\tmyocardium_ml\tlv_ml\n")


def test_a_part_of_a_stack_in_its_frame(sanum, folder, model, tmp_path):
    scan = nib.load(folder / "scan.nii.gz")
    part = scan.slicer[:, :, 1:3]
    part.to_filename(tmp_path / "part.nii.gz")
    apply = ["segment", "apply", tmp_path / "part.nii.gz", "--model", model, "-o", tmp_path / "out"]
    assert sanum(*apply, "--frame", folder / "scan.nii.gz", "--weights-too", "--quiet")[0] == 0
    assert nib.load(tmp_path / "out" / "part_dseg.nii.gz").shape == (10, 10, 2)


def test_a_cycle_has_labels_of_every_time_and_a_curve(sanum, model, tmp_path):
    rng, grid = np.random.default_rng(0), heart_grid((10, 10, 5))
    heart = draw_heart(rng)
    beats = np.stack([heart_stack(heart, grid, rng, t / 3)[0].voxels for t in range(3)], axis=-1)
    nib.save(nib.Nifti1Image(beats, grid.affine), tmp_path / "cine.nii.gz")
    words = ["segment", "apply", tmp_path / "cine.nii.gz", "--model", model, "-o", tmp_path / "out"]
    assert sanum(*words)[0] == 0
    assert nib.load(tmp_path / "out" / "cine_dseg.nii.gz").shape == (10, 10, 5, 3)
    assert nib.load(tmp_path / "out" / "cine_probseg.nii.gz").shape == (10, 10, 5, 3, 4)
    table = (tmp_path / "out" / "cine_volumes.tsv").read_text().splitlines()
    assert table[0] == "phase\trv_ml\tmyocardium_ml\tlv_ml"
    assert [line.split("\t")[0] for line in table[1:]] == ["0.1667", "0.5000", "0.8333"]
    Image.open(tmp_path / "out" / "cine_curve.png").verify()


def test_what_is_wrong_with_a_scan_is_one_sentence(sanum, folder, model, tmp_path):
    grid = heart_grid((10, 10, 5))
    write(Scan(np.full(grid.shape, 7.0, np.float32), grid.affine), tmp_path / "flat.nii.gz")
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((10, 10)), np.eye(4)), tmp_path / "plane.nii.gz")
    moved = nib.load(folder / "scan.nii.gz")
    away = moved.affine.copy()
    away[:3, 3] += 900
    nib.save(nib.Nifti1Image(moved.get_fdata(), away), tmp_path / "away.nii.gz")
    scan = folder / "scan.nii.gz"
    for name, more, problem in (
        ("flat.nii.gz", [], "flat.nii.gz is constant, every voxel is 7: expected an image"),
        ("plane.nii.gz", [], "a single slice or less: expected a 3D volume"),
        ("away.nii.gz", ["--frame", scan], "no slice of away is in the field of the prior"),
        (scan, ["--slices", "0,9"], "scan has 5 slices, 0 to 4: slice 9 is not there"),
        (scan, ["--slices", "a"], "--slices are numbers from 0, such as 0,2,4, got"),
        (scan, ["--spacing", "1,2"], "--spacing is one length in mm or three"),
    ):
        code, _, err = sanum(
            "segment", "apply", tmp_path / name, "--model", model, "-o", tmp_path / "out", *more
        )
        assert code == 2
        assert problem in " ".join(err.split()), err


def test_what_is_wrong_with_a_model_or_with_data_is_one_sentence(sanum, folder, tmp_path):
    out = ["-o", tmp_path / "m.safetensors"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "lone" / "images").mkdir(parents=True)
    (tmp_path / "lone" / "images" / "a.nii.gz").symlink_to(folder / "scan.nii.gz")
    for words, problem in (
        (["fit", tmp_path / "empty", *out], "empty has no images: expected NIfTI files in"),
        (["fit", tmp_path / "lone", *out], "a has no labels: expected one file of that name"),
        (["fit", folder / "data", *out, "--labels", "1=rv,2=myo"], "holds the label 3, which is not known"),
        (["fit", folder / "data", "-o", tmp_path / "m.txt"], "ends in .safetensors, got m.txt"),
        (["fit", folder / "data", *out, "--recipe", "x"], 'unknown recipe "x": known are nisf'),
        (
            ["apply", folder / "scan.nii.gz", "--model", "none.safetensors", "-o", tmp_path],
            "weights not found",
        ),
    ):
        code, _, err = sanum("segment", *words)
        assert code == 2
        assert problem in " ".join(err.split()), err
