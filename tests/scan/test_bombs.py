"""Small files that claim or unpack to much, and files that harmed the libraries which read them."""

import gzip
import io
import re
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

from sanum.scan import read
from sanum.scan.checks import MOST_BESIDE
from sanum.scan.dicom_file import codestream_size, open_dicom

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("count", "first"),
    [
        (200, 1_000_000),
        pytest.param(600, 1_000_200, marks=pytest.mark.full),
    ],
)
def test_damaged_files(count, first):
    """In a process of their own, which must not die. `make fuzz` tries ten thousand others."""
    words = [sys.executable, ROOT / "bench" / "fuzz.py", "--inputs", str(count), "--from", str(first)]
    ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ran.returncode == 0, ran.stdout
    assert re.search(rf"^{count} inputs, 0 failures", ran.stdout, re.MULTILINE)
    for rows in (
        r"fields\.\w+",
        r"\S+\.dcm",
        r"plain-\S+",
    ):  # or the fuzzing is shallow: see `bench/fuzz_headers.py` and `fuzz_tags.py`
        table = re.findall(rf"^{rows} +(\d+) +(\d+) +(\d+) +0 ", ran.stdout, re.MULTILINE)
        read, reached, refused = np.array(table, int).sum(axis=0)
        assert read + reached >= 0.2 * (read + reached + refused) > 0
        assert refused > 0


def test_headers_that_are_made_up_are_valid_until_they_are_changed():
    """The fuzzer reads them before it begins; here, that they are many and that most changes matter."""
    code = (
        "import sys; sys.path.insert(0, 'bench'); import fuzz_headers, numpy as np\n"
        "for label in fuzz_headers.LABELS[:4]:\n"
        "    draw = lambda k, n: str(fuzz_headers.made_up(np.random.default_rng(k), label, changes=n))\n"
        "    made = [(draw(k, 0), draw(k, 1)) for k in range(50)]\n"
        "    print(len({a for a, _ in made}), sum(a != b for a, b in made))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    rows = [list(map(int, line.split())) for line in ran.stdout.splitlines()]
    assert len(rows) == 4, ran.stderr
    assert all(distinct == 50 and changed > 40 for distinct, changed in rows)


def test_a_number_makes_its_input_again():
    code = (
        "import sys, zlib; sys.path.insert(0, 'bench'); import fuzz\n"
        "valid = fuzz.seeds()\n"
        "print(zlib.crc32(repr([fuzz.damaged(n, valid) for n in range(2 * len(valid))]).encode()))\n"
    )
    ran = [subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT) for _ in range(2)]
    assert ran[0].stdout == ran[1].stdout != b""


def test_the_fuzzer_sees_failures():
    """Another exception, too much memory, a file that is not to be read, and a crash."""
    code = (
        "import os, sys; import numpy as np; sys.path.insert(0, 'bench'); import fuzz\n"
        "def broken(path, **_):\n"
        "    what = path.read_bytes()\n"
        "    if what == b'crash': os.abort()\n"
        "    if what == b'secret':\n"
        "        voxels = np.full((2, 2, 2), 0xA5A5, np.uint16)\n"
        "        return fuzz.Scan(voxels, np.eye(4))\n"
        "    try: bytearray(1 << 30 if what == b'memory' else -1)\n"
        "    except MemoryError as error: raise fuzz.ScanError('broken') from error\n"
        "fuzz.read = broken\n"
        "for what in (b'other', b'memory', b'secret', b'crash'):\n"
        "    print(fuzz.outcome('plain', {'scan.nii': what}), flush=True)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.splitlines() == [
        "FAILED ValueError: negative count",
        "FAILED needs too much memory: MemoryError()",
        "FAILED it read a file outside of its folder",
    ]
    assert ran.returncode == -signal.SIGABRT


# --- gzip


def unpacking_to(megabytes, start):
    """Gzip of `start` and zeros, a thousandth of its content in size."""
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as stream:
        stream.write(start)
        for _ in range(megabytes):
            stream.write(bytes(1 << 20))
    return packed.getvalue()


