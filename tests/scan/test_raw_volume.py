"""NRRD and MetaImage: the same as SimpleITK reads, to the bit, and what it reads wrongly or not at all."""

import bz2
import gzip
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from sanum.scan import read
from sanum.scan.checks import UNKNOWN_SIDES
from sanum.scan.text_header import UNKNOWN_SIZE

SHAPE = (6, 7, 8)
NAMES = ("scan.nrrd", "scan.nhdr", "scan.mha", "scan.mhd")
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")

AFFINE = np.array([[0, 1.5, 0, -5], [-1, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])
"""Of both headers, RAS+."""


def by_itk(path, volume=None):
    """Voxels and affine (RAS+) as SimpleITK has them."""
    image = sitk.ReadImage(str(path))
    n = image.GetDimension()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (n, n))[:3, :3] * image.GetSpacing()[:3]
    affine[:3, 3] = image.GetOrigin()[:3]
    values = sitk.GetArrayFromImage(image).T
    return values if volume is None else values[..., volume], np.diag([-1, -1, 1, 1]) @ affine


def same_as_itk(path, volume=None):
    scan = read(path, volume=volume)
    values, affine = by_itk(path, volume)
    values = values.astype(np.float32) if values.dtype.kind == "f" else values
    assert scan.voxels.dtype == values.dtype
    np.testing.assert_array_equal(scan.voxels, values)
    np.testing.assert_allclose(scan.affine, affine, rtol=0, atol=1e-12)
    return scan


# --- as SimpleITK


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", NAMES)
def test_what_simpleitk_wrote(tmp_path, affine, itk_image, name, kind):
    """Every type, in one file and in two, packed and not, on oblique axes."""
    rng = np.random.default_rng(3)
    if kind[0] == "f":
        values = rng.normal(0, 1e4, SHAPE).astype(kind)
    else:
        limits = np.iinfo(kind)
        values = rng.integers(limits.min, limits.max, SHAPE, kind, endpoint=True)
    for compress in (False, True):
        sitk.WriteImage(itk_image(values, affine), str(tmp_path / name), compress)
        assert same_as_itk(tmp_path / name).warnings == ()


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_volumes_that_simpleitk_wrote(tmp_path, voxels, affine, itk_image, name, compress):
    series = sitk.JoinSeries([itk_image(voxels + 7 * n, affine) for n in range(3)])
    sitk.WriteImage(series, str(tmp_path / name), compress)
    for volume in range(3):
        scan = same_as_itk(tmp_path / name, volume)
        np.testing.assert_array_equal(scan.voxels, voxels + 7 * volume)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["i2", "u4", "f4", "f8"])
def test_byte_orders(nrrd, meta, voxels, kind, order):
    raw = voxels.astype(order + kind).tobytes("F")
    names = {
        "i2": ("short", "SHORT"),
        "u4": ("uint", "UINT"),
        "f4": ("float", "FLOAT"),
        "f8": ("double", "DOUBLE"),
    }
    scan = same_as_itk(nrrd(raw, type=names[kind][0], endian="big" if order == ">" else "little"))
    np.testing.assert_array_equal(scan.voxels, voxels)
    for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"):
        scan = same_as_itk(meta(raw, ElementType=f"MET_{names[kind][1]}", **{key: str(order == ">")}))
        np.testing.assert_array_equal(scan.voxels, voxels)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("raw", bytes),
        ("gz", gzip.compress),
        ("GZIP", lambda raw: gzip.compress(raw[:99]) + gzip.compress(raw[99:])),
        ("ascii", lambda raw: " ".join(map(str, np.frombuffer(raw, "<i2"))).encode()),
        ("txt", lambda raw: ",\n".join(map(str, np.frombuffer(raw, "<i2"))).encode()),
        ("hex", lambda raw: raw.hex("\n").encode()),
    ],
)
def test_encodings_of_nrrd(nrrd, voxels, encoding, pack):
    scan = same_as_itk(nrrd(pack(voxels.tobytes("F")), encoding=encoding))
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.affine, AFFINE)


