"""What docs/how-to/node.md says of Orthanc, run with a real one: both routes, and DICOMweb."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from pydicom.uid import JPEG2000Lossless

from sanum.clinic.node.counts import instances_expected
from sanum.clinic.node.errors import PeerUnreachable
from sanum.clinic.node.peers import Peer, WebPeer
from sanum.clinic.node.pull import pull
from sanum.clinic.node.send import send

from ...docs_blocks import BLOCK, DOCS

pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("unclosed"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
PAGE = (DOCS / "how-to" / "node.md").read_text(encoding="utf-8")
FILES = {info.split('title="')[1][:-1]: text for _, info, text in BLOCK.findall(PAGE) if "title" in info}
PLUGINS = "/usr/share/orthanc/plugins/"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def orthanc(tmp_path):
    """Start an Orthanc with the page's configuration, and changes to it; its two addresses."""
    pytest.importorskip("pynetdicom")
    program = next(filter(None, map(shutil.which, ("/usr/sbin/Orthanc", "Orthanc"))), None)
    if program is None:
        pytest.skip("Orthanc is not installed: apt install orthanc")
    running = []

    def start(plugin="", **changes):
        if plugin and not Path(PLUGINS + f"libOrthanc{plugin}.so").exists():
            pytest.skip(f"Orthanc's plugin is not installed: apt install orthanc-{plugin.lower()}")
        folder = tmp_path / "orthanc"
        folder.mkdir()
        for name in ("sanum.lua", "route.py"):
            (folder / name).write_text(FILES[name])
        settings = json.loads(FILES["orthanc.json"]) | {"StableAge": 1} | changes
        settings["DicomPort"], settings["HttpPort"] = free_ports(2)
        if plugin:
            settings["Plugins"] = [PLUGINS + f"libOrthanc{plugin}.so"]
            del settings["LuaScripts"]
        (folder / "orthanc.json").write_text(json.dumps(settings))
        silent = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
        running.append(subprocess.Popen([program, "orthanc.json"], cwd=folder, **silent))
        web = f"http://127.0.0.1:{settings['HttpPort']}"
        for _ in range(150):
            try:
                urlopen(f"{web}/system", timeout=5).close()
                break
            except (URLError, ConnectionError):
                assert running[-1].poll() is None
                time.sleep(0.2)
        return Peer("ORTHANC", "127.0.0.1", settings["DicomPort"]), WebPeer(f"{web}/dicom-web")

    yield start
    for one in running:
        one.terminate()
        one.wait(timeout=30)


@pytest.mark.parametrize("kind", ["lua", "python"])
def test_a_route_sends_scans_and_no_results(orthanc, peer, write, kind, monkeypatch):
    there = peer(own="SANUM")
    changes = {"DicomModalities": {"sanum": ["SANUM", "127.0.0.1", there.peer.port]}}
    if kind == "python":
        changes |= {"plugin": "Python", "PythonScript": "route.py"}
    archive, _ = orthanc(**changes)
    scan = [write(PatientID="1", Rows=n) for n in (1, 2, 3)]
    own = write(PatientID="1", SeriesInstanceUID="1.2.3.5", Manufacturer="sanum")
    report = write(PatientID="1", SeriesInstanceUID="1.2.3.6", Modality="SR")
    assert len(send([own, report, *scan], archive, own_aet="SCANNER").stored) == 5
    until = time.monotonic() + 30
    while len(there.got) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1.5)  # what should not come had its time as well
    assert sorted(there.got) == sorted(path.stem for path in scan)
    assert instances_expected(archive, "1.2.3", "1.2.3.4", own_aet="SANUM") == 3
    assert instances_expected(archive, "1.2.3", "9.9", own_aet="SANUM") is None


def test_tls_both_ways(orthanc, peer, write, tmp_path):
    """Orthanc shows a certificate and wants one, and so does the node."""
    pytest.importorskip("cryptography")
    from .certificates import Authority

    authority = Authority(tmp_path / "authority")
    own, its = authority.issue("node"), authority.issue("orthanc")
    there = peer(own="SANUM", tls=own.server_context())
    node = {"AET": "SANUM", "Host": "127.0.0.1", "Port": there.peer.port, "UseDicomTls": True}
    archive, _ = orthanc(
        DicomModalities={"sanum": node},
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(its.certificate),
        DicomTlsPrivateKey=str(its.key),
        DicomTlsTrustedCertificates=str(authority.path),
    )
    path = write(PatientID="1")
    assert send([path], archive, own_aet="SANUM", tls=own).stored == (path.stem,)
    until = time.monotonic() + 30
    while not there.got and time.monotonic() < until:
        time.sleep(0.1)
    assert list(there.got) == [path.stem]
    assert instances_expected(archive, "1.2.3", "1.2.3.4", own_aet="SANUM", tls=own) == 1
    with pytest.raises(PeerUnreachable, match="takes no association"):
        send([path], archive, own_aet="SANUM", attempts=1)


def test_dicomweb(orthanc, write, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _, web = orthanc(plugin="DicomWeb")
    files = [
        write(PatientID="1", StudyDate="20260102"),
        write(PatientID="1", StudyDate="20260102", syntax=JPEG2000Lossless),
    ]
    assert send(files, web, own_aet="SANUM").stored == tuple(path.stem for path in files)
    assert instances_expected(web, "1.2.3", "1.2.3.4", own_aet="SANUM") == 2
    got = []
    assert pull(web, got.append, tmp_path / "pulled.txt").instances == 2
    assert sorted(got) == sorted(path.read_bytes() for path in files)
    assert pull(web, got.append, tmp_path / "pulled.txt").instances == 0