def test_what_unpacks_to_more_than_its_header_says(tmp_path, voxels, saved, refusal):
    path = saved(tmp_path / "scan.nii.gz", voxels)
    path.write_bytes(unpacking_to(40, gzip.decompress(path.read_bytes())))
    assert "unpacks to far more than the 1024 bytes" in refusal(path)


def test_extensions_are_not_read(tmp_path, voxels, saved):
    """An extension of length 0 made the library read on to the end of the file."""
    image = nib.Nifti1Image(voxels, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"hello"))
    nib.save(image, tmp_path / "scan.nii")
    raw = bytearray((tmp_path / "scan.nii").read_bytes())
    assert struct.unpack_from("<i", raw, 352) == (16,)
    struct.pack_into("<i", raw, 352, 0)
    (tmp_path / "scan.nii").write_bytes(raw)
    np.testing.assert_array_equal(read(tmp_path / "scan.nii").voxels, voxels)


@pytest.mark.parametrize("offset", [-16, MOST_BESIDE + 16, 9e8])
def test_voxels_that_begin_far_behind(tmp_path, voxels, saved, patched, refusal, offset):
    path = patched(saved(tmp_path / "scan.nii.gz", voxels), (108, "<f", offset))
    assert refusal(path)


def test_the_footer_of_mgz_is_not_sought_in_a_bomb(tmp_path, refusal):
    header = struct.pack(">7i", 1, 30000, 30000, 30000, 1, 4, 0)
    (tmp_path / "scan.mgz").write_bytes(unpacking_to(8, header + bytes(256)))
    assert "claims 30000 × 30000 × 30000 voxels" in refusal(tmp_path / "scan.mgz")


# --- NRRD and MetaImage


@pytest.fixture
def packed(tmp_path, voxels, affine, itk_image):
    """A compressed .mha and .nrrd as (path, header, voxels in gzip or zlib)."""

    def make(name):
        path = tmp_path / name
        sitk.WriteImage(itk_image(voxels, affine), str(path), True)
        mark = b"LOCAL\n" if name.endswith("mha") else b"\n\n"
        header, _, data = path.read_bytes().partition(mark)
        return path, header + mark, data

    return make


@pytest.mark.parametrize(
    "dimensions", [b"11", b"3e5", b"3.9e9", b"99999999999999999999", b"3\nNDims = 99", b"-1", b""]
)
def test_metaimage_of_many_dimensions(packed, refusal, dimensions):
    """MetaIO wrote past the end of its arrays, and the process died, or it never came to an end."""
    path, header, data = packed("scan.mha")
    path.write_bytes(header.replace(b"NDims = 3", b"NDims = " + dimensions) + data)
    assert "cannot be read as NRRD or MetaImage" in refusal(path)