def test_encodings_that_simpleitk_lacks(nrrd, meta, voxels):
    raw = voxels.tobytes("F")
    text = " ".join(map(str, voxels.ravel("F"))).encode()
    for path in (nrrd(bz2.compress(raw), encoding="bzip2"), meta(text, BinaryData="False")):
        scan = read(path)
        np.testing.assert_array_equal(scan.voxels, voxels)
        np.testing.assert_allclose(scan.affine, AFFINE)
    single = nrrd(b"nan 1e-3 " + b"-2.5," * (voxels.size - 2), encoding="text", type="float", endian=None)
    assert read(single).voxels[1, 0, 0] == np.float32(1e-3)


@pytest.mark.parametrize(
    ("fields", "before"),
    [
        ({"byte_skip": "5"}, b"other"),
        ({"byte_skip": "-1"}, b"of any length"),
        ({"line_skip": "2"}, b"two\nlines\n"),
        ({"line_skip": "1", "byte_skip": "3"}, b"a line\nabc"),
    ],
)
def test_what_stands_before_the_voxels_of_a_nrrd(nrrd, voxels, fields, before):
    raw = voxels.tobytes("F")
    np.testing.assert_array_equal(same_as_itk(nrrd(before + raw, **fields)).voxels, voxels)


def test_what_stands_before_packed_voxels_is_packed_with_them(nrrd, voxels):
    path = nrrd(gzip.compress(b"four" + voxels.tobytes("F")), encoding="gzip", byte_skip="4")
    np.testing.assert_array_equal(same_as_itk(path).voxels, voxels)


def test_voxels_of_a_metaimage_at_the_end_of_a_file(meta, tmp_path, voxels):
    raw = voxels.tobytes("F")
    (tmp_path / "scan.raw").write_bytes(b"abc" + raw)
    for path in (
        meta(b"of any length" + raw, HeaderSize="-1"),
        meta(b"", end="scan.raw", HeaderSize="-1"),
        meta(b"", end="scan.raw", HeaderSize="3"),
        meta(newline="\r\n"),
    ):
        np.testing.assert_array_equal(same_as_itk(path).voxels, voxels)


def test_packed_voxels_of_a_metaimage(meta, voxels):
    for pack in (zlib.compress, gzip.compress):
        packed = pack(voxels.tobytes("F"))
        same_as_itk(meta(packed, CompressedData="True", CompressedDataSize=str(len(packed))))
    # without their size, of which SimpleITK makes whatever is in memory
    np.testing.assert_array_equal(read(meta(packed, CompressedData="True")).voxels, voxels)


# --- where the voxels lie


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("LAS", (-1, 1, 1)),
        ("Right-Anterior-Superior", (1, 1, 1)),
        ("ras", (1, 1, 1)),
    ],
)
def test_spaces_of_nrrd(nrrd, space, signs):
    path = nrrd(space=space)
    directions = np.array([[0, -1.5, 0, 5], [1, 0, 0, -6], [0, 0, 4, 7]])
    np.testing.assert_allclose(same_as_itk(path).affine[:3], np.diag(signs) @ directions)


def test_a_space_with_time(nrrd, voxels):
    """Of which ITK forgets the sides."""
    raw = np.stack([voxels, voxels + 1], -1).tobytes("F")
    path = nrrd(
        raw,
        dimension="4",
        sizes="6 7 8 2",
        space="right-anterior-superior-time",
        space_directions="(1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,2.5)",
        space_origin="(1,2,3,0)",
        kinds="domain domain domain time",
    )
    scan = read(path, volume=1)
    np.testing.assert_array_equal(scan.voxels, voxels + 1)
    np.testing.assert_allclose(scan.affine, [[1, 0, 0, 1], [0, 2, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1]])


