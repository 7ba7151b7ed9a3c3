import errno
import gzip
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from sanum.scan import Scan, ScanError, atomic_path, read, write
from sanum.scan.names import output_name
from sanum.scan.write import settle, together


@pytest.fixture
def scan():
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn * [1.0, 1.5, 4.0]
    affine[:3, 3] = [-80, 33.3, 7]
    return Scan(rng.normal(size=(6, 7, 8)).astype(np.float32), affine)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii"])
def test_round_trip(scan, tmp_path, name):
    path = write(scan, tmp_path / "new" / "folder" / name)
    image = nib.load(path)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), scan.voxels)
    for affine, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        np.testing.assert_allclose(affine, scan.affine, atol=1e-4)
        assert code == 1
    assert image.header.get_xyzt_units()[0] == "mm"
    assert left_in(path.parent) == [name]
    back = read(path)
    assert back.grid.same_as(scan.grid)
    np.testing.assert_array_equal(back.voxels, scan.voxels)


def test_same_scan_same_bytes(scan, tmp_path):
    one, other = write(scan, tmp_path / "a.nii.gz"), write(scan, tmp_path / "b.nii.gz")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float64, bool])
def test_dtypes_are_kept(scan, tmp_path, dtype):
    voxels = (np.abs(scan.voxels) * 50).astype(dtype)
    image = nib.load(write(scan.with_voxels(voxels), tmp_path / "scan.nii.gz"))
    assert image.get_data_dtype() == (np.uint8 if dtype is bool else dtype)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), voxels)


def test_to_integers_rounds_and_never_scales(scan, tmp_path):
    voxels = np.linspace(0, 254.7, scan.voxels.size).reshape(scan.voxels.shape)
    image = nib.load(write(scan.with_voxels(voxels), tmp_path / "scan.nii", dtype=np.uint8))
    assert image.get_data_dtype() == np.uint8
    assert image.dataobj.slope == 1.0
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), np.rint(voxels))


def test_values_that_do_not_fit_are_refused(scan, tmp_path):
    with pytest.raises(ScanError, match="do not fit into uint8"):
        write(scan, tmp_path / "scan.nii.gz", dtype=np.uint8)
    assert left_in(tmp_path) == []


def test_shear_goes_into_the_sform_alone(scan, tmp_path):
    affine = np.eye(4)
    affine[1, 2] = 0.3
    sheared = Scan(scan.voxels, affine)
    image = nib.load(write(sheared, tmp_path / "scan.nii.gz"))
    assert int(image.header["qform_code"]) == 0
    np.testing.assert_allclose(image.affine, affine, atol=1e-6)
    assert read(tmp_path / "scan.nii.gz").grid.same_as(sheared.grid)


def test_existing_files_stay_unless_told(scan, tmp_path):
    path = tmp_path / "scan.nii.gz"
    path.write_text("precious")
    with pytest.raises(ScanError, match="exists; pass --overwrite"):
        write(scan, path)
    assert path.read_text() == "precious"
    write(scan, path, overwrite=True)
    assert read(path).voxels.shape == scan.voxels.shape
    assert left_in(tmp_path) == ["scan.nii.gz"]


def test_a_dangling_link_counts_as_existing(scan, tmp_path):
    (tmp_path / "scan.nii.gz").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ScanError, match="exists"):
        write(scan, tmp_path / "scan.nii.gz")


def test_a_file_that_appears_meanwhile_stays(tmp_path):
    path = tmp_path / "report.html"

    def lose_the_race():
        with atomic_path(path) as temporary:
            temporary.write_text("mine")
            path.write_text("theirs")

    with pytest.raises(ScanError, match="exists"):
        lose_the_race()
    assert path.read_text() == "theirs"
    assert left_in(tmp_path) == ["report.html"]


def test_other_extensions_are_refused(scan, tmp_path):
    with pytest.raises(ScanError, match="expected a name that ends in"):
        write(scan, tmp_path / "scan.png")


def test_a_folder_cannot_be_written_to(scan, tmp_path):
    (tmp_path / "scan.nii.gz").mkdir()
    with pytest.raises(ScanError, match="is a folder"):
        write(scan, tmp_path / "scan.nii.gz", overwrite=True)


