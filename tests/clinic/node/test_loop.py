"""Series, interleaved, through a node that is killed three times, to an archive."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest

pytest.importorskip("pynetdicom")

from pydicom.uid import SecondaryCaptureImageStorage

from sanum.clinic.node.folder import NodeFolder
from sanum.clinic.node.queue import read_entries

from .light import OBJECTS, store, until
from .made import series

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
ORTHANC = ("/usr/sbin/Orthanc", "Orthanc")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def orthanc(tmp_path):
    """An archive of Debian's package; it begins to listen when told."""
    program = next(filter(None, map(shutil.which, ORTHANC)))
    http, dicom, folder = free_port(), free_port(), str(tmp_path / "archive")
    settings = {
        **{"StorageDirectory": folder, "IndexDirectory": folder, "Plugins": [], "DicomAet": "ARCHIVE"},
        **{"HttpPort": http, "DicomPort": dicom, "AuthenticationEnabled": False, "DicomCheckCalledAet": True},
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    started = []

    def get(path):
        with urlopen(f"http://127.0.0.1:{http}{path}", timeout=30) as answer:
            return json.loads(answer.read())

    def start():
        words = [program, tmp_path / "orthanc.json"]
        started.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

        def answers():
            with suppress(OSError):
                return get("/system")

        until(answers, 60)

    def stored():
        instances = [get(f"/instances/{one}") for one in get("/instances")]
        return [one["MainDicomTags"]["SOPInstanceUID"] for one in instances]

    yield SimpleNamespace(start=start, stored=stored, peer=f"ARCHIVE@127.0.0.1:{dicom}")
    for one in started:
        one.terminate()
        one.wait(timeout=30)


@pytest.fixture
def own(peer):
    """An archive of pynetdicom, which is everywhere."""
    port, made = free_port(), []

    def start():
        made.append(peer(kinds=(SecondaryCaptureImageStorage,), own="ARCHIVE", port=port))

    return SimpleNamespace(start=start, stored=lambda: list(made[0].got), peer=f"ARCHIVE@127.0.0.1:{port}")


@pytest.fixture
def nodes():
    """Start nodes that can be killed; they are processes of a server that has imported all."""
    program = str(Path(__file__).with_name("light.py"))
    with subprocess.Popen([sys.executable, program], stdin=-1, stdout=-1, text=True) as server:
        children = []

        def start(*words):
            print(*words, file=server.stdin, flush=True)
            children.append(int(server.stdout.readline()))
            return children[-1]

        yield start
        for child in children:
            with suppress(ProcessLookupError):
                send_signal(child, signal.SIGKILL)
        server.stdin.close()


def send_signal(process, number):
    os.kill(process, number)


def test_every_head_is_done_and_sent_once(request, tmp_path, nodes):
    """With Orthanc and storescu where they are installed, else with pynetdicom alone."""
    installed = all(any(map(shutil.which, names)) for names in (ORTHANC, ["storescu"]))
    name, count = ("orthanc", 20) if installed else ("own", 6)
    send = by_storescu(tmp_path / "scanner") if installed else by_pynetdicom
    archive, root, port = request.getfixturevalue(name), tmp_path / "node", free_port()
    root.mkdir()
    sent, late = {}, []
    knee, lacking = f"1.2.{count - 1}", f"1.2.{count}"
    for k in range(1, count + 1):
        uid = f"1.2.{k}"
        made = series(
            uid, is_head=uid != knee, without=(4,) if uid == lacking else (), StudyInstanceUID=f"1.{k}"
        )
        if k in (count - 3, count - 2):
            made, later = made[:-2], made[-2:]
            late += later
        sent[uid] = made
    mixed = [one for some in zip_longest(*sent.values()) for one in some if one is not None]
    draw, killed = random.Random(22), 0
    process = nodes(root, port, archive.peer, 0.05)

    def killed_and_started():
        nonlocal process, killed
        send_signal(process, signal.SIGKILL)
        killed += 1
        process = nodes(root, port, archive.peer, 0.05)

    sending = threading.Thread(target=keep_storing, args=(send, port, mixed))
    sending.start()
    until(lambda: len([*root.glob("new/*.dcm"), *root.glob("series/*/*.dcm")]) > 4 * count)
    killed_and_started()  # while the scanner sends, which begins anew
    sending.join()
    until(lambda: states(root).get("1.2.1") == "processing")
    time.sleep(draw.uniform(0.2, 0.5))
    killed_and_started()  # while it processes, and no archive is there
    archive.start()
    until(lambda: "done" in states(root).values(), 60)
    killed_and_started()  # while it sends
    keep_storing(send, port, late)
    heads = sent.keys() - {knee, lacking}
    until(lambda: {key for key, state in states(root).items() if state == "done"} == heads, 90)
    until(lambda: states(root)[lacking] == "error")
    entries = read_entries(NodeFolder(root).states)
    send_signal(process, signal.SIGTERM)
    assert killed == 3
    assert (entries[knee].state, entries[knee].reason) == ("discarded", f"no head found in {knee}: too dark")
    assert "lacks 1 of 10 planes" in entries[lacking].reason
    written = (root / "notes").read_text().splitlines()
    assert {line for line in written if line.endswith(" 10")} == {f"{uid} 10" for uid in heads}
    records = [*root.glob("results/*/*_record.json")]
    assert {path.parent.name for path in records} == heads
    stored = archive.stored()
    assert len(stored) == len(set(stored)) == len(heads) * OBJECTS
    for uid in heads:
        answers = (root / "states" / f"{uid}.sent").read_text().splitlines()
        assert len(answers) == len(set(answers)) == OBJECTS
        assert all(json.loads(line)["status"] == 0 for line in answers)


def states(root):
    return {key: one.state for key, one in read_entries(NodeFolder(root).states).items()}


def keep_storing(send, port, datasets):
    """Send all, as often as it takes until all were acknowledged in one association."""

    def is_stored():
        with suppress(AssertionError, AttributeError, RuntimeError):  # it was killed
            return send(port, datasets)

    until(is_stored, 60)


def by_pynetdicom(port, datasets):
    return set(store(port, datasets)) == {0}


def by_storescu(folder):
    """The same by dcmtk's program."""
    folder.mkdir()

    def send(port, datasets):
        paths = [folder / f"{one.SOPInstanceUID}.dcm" for one in datasets]
        for path, one in zip(paths, datasets, strict=True):
            one.save_as(path, enforce_file_format=True)
        words = ["storescu", "-aet", "MODALITY", "-aec", "SANUM", "127.0.0.1", str(port), *map(str, paths)]
        return subprocess.run(words, capture_output=True, timeout=60).returncode == 0

    return send
