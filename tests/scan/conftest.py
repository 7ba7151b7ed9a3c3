"""Small scans, and files made of them."""

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from sanum.scan import ScanError, read

SHAPE = (6, 7, 8)
LPS = np.diag([-1.0, -1, 1, 1])

NRRD = {
    "type": "int16",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "6 7 8",
    "space directions": "(0,1,0) (-1.5,0,0) (0,0,4)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(5,-6,7)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "TransformMatrix": "0 1 0 -1 0 0 0 0 1",
    "Offset": "5 -6 7",
    "ElementSpacing": "1 1.5 4",
    "DimSize": "6 7 8",
    "ElementType": "MET_SHORT",
}
DEFAULT = "from the voxels"


@pytest.fixture
def voxels():
    return np.random.default_rng(0).integers(0, 1000, SHAPE).astype(np.int16)


@pytest.fixture
def affine():
    """Oblique: no axis lies along a world axis; voxels of 1 × 1.5 × 4 mm."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn * [1.0, 1.5, 4.0]
    affine[:3, 3] = [-80, 33.3, 7]
    return affine


@pytest.fixture
def saved():
    """Write voxels by nibabel."""

    def write(path, voxels, affine=None, kind=nib.Nifti1Image):
        nib.save(kind(voxels, np.eye(4) if affine is None else affine), path)
        return path

    return write


@pytest.fixture
def itk_image():
    """Make an image of SimpleITK."""

    def make(voxels, affine):
        image = sitk.GetImageFromArray(voxels.T)
        lps = LPS @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        return image

    return make


@pytest.fixture
def refusal():
    """One sentence, and nothing but `ScanError`."""

    def message_of(source, **options):
        with pytest.raises(ScanError) as caught:
            read(source, **options)
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        assert not message.endswith(".")
        return message

    return message_of


@pytest.fixture
def patched():
    """Write (offset, format, values…) over a NIfTI-1 file's header."""

    def patch(path, *edits):
        raw = path.read_bytes()
        packed = path.name.endswith(".gz")
        raw = bytearray(gzip.decompress(raw) if packed else raw)
        for offset, kind, *values in edits:
            struct.pack_into(kind, raw, offset, *values)
        path.write_bytes(gzip.compress(bytes(raw)) if packed else bytes(raw))
        return path

    return patch


@pytest.fixture
def nrrd(tmp_path, voxels):
    """Write a NRRD; fields of None are left out, others are changed or added."""

    def write(data=DEFAULT, lines=(), **fields):
        fields = NRRD | {key.replace("_", " "): value for key, value in fields.items()}
        rows = [*(f"{key}: {value}" for key, value in fields.items() if value is not None), *lines]
        raw = voxels.astype("<i2").tobytes("F") if data is DEFAULT else data
        path = tmp_path / "scan.nrrd"
        path.write_bytes(("NRRD0005\n" + "\n".join(rows) + "\n\n").encode() + raw)
        return path

    return write


@pytest.fixture
def meta(tmp_path, voxels):
    """Write a MetaImage, likewise."""

    def write(data=DEFAULT, end="LOCAL", newline="\n", **fields):
        rows = [f"{key} = {value}" for key, value in (META | fields).items() if value is not None]
        raw = voxels.astype("<i2").tobytes("F") if data is DEFAULT else data
        path = tmp_path / "scan.mha"
        path.write_bytes(
            "".join(f"{row}{newline}" for row in [*rows, f"ElementDataFile = {end}"]).encode() + raw
        )
        return path

    return write