@pytest.mark.parametrize("at", [0, 1, 3])
def test_an_axis_of_volumes_stands_anywhere(nrrd, voxels, refusal, at):
    """As 3D Slicer writes them, first or last."""
    series = np.stack([voxels, voxels + 1, voxels + 2], at)
    directions, kinds, sizes = ["(-1,0,0)", "(0,-2,0)", "(0,0,3)"], ["domain"] * 3, ["6", "7", "8"]
    directions.insert(at, "none")
    kinds.insert(at, "list")
    sizes.insert(at, "3")
    path = nrrd(
        series.tobytes("F"),
        dimension="4",
        sizes=" ".join(sizes),
        space_directions=" ".join(directions),
        kinds=" ".join(kinds),
    )
    assert "has 3 volumes" in refusal(path)
    for volume in range(3):
        scan = read(path, volume=volume)
        np.testing.assert_array_equal(scan.voxels, voxels + volume)
        np.testing.assert_allclose(scan.grid.spacing_mm, [1, 2, 3])


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("um", 1e3), ("µm", 1e3), ("microns", 1e3), ("mm", 1), ("cm", 0.1), ("m", 1e-3), ("", 1)],
)
def test_units_of_nrrd(nrrd, unit, factor):
    def scaled(*vector):
        return f"({','.join(repr(float(n * factor)) for n in vector)})"

    path = nrrd(
        space_directions=f"{scaled(0, 1, 0)} {scaled(-1.5, 0, 0)} {scaled(0, 0, 4)}",
        space_origin=scaled(5, -6, 7),
        space_units=f'"{unit}" "{unit}" "{unit}"',
    )
    np.testing.assert_allclose(read(path).affine, AFFINE)
    size = " ".join(str(n * factor) for n in (1, 2, 3))
    path = nrrd(
        **dict.fromkeys(("space", "space_directions", "space_origin")),
        spacings=size,
        units=f'"{unit}" "{unit}" "{unit}"',
    )
    np.testing.assert_allclose(read(path).grid.spacing_mm, [1, 2, 3])


@pytest.mark.parametrize(("unit", "factor"), [("um", 1e3), ("mm", 1), ("cm", 0.1), ("?", 1)])
def test_units_of_metaimage(meta, unit, factor):
    offset, spacing = (" ".join(str(n * factor) for n in numbers) for numbers in ((5, -6, 7), (1, 1.5, 4)))
    path = meta(Offset=offset, ElementSpacing=spacing, DistanceUnits=unit)
    np.testing.assert_allclose(read(path).affine, AFFINE)


def test_other_units_are_refused(nrrd, meta, refusal):
    assert "expected mm, cm, m, um or nm as unit of length, got furlong" in refusal(
        meta(DistanceUnits="furlong")
    )
    assert "as unit of length, got s" in refusal(nrrd(space_units='"s" "s" "s"'))


@pytest.mark.parametrize(
    "fields",
    [
        {"TransformMatrix": None, "Orientation": "0 1 0 -1 0 0 0 0 1"},
        {"TransformMatrix": None, "Rotation": "0 1 0 -1 0 0 0 0 1"},
        {"Offset": None, "Origin": "5 -6 7"},
        {"Offset": None, "Position": "5 -6 7"},
        {"Position": "5 -6 7"},
        {"ElementSize": "9 9 9"},
        {"ElementSpacing": None, "ElementSize": "1 1.5 4"},
        {"Comment": "ElementDataFile = NDims = 9", "CenterOfRotation": "9 9 9", "0008|0060": "MR"},
    ],
)
def test_other_names_in_a_metaimage(meta, fields):
    scan = same_as_itk(meta(**fields))
    np.testing.assert_allclose(scan.affine, AFFINE)
    assert scan.warnings == ()


def test_fields_that_say_nothing_new_may_stand_beside_space_directions(nrrd):
    """As 3D Slicer and pynrrd write them."""
    fields = {"thicknesses": "nan nan 4", "spacings": "NaN NaN NaN", "centerings": "cell cell cell"}
    fields |= {
        "units": '"mm" "mm" "mm"',
        "measurement frame": "(1,0,0) (0,1,0) (0,0,1)",
        "labels": '"x" "y" "z"',
    }
    scan = read(nrrd(lines=["modality:=MR"], **fields))
    np.testing.assert_allclose(scan.affine, AFFINE)
    assert scan.warnings == ()


def test_what_the_header_does_not_say_is_said(nrrd, meta):
    bare = dict.fromkeys(("space", "space_directions", "space_origin"))
    assert read(nrrd(**bare)).warnings == (UNKNOWN_SIDES, UNKNOWN_SIZE)
    assert read(nrrd(**bare, spacings="1 2 3")).warnings == (UNKNOWN_SIDES,)
    assert read(nrrd(space="scanner-xyz")).warnings == (UNKNOWN_SIDES,)
    assert read(nrrd(space=None, space_dimension="3")).warnings == (UNKNOWN_SIDES,)
    assert read(meta(ElementSpacing=None)).warnings == (UNKNOWN_SIZE,)
    assert read(meta(TransformMatrix=None)).warnings == (UNKNOWN_SIDES,)
    assert "values times 2 plus 0" in read(meta(ElementToIntensityFunctionSlope="2")).warnings[0]
