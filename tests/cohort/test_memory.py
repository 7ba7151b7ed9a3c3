"""Scans share the memory: who does not fit waits, or is refused before it is read."""

import gzip
import json
import threading
import time

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from sanum.cohort import RunSettings, expand, run
from sanum.cohort.memory import MemoryBudget
from sanum.healthy.memory import BASE, NETWORK, need_of
from sanum.scan import Scan, ScanError, write

from .stand_in import small_scan


def scan_of(path, shape, spacing, dtype=np.int16):
    voxels = np.zeros(shape, dtype)
    voxels[0] = 1
    return write(Scan(voxels, np.diag([spacing, spacing, spacing, 1])), path)


def test_a_brain_is_no_larger_in_a_larger_picture(tmp_path):
    """At 0.5 mm the box of a brain has 60 million voxels at most, however large the picture is."""
    small, large = (scan_of(tmp_path / f"{n}.nii.gz", (400, n, n), 0.5) for n in (400, 500))
    a, b = need_of(small), need_of(large)
    assert a == 400**3 * (2 + 9) + 190 * 220 * 180 * 8 * 27
    assert b - a == 400 * (500**2 - 400**2) * 11
    whole = scan_of(tmp_path / "1mm.nii.gz", (100, 100, 100), 1.0)
    assert need_of(whole) == 10**6 * (2 + 9 + 27)


def test_what_is_larger_than_the_limit_is_refused_by_name(tmp_path):
    path = scan_of(tmp_path / "scan.nii.gz", (100, 100, 100), 1.0)
    with pytest.raises(
        ScanError, match=r"^scan\.nii\.gz needs about 0\.8 GB of memory, and 0\.76 may be used"
    ):
        MemoryBudget(BASE + 10**7, base=BASE, strict=True).take("a", path.name, need_of(path))
    assert MemoryBudget(BASE + 10**7, base=BASE).take("a", path.name, need_of(path)) == ()  # a goal only


def test_the_next_waits_until_there_is_room(tmp_path):
    path = scan_of(tmp_path / "scan.nii.gz", (100, 100, 100), 1.0)
    budget = MemoryBudget(BASE + int(1.5 * need_of(path)), base=BASE)
    assert budget.take("a", path.name, need_of(path)) == ()
    told = []
    thread = threading.Thread(target=lambda: told.append(budget.take("b", path.name, need_of(path))))
    thread.start()
    time.sleep(0.1)
    assert told == []
    budget.give("a")
    thread.join(10)
    assert told[0][0].startswith("not read ahead")
    assert budget.room_beside("b") == budget.total - BASE - need_of(path)


SIDE = 256
TEXT = {
    ".nrrd": "NRRD0004\ntype: int16\ndimension: 3\nspace: right-anterior-superior\nsizes: {n} {n} {n}\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nendian: little\n"
    "encoding: raw\n{data}\n",
    ".mha": "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    "CompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 1\n"
    "DimSize = {n} {n} {n}\nElementType = MET_SHORT\nElementDataFile = {data}\n",
}


def large_scan(folder, ending):
    """A scan of 256³ voxels by its header; of voxels there is a hole on the disk, or nothing."""
    folder.mkdir()
    path = folder / f"scan{ending}"
    if ending == "":  # DICOM
        path.mkdir()
        for n in range(SIDE):
            with (path / f"{n}").open("wb") as stream:
                stream.truncate(SIDE * SIDE * 2)
        return path
    if ending.startswith((".nii", ".mg")):
        header = nib.MGHImage.header_class() if ending.startswith(".mg") else nib.Nifti1Header()
        header.set_data_shape((SIDE, SIDE, SIDE))
        header.set_data_dtype(np.int16)
        raw = header.binaryblock + bytes(300)
        path.write_bytes(gzip.compress(raw) if ending.endswith("z") else raw)
        return path
    detached = ending in (".nhdr", ".mhd")
    kind = {".nhdr": ".nrrd", ".mhd": ".mha"}.get(ending, ending)
    data = "scan.raw" if detached else "LOCAL" if kind == ".mha" else ""
    data = f"data file: {data}\n" if data and kind == ".nrrd" else data
    path.write_text(TEXT[kind].format(n=SIDE, data=data))
    with (folder / "scan.raw" if detached else path).open("ab") as stream:
        stream.truncate(stream.tell() + 2 * SIDE**3)
    return path