@pytest.mark.parametrize("name", ["scan.mha", "scan.nrrd"])
def test_a_flipped_bit_in_packed_voxels(packed, refusal, name):
    """Nothing is taken for voxels that does not unpack to its checksum."""
    path, header, data = packed(name)
    for at in (1, len(data) // 2, len(data) - 3):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        path.write_bytes(header + damaged)
        assert "damaged" in refusal(path)


def test_packed_voxels_that_are_too_few_or_far_too_many(packed, refusal, voxels):
    path, header, _ = packed("scan.mha")
    for content in (voxels.tobytes("F")[:300], bytes(MOST_BESIDE + 1000)):
        data = zlib.compress(content)
        size = b"CompressedDataSize = %d" % len(data)
        path.write_bytes(re.sub(rb"CompressedDataSize = \d+", size, header) + data)
        assert "damaged" in refusal(path)


@pytest.mark.parametrize("size", [b"9000000000", b"-1", b""])
def test_lies_about_the_packed_size(packed, refusal, size):
    path, header, data = packed("scan.mha")
    path.write_bytes(re.sub(rb"CompressedDataSize = \d+", b"CompressedDataSize = " + size, header) + data)
    assert "cut short" in refusal(path)


def test_spacings_that_overflow(packed, refusal):
    """A warning of NumPy came before the sentence."""
    path, header, data = packed("scan.mha")
    path.write_bytes(re.sub(rb"ElementSpacing = .*", b"ElementSpacing = 1e308 1e308 1e308", header) + data)
    assert refusal(path)


@pytest.mark.parametrize("number", [b"1e308", b"-1E+300", b"1" + bytes([48]) * 300, b"9e999"])
@pytest.mark.parametrize("name", ["scan.mha", "scan.nrrd"])
def test_directions_that_overflow(packed, refusal, name, number):
    """One of 1e308 is no direction, and neither is what a float cannot hold."""
    path, header, data = packed(name)
    matrix = (
        rb"(TransformMatrix = .+? .+? .+?) [^ ]+" if name.endswith("mha") else rb"(directions: \S+) \([^,]+"
    )
    before = b" " if name.endswith("mha") else b" ("
    changed = re.sub(matrix, lambda found: found[1] + before + number, header)
    assert changed != header
    path.write_bytes(changed + data)
    assert "cannot be read as NRRD or MetaImage" in refusal(path)


def test_free_pairs_of_nrrd_are_no_fields(packed, voxels):
    path, header, data = packed("scan.nrrd")
    path.write_bytes(header[:-1] + b"encoding:=raw\ndata file:=nothing\n\n" + data)
    np.testing.assert_array_equal(read(path).voxels, voxels)


def test_nrrd_claims_more_than_gzip_can_hold(packed, refusal):
    path, header, data = packed("scan.nrrd")
    path.write_bytes(header.replace(b"sizes: 6 7 8", b"sizes: 900 900 900") + data)
    assert "claims 1458000000 bytes" in refusal(path)


@pytest.mark.parametrize("name", ["/dev/zero", "LIST", "scan%02d.raw 1 8 1", "../elsewhere.raw", "."])
def test_voxels_that_are_not_one_file(tmp_path, voxels, affine, itk_image, refusal, name):
    path = tmp_path / "scan.mhd"
    sitk.WriteImage(itk_image(voxels, affine), str(path))
    path.write_text(path.read_text().replace("scan.raw", name))
    assert re.search("data file is missing|which is not in|several files", refusal(path))


def test_the_name_decides_the_format(packed, refusal):
    """Not the content."""
    path = packed("scan.nrrd")[0]
    assert "cannot be read as NRRD or MetaImage" in refusal(path.rename(path.with_suffix(".mha")))


# --- DICOM


def slice_file(path, syntax="1.2.840.10008.1.2.1", rows=6, columns=5):
    one = pydicom.Dataset()
    one.file_meta = pydicom.dataset.FileMetaDataset()
    one.file_meta.TransferSyntaxUID = syntax
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    one.Rows, one.Columns = rows, columns
    one.save_as(path, enforce_file_format=True)
    return path


def test_a_length_that_lies_makes_no_room(tmp_path):
    """4 GB were asked for, for the value of one tag."""
    path = slice_file(tmp_path / "slice")
    path.write_bytes(path.read_bytes() + struct.pack("<2H2s2xI", 0x7FE0, 0x0010, b"OW", 0xFFFFFFF0))
    code = (
        "import resource, sys, pathlib\n"
        "from sanum.scan.dicom_file import open_dicom\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)\n"
        "print(len(open_dicom(pathlib.Path(sys.argv[1]), pixels=True).PixelData))\n"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code, path], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "0\n"), ran.stderr


def test_a_file_of_empty_tags_is_left_soon(tmp_path, refusal):
    """Each took its time, and three million bytes hold 400,000 of them."""
    path = slice_file(tmp_path / "slice")
    path.write_bytes(path.read_bytes() + bytes(3_000_000))
    assert "is a damaged DICOM file" in refusal(tmp_path)


