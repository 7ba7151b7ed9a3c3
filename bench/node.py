"""The whole way with the real network: series to a node that is killed three times, and on to Orthanc.

`SANUM_DATA=… python bench/node.py OUT` makes DICOM series of heads of 2 mm (`ixi/`), of a torso, and of a
head that lacks a plane. It sends them interleaved by storescu, two of them without their last planes, which
come later; kills the node while it receives, while it computes, and after its first results; and prints what
became of each. Needs Orthanc and dcmtk (`apt install orthanc dcmtk`), and about 25 s of a busy core a head.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from sanum.clinic.node.folder import NodeFolder
from sanum.clinic.node.queue import Entry, read_entries
from sanum.clinic.node.status import table_of
from sanum.scan import read

DATA = Path(os.environ["SANUM_DATA"])


def write_series(source: Path, folder: Path, uid: str) -> list[Path]:
    """Planes of a scan along its third axis, as a scanner would send them."""
    scan = read(source)
    voxels = np.asarray(scan.voxels, np.float32)
    voxels = np.round(voxels * (4000 / voxels.max())).astype(np.uint16)
    lps = np.diag([-1.0, -1, 1, 1]) @ scan.affine
    steps = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / steps
    same = {"StudyInstanceUID": f"{uid}.1", "SeriesInstanceUID": uid, "FrameOfReferenceUID": f"{uid}.2"}
    folder.mkdir(parents=True)
    paths = []
    for k in range(voxels.shape[2]):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = MRImageStorage
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for tag, value in same.items():
            setattr(one, tag, value)
        one.PatientName, one.PatientID, one.Modality, one.SeriesDescription = "Bench", uid, "MR", "AX T1"
        one.SeriesNumber, one.InstanceNumber = 1, k + 1
        one.Columns, one.Rows = voxels.shape[:2]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.PixelSpacing, one.SliceThickness = [float(steps[1]), float(steps[0])], float(steps[2])
        one.ImagePositionPatient = [round(float(x), 4) for x in lps[:3, 3] + k * lps[:3, 2]]
        one.ImageOrientationPatient = [round(float(x), 6) for x in (*axes[:, 0], *axes[:, 1])]
        one.PixelData = np.ascontiguousarray(voxels[:, :, k].T).tobytes()
        paths.append(folder / f"{k:04d}.dcm")
        one.save_as(paths[-1], enforce_file_format=True)
    return paths


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Orthanc:
    """An archive, empty at first."""

    def __init__(self, folder: Path) -> None:
        self.http, self.dicom, place = free_port(), free_port(), str(folder / "archive")
        settings = {
            **{"StorageDirectory": place, "IndexDirectory": place, "Plugins": [], "DicomAet": "ORTHANC"},
            **{"HttpPort": self.http, "DicomPort": self.dicom, "AuthenticationEnabled": False},
        }
        path = folder / "orthanc.json"
        path.write_text(json.dumps(settings))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(["Orthanc", path], **quiet)

    def get(self, path: str):
        """What its REST service says."""
        with urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=60) as answer:
            return json.loads(answer.read())


class NodeProcess:
    """`sanum node` as a user starts it; each start and kill is counted."""

    def __init__(self, out: Path, peer: str) -> None:
        self.out, self.port, self.kills = out, free_port(), 0
        words = ["node", "--aet", "SANUM", "--known", "SCANNER", "--peer", peer, "-o", out / "node", "--fast"]
        words += ["--port", self.port, "--quiet-s", 5, "--patience-s", 30, "--threads", 1]
        self.words = [sys.executable, "-m", "sanum", *map(str, words)]
        self.start()

    def start(self) -> None:
        """Start it."""
        with (self.out / "node.log").open("a") as log:
            self.process = subprocess.Popen(self.words, stderr=log)

    def kill(self, when: str) -> None:
        """Kill it, and start it again."""
        print(f"killed {when}: {counts(self.out)}", flush=True)
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start()

    def take(self, paths: list[Path]) -> None:
        """Send files as a scanner does: from the beginning again, until all were acknowledged."""
        words = ["storescu", "-aet", "SCANNER", "-aec", "SANUM", "127.0.0.1", str(self.port)]
        while subprocess.run([*words, *map(str, paths)], capture_output=True).returncode:
            time.sleep(2)


def entries(out: Path) -> dict[str, Entry]:
    states = NodeFolder(out / "node").states
    return read_entries(states) if states.is_dir() else {}


def counts(out: Path) -> str:
    found = [entry.state for entry in entries(out).values()]
    return ", ".join(f"{found.count(state)} {state}" for state in dict.fromkeys(found)) or "nothing yet"


def until(true, seconds: float = 3600.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("it did not become so")
        time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, help="A folder that is not there yet.")
    parser.add_argument("--heads", type=int, default=18, help="At least 3; two of them come in two parts.")
    given = parser.parse_args()
    out, count = given.out, given.heads
    out.mkdir(parents=True)
    heads = sorted((DATA / "ixi").glob("sub-*/anat/*T1w.nii.gz"))[:count]
    sources = {f"1.2.{k}": path for k, path in enumerate(heads, start=1)}
    lacking, parts = f"1.2.{count + 2}", (f"1.2.{count - 1}", f"1.2.{count}")
    sources |= {f"1.2.{count + 1}": DATA / "torso" / "image_1.nii.gz", lacking: heads[0]}
    sent = {uid: write_series(path, out / "scanner" / uid, uid) for uid, path in sources.items()}
    del sent[lacking][len(sent[lacking]) // 2]
    late = [path for uid in parts for path in sent[uid][-2:]]
    for uid in parts:
        sent[uid] = sent[uid][:-2]
    mixed = [path for some in zip_longest(*sent.values()) for path in some if path is not None]
    began, orthanc = time.monotonic(), Orthanc(out)
    node = NodeProcess(out, f"ORTHANC@127.0.0.1:{orthanc.dicom}")
    try:
        sending = threading.Thread(target=node.take, args=(mixed,))
        sending.start()
        until(lambda: len([*(out / "node").glob("[ns]e*/**/*.dcm")]) > len(mixed) // 2)
        node.kill("while it receives")
        sending.join()
        print(f"{len(mixed)} planes are there after {time.monotonic() - began:.0f} s", flush=True)
        until(lambda: any(one.starts and not one.is_made for one in entries(out).values()))
        time.sleep(3)
        node.kill("while it computes")
        until(lambda: any(one.state == "done" for one in entries(out).values()))
        node.kill("after its first results")
        node.take(late)
        until(
            lambda: (
                len(entries(out)) == count + 2
                and all(one.state in ("done", "error", "discarded") for one in entries(out).values())
                and all(entries(out)[uid].count == len(sent[uid]) + 2 for uid in parts)
            )
        )
        node.process.send_signal(signal.SIGTERM)
        node.process.wait()
        print(*table_of(NodeFolder(out / "node")), sep="\n")
        stored = orthanc.get("/statistics")
        print(f"killed {node.kills} times; {time.monotonic() - began:.0f} s in all")
        print(f"Orthanc has {stored['CountInstances']} objects in {stored['CountStudies']} studies")
        answers = [
            json.loads(line)
            for path in (out / "node" / "states").glob("*.sent")
            for line in path.read_text().splitlines()
        ]
        twice = len(answers) - len({(one["peer"], one["uid"]) for one in answers})
        failed = sum(one["status"] != 0 for one in answers)
        print(f"{len(answers)} answers: {twice} of objects that were there, {failed} that are no success")
    finally:
        for process in (node.process, orthanc.process):
            with suppress(ProcessLookupError):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
