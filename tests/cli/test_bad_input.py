"""Whatever comes in: one sentence, exit code 2, no traceback, nothing left behind."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from sanum.healthy.outputs import file_names
from sanum.scan import read
from sanum.space.box import Box
from sanum.space.grid import apply_affine


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


def nifti(path, voxels, affine=None):
    nib.save(nib.Nifti1Image(voxels, np.diag([3.0, 3, 3, 1]) if affine is None else affine), path)


def raw_nifti(path, voxels, **fields):
    """Uncompressed NIfTI-1 with header fields that nibabel would not write."""
    header = nib.Nifti1Header()
    header.set_data_shape(voxels.shape)
    header.set_data_dtype(voxels.dtype)
    for key, value in {"magic": b"n+1", "vox_offset": 352, **fields}.items():
        header[key] = value
    path.write_bytes(header.binaryblock + b"\0" * 4 + voxels.tobytes(order="F"))


VOXELS = np.random.default_rng(0).integers(0, 999, (20, 22, 24)).astype(np.int16)
BAD = {}


def bad(name, *about):
    """Register a maker of the bad file `name` whose sentence holds all of `about`."""

    def keep(make):
        BAD[name] = (make, about)
        return make

    return keep


@bad("annexed.nii.gz", "content was not fetched", "datalad get", "git annex get")
def _(path):
    path.symlink_to(".git/annex/objects/x9/25/MD5E-s9--c8.nii.gz/MD5E-s9--c8.nii.gz")


@bad("missing.nii.gz", "does not exist")
def _(path):
    pass


@bad("text.nii", "cannot be read as a NIfTI file", "convert it again")
def _(path):
    path.write_text("hello " * 100)


@bad("photo.png", "is not a scan file", ".nii.gz")
def _(path):
    path.write_bytes(b"\x89PNG")


@bad("text.mgz", "cannot be read as a MGH file")
def _(path):
    path.write_bytes(gzip.compress(b"hello" * 100))


@bad("text.nrrd", "cannot be read as NRRD")
def _(path):
    path.write_text("hello\n" * 50)


@bad("empty-folder", "holds no scans: expected .nii.gz")
def _(path):
    path.mkdir()


@bad("cut.nii.gz", "cut short", "copy or convert it again")
def _(path):
    nifti(path, VOXELS)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@bad("cut.mha", "cut short")
def _(path):
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path), useCompression=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@bad("headless.mhd", "data file is missing")
def _(path):
    path.write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 20 22 24\n"
        "ElementType = MET_SHORT\nElementDataFile = no.raw\n"
    )


@bad("empty.nii.gz", "is empty", "copy or download it again")
def _(path):
    path.touch()


@bad("flat.nii.gz", "a single slice or less", "expected a 3D volume")
def _(path):
    nifti(path, VOXELS[:, :, 0])


@bad("slice.nii.gz", "20 × 22 × 1 voxels, a single slice")
def _(path):
    nifti(path, VOXELS[:, :, :1])


@bad("series.nii.gz", "has 2 volumes", "--volume k, k from 0 to 1")
def _(path):
    nifti(path, np.stack([VOXELS, VOXELS], -1))


@bad("constant.nii.gz", "is constant, every voxel is 5")
def _(path):
    nifti(path, np.full_like(VOXELS, 5))


@bad("nan.nii.gz", "no finite voxel")
def _(path):
    nifti(path, np.full(VOXELS.shape, np.nan, np.float32))


@bad("singular.nii", "singular affine", "repair its header")
def _(path):
    raw_nifti(path, VOXELS, sform_code=1)


@bad("quaternion.nii", "affine that is not 4 × 4 finite numbers", "repair its header")
def _(path):
    raw_nifti(path, VOXELS, qform_code=1, quatern_b=7, pixdim=[7, -1, -1, -1, 0, 0, 0, 0])


@bad("huge-voxels.nii.gz", "voxels of 25 × 25 × 25 mm", "expected 0.1 to 20 mm")
def _(path):
    nifti(path, VOXELS, np.diag([25.0, 25, 25, 1]))


@bad("tiny-voxels.nii.gz", "voxels of 0.001 × 0.001 × 0.001 mm", "check the unit")
def _(path):
    nifti(path, VOXELS, np.diag([0.001, 0.001, 0.001, 1]))


@bad("colour.nii", "colour")
def _(path):
    nib.save(nib.Nifti1Image(np.zeros((9, 9, 9), [(c, "u1") for c in "RGB"]), np.eye(4)), path)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file(sanum, tmp_path, name):
    make, about = BAD[name]
    make(tmp_path / name)
    before = left_in(tmp_path)
    sentence = sanum("reconstruct", tmp_path / name, "-o", tmp_path / "out").refused()
    assert name in sentence
    for words in about:
        assert words in sentence
    assert left_in(tmp_path) == before


def phantom_like(voxels_of):
    grid = Box((50, 60, 50), 3.0).grid()
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))
    return voxels_of(x).astype(np.float32), grid.affine


def noise_in(x):
    return np.random.default_rng(0).random(x.shape[:-1])


NO_HEADS = {
    "noise": noise_in,
    "ball": lambda x: (np.linalg.norm(x - (10, -20, 15), axis=-1) < 25) * (1 + 0.1 * noise_in(x)),
    "dot": lambda x: (np.linalg.norm(x, axis=-1) < 5) * (1 + 0.1 * noise_in(x)),
}


@pytest.mark.parametrize(
    "name", [n if n in ("ball", "dot") else pytest.param(n, marks=pytest.mark.full) for n in NO_HEADS]
)
def test_an_image_with_no_head_in_it(sanum, tmp_path, name):
    """With the shipped network, which has seen nothing but heads."""
    path = tmp_path / f"{name}.nii.gz"
    nifti(path, *phantom_like(NO_HEADS[name]))
    sentence = sanum("reconstruct", path, "-o", tmp_path / "out").refused()
    assert f"found in {name}.nii.gz: " in sentence
    assert sentence.startswith("no ")
    assert "check that the file shows a head" in sentence
    assert left_in(tmp_path) == [path.name]


@pytest.mark.usefixtures("quick")
class TestWarned:
    """What can be used gets a result and a warning, also in run.json and in the report."""

    def run(self, sanum, path):
        ran = sanum("reconstruct", path, "-o", path.parent / "out", "--quiet")
        assert ran.code == 0, ran
        entry = json.loads((path.parent / "out" / "run.json").read_text())["scans"][0]
        assert ran.err == "".join(f"sanum: {path.name}: {w}\n" for w in entry["warnings"])
        page = (path.parent / "out" / f"{path.name.split('.')[0]}_report.html").read_text()
        for warning in entry["warnings"]:
            assert warning.split(" (")[0] in page
        return entry["warnings"]

    def test_voxels_that_are_no_numbers(self, sanum, phantom, tmp_path):
        voxels = phantom.voxels.copy()
        voxels[0, 0, :3] = np.nan, np.inf, -np.inf
        nifti(tmp_path / "scan.nii.gz", voxels, phantom.affine)
        assert self.run(sanum, tmp_path / "scan.nii.gz") == [
            "3 voxels were NaN or infinite and were set to 0"
        ]
        assert np.isfinite(read(tmp_path / "out" / "scan_desc-anatomy_T1w.nii.gz").voxels).all()

    def test_left_and_right_unknown(self, sanum, phantom, tmp_path):
        raw_nifti(tmp_path / "scan.nii", phantom.voxels, pixdim=[1, 3, 3, 3, 0, 0, 0, 0])
        warnings = self.run(sanum, tmp_path / "scan.nii")
        assert len(warnings) == 1
        assert "left and right are not known" in warnings[0]

    def test_a_header_that_had_to_be_repaired(self, sanum, phantom, tmp_path):
        raw_nifti(
            tmp_path / "scan.nii",
            phantom.voxels,
            qform_code=1,
            pixdim=[1, -3, 3, 3, 0, 0, 0, 0],
            qoffset_x=-72,
            qoffset_y=-92,
            qoffset_z=-72,
        )
        assert self.run(sanum, tmp_path / "scan.nii") == [
            "the header is faulty: pixdim[1,2,3] should be positive; setting to abs of pixdim values"
        ]

    def test_ct_that_is_not_in_hounsfield_units(self, sanum, phantom, tmp_path):
        nifti(tmp_path / "head_ct.nii.gz", (phantom.voxels * 180).astype(np.uint8), phantom.affine)
        warnings = self.run(sanum, tmp_path / "head_ct.nii.gz")
        assert len(warnings) == 1
        assert "are not Hounsfield units: treated as a scan of unknown contrast" in warnings[0]


@pytest.mark.usefixtures("quick")
class TestOutput:
    @pytest.mark.parametrize("name", file_names("scan").values())
    def test_it_exists(self, sanum, phantom_file, tmp_path, name):
        (tmp_path / name).write_text("precious")
        sentence = sanum("reconstruct", phantom_file, "-o", tmp_path).refused()
        assert sentence.startswith(f"{tmp_path / name} exists: pass --overwrite")
        assert left_in(tmp_path) == [name]
        assert (tmp_path / name).read_text() == "precious"

    def test_a_file_where_the_folder_should_be(self, sanum, phantom_file, tmp_path):
        (tmp_path / "out").write_text("precious")
        for place in (tmp_path / "out", tmp_path / "out" / "deeper"):
            sentence = sanum("reconstruct", phantom_file, "-o", place, "--overwrite").refused()
            assert "is not a folder; choose another folder" in sentence
        assert (tmp_path / "out").read_text() == "precious"

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
    def test_a_folder_that_takes_no_files(self, sanum, phantom_file):
        sentence = sanum("reconstruct", phantom_file, "-o", "/proc/self/out").refused()
        assert sentence.startswith("cannot write to /proc/self/out: ")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_without_permission(self, sanum, phantom_file, tmp_path):
        tmp_path.chmod(0o500)
        assert "no permission" in sanum("reconstruct", phantom_file, "-o", tmp_path).refused()

    @pytest.mark.parametrize("size", [200, 30_000])
    def test_no_room(self, sanum, phantom_file, tmp_path, size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            ran = sanum("reconstruct", phantom_file, "-o", tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert "the file would be larger than allowed" in ran.refused()
        assert left_in(tmp_path) == []

    def test_a_full_disk(self, sanum, phantom_file, tiny_disk):
        sentence = sanum("reconstruct", phantom_file, "-o", tiny_disk).refused()
        assert sentence == f"cannot write to {tiny_disk}: the disk is full; free some space"
        assert left_in(tiny_disk) == []

    def test_colliding_names(self, sanum, phantom_file, tmp_path):
        one, other, out = (tmp_path / name for name in ("scan.nii.gz", "scan.mgz", "out"))
        one.write_bytes(phantom_file.read_bytes())
        other.touch()
        ran = sanum("reconstruct", one, other, "-o", out)
        assert (ran.code, ran.out) == (1, "")
        assert f"sanum: {one} and {other} would give outputs of the same name" in ran.err
        assert ran.err.endswith(f"sanum: 2 of 2 scans failed: see {out / 'failed.tsv'}\n")
        assert left_in(out) == [".sanum", "failed.tsv", "qc.tsv", "run.json", "volumes.tsv"]


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:99"])
def test_a_device_that_is_not_there(sanum, phantom_file, tmp_path, device):
    sentence = sanum("reconstruct", phantom_file, "-o", tmp_path / "out", "--device", device).refused()
    assert device in sentence
    assert "auto" in sentence


def test_the_demo_tells_where_it_cannot_write(sanum, tmp_path):
    (tmp_path / "file").touch()
    assert "is not a folder" in sanum("demo", "-o", tmp_path / "file").refused()