def test_a_deflated_file_is_refused(tmp_path, refusal):
    slice_file(tmp_path / "slice", pydicom.uid.DeflatedExplicitVRLittleEndian)
    assert "slice is a deflated DICOM file" in refusal(tmp_path)


def test_a_damaged_rle_frame_is_left_to_pydicom(tmp_path, refusal):
    """GDCM, which was tried next, divided by zero and ended the process."""
    for k in range(2):
        slice_file(tmp_path / f"slice{k}")
        one = open_dicom(tmp_path / f"slice{k}", pixels=True)
        one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, k], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SamplesPerPixel, one.PhotometricInterpretation = [1, 1], 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.PixelData = np.arange(30, dtype=np.uint16).tobytes()
        one.compress(pydicom.uid.RLELossless)
        frame = bytearray(one.PixelData)
        at = frame.index(struct.pack("<2I", 2, 64))
        one.PixelData = bytes(frame[:at] + bytes(12) + frame[at + 12 :])
        one.save_as(tmp_path / f"slice{k}")
    assert "has damaged or missing pixels" in refusal(tmp_path)


JPEG = b"\xff\xd8\xff\xe0\0\4ab\xff\xc3\0\x0b\x10\xff\xdc\xff\xdd\1\0\0\0"
JPEG2000 = b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">4I", 60001, 60002, 1, 2)


@pytest.mark.parametrize(("syntax", "stream"), [(JPEGLosslessSV1, JPEG), (JPEG2000Lossless, JPEG2000)])
def test_a_picture_larger_than_the_tags_say(tmp_path, refusal, syntax, stream):
    """Its decoder made room for 12 GB."""
    for k in range(2):
        slice_file(tmp_path / f"slice{k}", syntax)
        one = open_dicom(tmp_path / f"slice{k}", pixels=True)
        one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, k], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SamplesPerPixel, one.PhotometricInterpretation = [1, 1], 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.add_new("PixelData", "OB", pydicom.encaps.encapsulate([stream]))
        one["PixelData"].is_undefined_length = True
        one.save_as(tmp_path / f"slice{k}")
    assert re.search(r"has pixels \(6\d+, 6\d+\) where its header says \(6, 5\)", refusal(tmp_path))


def test_size_of_a_codestream():
    assert codestream_size(JPEG) == (0xFFDC, 0xFFDD)
    assert codestream_size(JPEG2000) == (60000, 60000)
    for other in (b"", JPEG[:9], JPEG[:12], JPEG2000[:20], b"RIFF" * 9, b"\xff\xd8" * 9):
        assert codestream_size(other) is None


# --- names


HOSTILE = [
    "a b.nii",
    'it\'s "it".nii',
    "$(id);`id`.nii",
    "new\nline\x1b[2J.nii",
    "-o.nii",
    "x" * 251 + ".nii",
]
HOSTILE += [b"\xff\xfe latin.nii".decode(errors="surrogateescape"), "..nii.nii", "℞ ‮.nii"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_read_and_shown_as_text(tmp_path, voxels, saved, packed, refusal, name):
    path = saved(tmp_path / "plain.nii", voxels).rename(tmp_path / name)
    np.testing.assert_array_equal(read(path).voxels, voxels)
    path.write_bytes(path.read_bytes()[:500])
    assert refusal(path).isprintable()
    path = packed("scan.nrrd")[0].rename(tmp_path / (name[:-4][:250] + ".nrrd"))
    np.testing.assert_array_equal(read(path).voxels, voxels)


def test_links_are_read_where_they_lead(tmp_path, voxels, saved, refusal):
    (tmp_path / "inside").mkdir()
    link = tmp_path / "inside" / "scan.nii"
    link.symlink_to(saved(tmp_path / "outside.nii", voxels))
    assert read(link).path == link
    link.unlink()
    link.symlink_to(link)
    assert refusal(link)
    link.unlink()
    link.symlink_to("/dev/zero")
    assert "is not a scan file" in refusal(link)
