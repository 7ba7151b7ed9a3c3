"""What crashes or hangs a decoder ends its own process only."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import MRImageStorage

from sanum.cohort import Item, RunSettings, job_of, run, write_tables
from sanum.methods.api import Output, OutputSpec
from sanum.methods.common.saving import save_result
from sanum.scan import native_decoder, read
from sanum.scan.native_decoder import DecoderDiedError, decode

PIXELS = np.arange(24 * 20, dtype=np.int16).reshape(24, 20) * 7

SABOTAGED = """
import os, signal, sys, time
sys.path.insert(0, os.path.dirname({worker!r}))
import native_worker
true = native_worker.pixels_of
def pixels_of(raw):
    if b"CRASH" in raw: os.kill(os.getpid(), signal.SIGSEGV)
    if b"HANG" in raw:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        while True: time.sleep(60)
    if b"CHAT" in raw: print("this is no answer", flush=True); os.write(2, b"nor this")
    return true(raw)
native_worker.pixels_of = pixels_of
native_worker.serve(int(sys.argv[1]), int(sys.argv[2]))
"""


@pytest.fixture
def no_worker():
    """Begin and end without a running process."""
    native_decoder._end_all()
    yield
    native_decoder._end_all()


@pytest.fixture
def sabotaged(tmp_path, monkeypatch, no_worker):
    """A worker that does what the PatientID of a file says; it has three seconds for each."""
    path = tmp_path / "worker.py"
    path.write_text(SABOTAGED.format(worker=str(native_decoder.WORKER)))
    monkeypatch.setattr(native_decoder, "WORKER", path)
    monkeypatch.setattr(native_decoder, "SECONDS", 3)


def packed(path, k=0, patient="", compressor="JPEG2000"):
    """Write a slice, packed by GDCM."""
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(path))
    writer.SetUseCompression(True)
    writer.SetCompressor(compressor)
    writer.Execute(sitk.GetImageFromArray((PIXELS + k)[None]))
    of_gdcm = pydicom.dcmread(path)
    one = pydicom.Dataset()
    one.file_meta = pydicom.dataset.FileMetaDataset()
    one.file_meta.TransferSyntaxUID = of_gdcm.file_meta.TransferSyntaxUID
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = MRImageStorage
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.{k + 1}"
    one.SeriesInstanceUID, one.Modality, one.PatientID = "1.2.3", "MR", patient
    one.Rows, one.Columns = PIXELS.shape
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
    one.PixelSpacing, one.ImagePositionPatient = [1, 1], [0, 0, 3 * k]
    one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    one.PixelData, one["PixelData"].is_undefined_length = of_gdcm.PixelData, True
    one.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_pixels_come_back_to_the_bit_from_one_process(tmp_path, no_worker, compressor):
    workers = set()
    for k in range(3):
        pixels, _ = decode(packed(tmp_path / "slice", k, compressor=compressor).read_bytes(), PIXELS.shape)
        np.testing.assert_array_equal(pixels, PIXELS + k)
        assert pixels.dtype == np.int16
        workers.add(native_decoder._running[os.getpid()].pid)
    assert len(workers) == 1


def test_a_file_that_kills_its_decoder_is_one_sentence(tmp_path, refusal, sabotaged):
    for name, patients in {"good": "", "crash": "CRASH", "hang": "HANG", "chat": "CHAT"}.items():
        (tmp_path / name).mkdir()
        for k in range(2):
            packed(tmp_path / name / f"slice{k}", k, patients)
    assert "slice0 crashed its decoder (SIGSEGV): it is damaged" in refusal(tmp_path / "crash")
    assert "slice0 kept its decoder busy for more than 3 s" in refusal(tmp_path / "hang")
    for name in ("good", "chat"):  # the next ones are done, and what a decoder prints is no answer
        np.testing.assert_array_equal(read(tmp_path / name).voxels[..., 1], (PIXELS + 1).T)


def test_a_batch_goes_on_behind_a_file_that_kills_its_decoder(tmp_path, sabotaged):
    for name, patient in {"a": "", "b": "CRASH", "c": ""}.items():
        (tmp_path / name).mkdir()
        for k in range(2):
            packed(tmp_path / name / f"slice{k}", k, patient)

    def shapes(item):
        scan = read(item.path)
        text = str(scan.voxels.shape)
        output = Output(OutputSpec("shape", "Shape", None, "shape", ".txt"), text)
        result = SimpleNamespace(
            name=item.stem, outputs={"shape": output}, numbers={}, warnings=(), provenance={}
        )
        result.save = lambda folder, **how: save_result(result, folder, **how)
        return result

    outputs = {"shape": OutputSpec("shape", "Shape", None, "shape", ".txt")}
    job = job_of(shapes, outputs, name="shapes", past="measured", settings={}, tables={})
    items = [Item(tmp_path / name, Path(".")) for name in "abc"]
    states = {one.item.path.name: one.state for one in run(items, tmp_path / "out", job, RunSettings())}
    assert states == {"a": "done", "b": "failed", "c": "done"}
    [failed] = write_tables(tmp_path / "out", {})
    assert failed[1].startswith("slice0 crashed its decoder (SIGSEGV)")


def test_a_process_that_has_ended_with_nothing_to_do_is_replaced(tmp_path, no_worker):
    raw = packed(tmp_path / "slice").read_bytes()
    decode(raw, PIXELS.shape)
    worker = native_decoder._running[os.getpid()]
    worker.stdin.close()  # as if its time were over
    worker.wait()
    worker.stdin = open(os.devnull, "wb")  # noqa: SIM115  # a write that is lost
    np.testing.assert_array_equal(decode(raw, PIXELS.shape)[0], PIXELS)
    assert native_decoder._running[os.getpid()].pid != worker.pid


def test_a_process_with_nothing_to_do_ends(tmp_path, monkeypatch, no_worker):
    monkeypatch.setattr(native_decoder, "IDLE_SECONDS", 1)
    decode(packed(tmp_path / "slice").read_bytes(), PIXELS.shape)
    assert native_decoder._running[os.getpid()].wait(20) == 0


def test_a_worker_that_cannot_start(tmp_path, monkeypatch, no_worker):
    monkeypatch.setattr(native_decoder, "WORKER", tmp_path / "none.py")
    with pytest.raises(DecoderDiedError, match="exit code 2"):
        decode(packed(tmp_path / "slice").read_bytes(), PIXELS.shape)


def test_other_pixels_than_the_header_says(tmp_path, no_worker):
    raw = packed(tmp_path / "slice").read_bytes()
    with pytest.raises(ValueError, match="expected pixels"):
        decode(raw, (20, 24))
    np.testing.assert_array_equal(decode(raw, PIXELS.shape)[0], PIXELS)
    with pytest.raises(ValueError, match="damaged"):
        decode(b"nothing", PIXELS.shape)


def test_threads_wait_for_each_other(tmp_path, no_worker):
    raws = [packed(tmp_path / "slice", k).read_bytes() for k in range(4)]
    found = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: decode(raws[k], PIXELS.shape)[0]}))
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_array_equal(found[k], PIXELS + k)


def test_the_worker_ends_with_its_parent(tmp_path):
    """Also where the parent is killed."""
    packed(tmp_path / "slice")
    code = (
        "import os, sys; from pathlib import Path; from sanum.scan import native_decoder as n\n"
        "n.decode(Path(sys.argv[1]).read_bytes(), (24, 20)); print(n._running[os.getpid()].pid, flush=True)\n"
        "sys.argv[2] == 'killed' and os.kill(os.getpid(), 9)\n"
    )
    for how in ("ends", "killed"):
        words = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "slice"), how]
        ran = subprocess.run(words, capture_output=True, text=True)
        assert ran.returncode == (-signal.SIGKILL if how == "killed" else 0), ran.stderr
        assert ran.stderr == ""
        for _ in range(200):
            if not os.path.exists(f"/proc/{ran.stdout.strip()}"):
                break
            time.sleep(0.02)
        else:
            pytest.fail("the worker is still there")