@pytest.mark.parametrize(
    "ending",
    [".nii", ".nii.gz", ".mgh", ".mgz", ".nrrd", ".nhdr", ".mha", ".mhd", ""],
    ids=lambda e: e or "DICOM",
)
def test_two_large_scans_of_any_format_share_the_memory(tmp_path, ending):
    """A number of a header in 32 bits overflowed in the sum."""
    needs = [need_of(large_scan(tmp_path / f"{n}", ending)) for n in range(2)]
    assert [type(need) for need in needs] == [int, int]
    nibabel = ending.startswith((".nii", ".mg"))
    in_box = SIDE**3 if ending == "" else 190 * 220 * 180
    assert needs == [SIDE**3 * ((2 if nibabel else 4) + 9) + in_box * 27] * 2
    budget = MemoryBudget(BASE + NETWORK + 3 * needs[0], base=BASE, model=NETWORK, strict=True)
    for key, need in zip("ab", needs, strict=True):
        assert budget.take(key, "scan", need) == ()
    assert budget.room_beside("b") == NETWORK + 2 * needs[0]


def test_two_scans_of_every_format_are_one_batch(tmp_path, fast):
    (tmp_path / "in").mkdir()
    kinds = {"nii": nib.Nifti1Image, "nii.gz": nib.Nifti2Image, "mgh": nib.MGHImage, "mgz": nib.MGHImage}
    for n in range(2):
        scan = small_scan(n)
        for ending, kind in kinds.items():
            path = tmp_path / "in" / f"{ending}-{n}.{ending}"
            nib.save(kind(np.asarray(scan.voxels), scan.affine), path)
        for ending in ("nrrd", "nhdr", "mha", "mhd"):
            image = sitk.GetImageFromArray(np.asarray(scan.voxels).T)
            image.SetSpacing((10.0, 10, 10))
            sitk.WriteImage(image, str(tmp_path / "in" / f"{ending}-{n}.{ending}"))
    items = expand([tmp_path / "in"], tmp_path / "out")
    done = run(items, tmp_path / "out", fast, RunSettings(without=("report",), memory=10**10))
    assert [(o.item.path.name, o.state, o.reason) for o in done if o.state != "done"] == []
    assert len(items) == 16


def test_whoever_waits_is_let_go_in_the_end(tmp_path):
    path = scan_of(tmp_path / "scan.nii.gz", (50, 50, 50), 1.0)
    budget = MemoryBudget(BASE, base=BASE)
    budget.take("a", path.name, need_of(path))
    thread = threading.Thread(target=budget.take, args=("b", path.name, need_of(path)))
    thread.start()
    budget.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_cohort_in_little_memory_is_done_one_by_one_and_says_so(cohort, fast, tmp_path):
    folder, out = cohort(5), tmp_path / "out"
    items = expand([folder], out)
    most = need_of(items[0].path)
    held = []
    steps = {}
    for outcome in run(items, out, fast, RunSettings(without=("report",), memory=BASE + most)):
        assert outcome.state == "done"
        steps[outcome.item] = outcome.memory
        held.append(outcome)
    assert any(told and told[0].startswith("not read ahead") for told in steps.values())
    free = run(items, tmp_path / "free", fast, RunSettings(without=("report",), memory=10**10))
    assert all(outcome.memory == () for outcome in free)
    same = [
        (out / i.place / f"{i.stem}_desc-anatomy_T1w.nii.gz").read_bytes()
        == (tmp_path / "free" / i.place / f"{i.stem}_desc-anatomy_T1w.nii.gz").read_bytes()
        for i in items
    ]
    assert all(same)


def test_an_interrupt_while_the_next_waits_ends_the_run(cohort, fast, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        time.sleep(0.2)  # the reader waits for room by now
        raise KeyboardInterrupt

    items = expand([cohort(3)], tmp_path / "out")
    monkeypatch.setattr("sanum.healthy.job.reconstruct", interrupted)
    work = run(items, tmp_path / "out", fast, RunSettings(memory=BASE + need_of(items[0].path)))
    with pytest.raises(KeyboardInterrupt):
        next(work)


def test_one_that_is_too_large_fails_and_the_others_are_done(cohort, fast, tmp_path):
    folder = cohort(2)
    large = np.zeros((60, 60, 60), np.int16)
    large[0] = 7
    write(Scan(large, np.eye(4)), folder / "sub-09" / "anat" / "sub-09_T1w.nii.gz")
    items = expand([folder], tmp_path / "out")
    done = run(
        items, tmp_path / "out", fast, RunSettings(without=("report",), memory=BASE + need_of(items[0].path))
    )
    assert {o.item.stem: o.state for o in done} == {
        "sub-01_acq-T1w": "done",
        "sub-02_acq-T1w": "done",
        "sub-09_acq-T1w": "failed",
    }
    note = next((tmp_path / "out" / ".sanum").glob("*.failed.json"))
    assert "give more with --mem-gb" in json.loads(note.read_text())["reason"]
