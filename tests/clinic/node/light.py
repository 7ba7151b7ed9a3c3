"""A light job in place of the network, a node that does it, and series to send to it.

Run as a program it starts nodes that can be killed, for each line `FOLDER PORT PEER DELAY_S` of its input.
"""

import hashlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sanum.clinic.job import DICOM
from sanum.clinic.maker import uid_of
from sanum.clinic.node.choose import read_rules
from sanum.clinic.node.deliver import Route
from sanum.clinic.node.peers import peer_from
from sanum.clinic.node.service import Node, NodeSettings
from sanum.cohort import job_of
from sanum.methods.api import Output
from sanum.methods.common.saving import FolderContent
from sanum.scan import read
from sanum.scan.errors import NoHead

OBJECTS = 3
"""Of each result."""


def light_job(notes, delay_s=0.0):
    """A job that takes no time; `notes` gets a line for each series whose result was begun to be written."""

    def once(item):
        scan = read(item.path)
        voxels = np.asarray(scan.voxels)
        time.sleep(delay_s)
        if voxels.max() < 700:  # no lesion
            raise NoHead(f"no head found in {item.path.name}: too dark (or go on with --force)")
        digest = hashlib.sha256(np.ascontiguousarray(voxels)).hexdigest()

        def write(folder):
            for k in range(OBJECTS):
                result_object(uid_of(item.stem, digest, k)).save_as(
                    folder / f"sanum-{k}.dcm", enforce_file_format=True
                )
            with open(notes, "a") as stream:
                stream.write(f"{item.stem} {voxels.shape[2]}\n")

        outputs = {"dicom": Output(DICOM, FolderContent(write))}
        return SimpleNamespace(
            name=item.stem, outputs=outputs, numbers={"voxels": voxels.size}, warnings=(), provenance={}
        )

    return job_of(once, {"dicom": DICOM}, name="light", tables={"volumes.tsv": {"voxels": 0}})


def result_object(uid):
    one = pydicom.Dataset()
    one.file_meta = pydicom.dataset.FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = SecondaryCaptureImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = uid
    one.StudyInstanceUID, one.SeriesInstanceUID, one.Modality = "1.2.3", uid_of("results"), "OT"
    return one


def settings_of(*peers, **choices):
    plain = {
        "aet": "SANUM",
        "address": ("127.0.0.1", 0),
        "known": ("MODALITY",),
        "route": Route(tuple(peers), "SANUM"),
        "rules": read_rules(),
        "quiet_s": 0.6,
        "patience_s": 1.5,
        "kept_free": 0,
    }
    return NodeSettings(**{**plain, **choices})


class Running:
    """A node in a thread of this process."""

    def __init__(self, folder, job, settings):
        self.node, self.ended = Node(folder, job, settings), threading.Event()
        self.thread = threading.Thread(target=self.node.run, args=(self.ended,))
        self.thread.start()
        until(lambda: self.node.scp.is_listening)

    @property
    def port(self):
        return self.node.scp.port

    def states(self):
        return {one.key: one.state for one in self.node.queue.of(*STATES)}

    def has_ended(self, count):
        """Whether so many objects came, and all their series are at an end."""
        ends = self.node.queue.of("done", "error", "discarded")
        return sum(one.count for one in ends) == count and len(ends) == len(self.states())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(20)


STATES = ("incoming", "processing", "done", "error", "discarded")


def until(true, seconds=60.0):
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.05)
    return found


def store(port, datasets, own="MODALITY", to="SANUM"):
    """Send datasets in one association; their statuses."""
    from pynetdicom import AE

    entity = AE(own)
    for kind in sorted({one.SOPClassUID for one in datasets}):
        entity.add_requested_context(kind, ExplicitVRLittleEndian)
    link = entity.associate("127.0.0.1", port, ae_title=to)
    assert link.is_established
    statuses = [link.send_c_store(one).Status for one in datasets]
    link.release()
    return statuses


def serve():
    """For each line on standard input, a node in a process of its own; its id is printed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if child := os.fork():
            sys.stdout.write(f"{child}\n")
            sys.stdout.flush()
        else:
            serve_one(*line.split())


def serve_one(folder, port, peer, delay_s):
    """A node, until it is killed or told to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    job = light_job(Path(folder) / "notes", float(delay_s))
    Node(Path(folder), job, settings_of(peer_from(peer), address=("127.0.0.1", int(port)))).run(ended)
    os._exit(0)


if __name__ == "__main__":
    serve()