@pytest.mark.parametrize("place", ["file/scan.nii.gz", "file/deeper/scan.nii.gz"])
def test_a_file_where_a_folder_should_be(scan, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(ScanError, match="a file stands where a folder was expected"):
        write(scan, tmp_path / place)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_folder_that_takes_no_files(scan):
    with pytest.raises(ScanError, match=r"^cannot write /proc/self/scan"):
        write(scan, "/proc/self/scan.nii.gz")


def test_a_name_too_long(scan, tmp_path):
    with pytest.raises(ScanError, match="name is too long"):
        write(scan, tmp_path / ("x" * 300 + ".nii.gz"))
    assert left_in(tmp_path) == []


FULL_DISK = """
import resource, sys
import numpy as np
from sanum.scan import Scan, ScanError, write
from sanum.scan.names import output_name
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
noise = np.random.default_rng(0).integers(0, 2**15, (40, 40, 40)).astype(np.int16)
try:
    write(Scan(noise, np.eye(4)), sys.argv[1], overwrite=True)
except ScanError as error:
    sys.exit("REFUSED " + str(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii"])
def test_a_write_cut_short_leaves_what_was_there(tmp_path, name):
    (tmp_path / name).write_text("precious")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, tmp_path / name], capture_output=True, text=True
    )
    assert run.stderr.strip().startswith("REFUSED cannot write"), run.stderr
    assert "larger than allowed" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert (tmp_path / name).read_text() == "precious"
    assert left_in(tmp_path) == [name]


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB; skips where mounting is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
    except (OSError, AttributeError):
        mounted = False
    if not mounted:
        pytest.skip("cannot mount a tmpfs here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii"])
def test_a_full_disk(tiny_disk, name):
    noise = np.random.default_rng(0).integers(0, 2**15, (50, 50, 50)).astype(np.int16)
    with pytest.raises(ScanError, match="the disk is full"):
        write(Scan(noise, np.eye(4)), tiny_disk / name)
    assert left_in(tiny_disk) == []


def test_the_system_s_word_for_a_full_disk(tmp_path):
    with pytest.raises(ScanError, match="the disk is full"), atomic_path(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert left_in(tmp_path) == []


def test_atomic_path_is_hidden_keeps_the_extension_and_respects_the_umask(tmp_path):
    path = tmp_path / "sub-1_desc-anatomy_T1w.nii.gz"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".nii.gz")
        assert not path.exists()
        temporary.write_bytes(gzip.compress(b"voxels"))
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert left_in(tmp_path) == ["plain", path.name]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_other_errors_pass_through_and_leave_nothing(tmp_path, error):
    def fail_halfway():
        with atomic_path(tmp_path / "report.html") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert left_in(tmp_path) == []


def put_together(folder, *names):
    with together(folder, "x", last="x.json") as hidden:
        for name in names:
            if name == "fails":
                raise KeyboardInterrupt
            (hidden / name).write_text(f"new {name}")
            assert name not in left_in(folder)


class TestTogether:
    def test_all_or_none(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            put_together(tmp_path, "a", "fails")
        assert left_in(tmp_path) == []
        put_together(tmp_path, "a", "b", "x.json")
        assert left_in(tmp_path) == ["a", "b", "x.json"]

    def test_what_was_said_of_files_that_are_replaced_goes(self, tmp_path):
        (tmp_path / "x.json").write_text("old")
        put_together(tmp_path, "a")
        assert left_in(tmp_path) == ["a"]

    @pytest.mark.parametrize("moved", range(4))
    def test_a_run_that_was_killed_while_files_moved_is_finished(self, tmp_path, moved):
        ready = tmp_path / ".sanum-x.ready"
        ready.mkdir()
        (tmp_path / "a").write_text("old")
        if not moved:
            (tmp_path / "x.json").write_text("old")
        for n, name in enumerate(("a", "b", "x.json")):
            ((tmp_path if n < moved else ready) / name).write_text(f"new {name}")
        settle(tmp_path, "x", last="x.json")
        assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {
            name: f"new {name}" for name in ("a", "b", "x.json")
        }

    def test_what_was_not_complete_goes(self, tmp_path):
        (tmp_path / ".sanum-x.part").mkdir()
        (tmp_path / ".sanum-x.part" / "a").write_text("half")
        (tmp_path / ".sanum-y.part").mkdir()  # somebody else's
        settle(tmp_path, "x", last="x.json")
        assert left_in(tmp_path) == [".sanum-y.part"]

    @pytest.mark.parametrize("name", [".sanum-x.ready", ".sanum-x.part"])
    @pytest.mark.parametrize("kind", ["link", "file", "pipe"])
    def test_what_stands_for_a_hidden_folder_is_not_followed(self, tmp_path, name, kind, caplog):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "letter").write_text("precious")
        out = tmp_path / "out"
        out.mkdir()
        if kind == "link":
            (out / name).symlink_to(tmp_path / "mine")
            said = f"removed {out / name}: a link"
        elif kind == "file":
            (out / name).write_text("")
            said = ""
        else:
            os.mkfifo(out / name)
            said = f"removed {out / name}: a special file"
        put_together(out, "a", "x.json")
        assert left_in(out) == ["a", "x.json"]
        assert left_in(tmp_path / "mine") == ["letter"]
        assert said in caplog.text

    def test_nothing_but_files_of_the_folder_itself_moves_or_goes(self, tmp_path):
        out, ready = tmp_path / "out", tmp_path / "out" / ".sanum-x.ready"
        ready.mkdir(parents=True)
        (tmp_path / "mine").write_text("precious")
        (out / "old").write_text("outdated")
        (ready / "a").write_text("new")
        (ready / "link").symlink_to(tmp_path / "mine")
        (ready / "folder").mkdir()
        (ready / ".outdated").write_text(f"../mine\n{tmp_path / 'mine'}\nold\n..\n")
        settle(out, "x", last="x.json")
        assert left_in(out) == ["a"]
        assert (tmp_path / "mine").read_text() == "precious"


HOSTILE = [
    "../up",
    "a b",
    'it\'s "it"',
    "new\nline\x1b[2J",
    "x" * 255,
    "\udcff\udcfe",
    "..",
    "/etc/x",
    "a\\..\\b",
    "-o",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_end_inside_the_folder(scan, tmp_path, name):
    path = tmp_path / "out" / output_name(f"in/{name}.nii", "anatomy", "T1w")
    write(scan, path)
    (written,) = tmp_path.rglob("*.nii.gz")
    assert written.parent == tmp_path / "out"
    assert written.name.isprintable()


def test_a_link_that_points_outside_is_replaced_and_not_followed(scan, tmp_path):
    outside = tmp_path / "outside.nii.gz"
    outside.write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scan.nii.gz").symlink_to(outside)
    with pytest.raises(ScanError, match="exists"):
        write(scan, tmp_path / "out" / "scan.nii.gz")
    assert not write(scan, tmp_path / "out" / "scan.nii.gz", overwrite=True).is_symlink()
    assert outside.read_text() == "mine"
