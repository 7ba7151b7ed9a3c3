"""STOW, QIDO and WADO against a small server that fails in the ways that servers fail."""

import json
import re
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pydicom
import pytest

from sanum.clinic.node import pull as pulling
from sanum.clinic.node import stow
from sanum.clinic.node import web as module
from sanum.clinic.node.counts import instances_expected
from sanum.clinic.node.errors import PeerRefuses, PeerUnreachable
from sanum.clinic.node.peers import WebPeer
from sanum.clinic.node.pull import only_part, pull
from sanum.clinic.node.send import send

pytest.importorskip("dicomweb_client")
JSON = "application/dicom+json"
STUDY, SERIES = "1.2.3", "1.2.3.4"
_UID = re.compile(rb"\x08\0\x18\0UI..([0-9.]+\0?)", re.DOTALL)


class Server(ThreadingHTTPServer):
    """Answers come from `answers`, which the tests fill, else from the series that it has."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.stored, self.files = [], [], [], {}
        self.said, self.packed = {"series": None}, False
        self.peer = WebPeer(f"http://127.0.0.1:{self.server_port}/dicom-web")

    def found(self, path, query):
        """What QIDO finds, and what WADO brings."""
        parts = path.removeprefix("/dicom-web/").split("/")
        if len(parts) == 6:
            mark = b"--cut"
            body = mark + b"\r\nContent-Type: application/dicom\r\n\r\n" + self.files[parts[5]]
            return 200, 'multipart/related; type="application/dicom"; boundary=cut', body + b"\r\n--cut--"
        if len(parts) == 5:
            start = int(query["offset"][0])
            rows = [{"00080018": one([uid])} for uid in list(self.files)[start : start + 2]]
        elif len(parts) == 3:
            count = len(self.files) if self.said["series"] is None else self.said["series"]
            shown = {"00080060": one(["MR"]), "0020000E": one([SERIES]), "00201209": one([count])}
            ours = {**shown, "0020000E": one(["1.9"]), "00080070": one(["sanum"])}
            rows = [shown, ours, {"00080060": one(["SR"]), "0020000E": one(["1.9"])}]
        else:
            rows = [] if int(query["offset"][0]) else [{"0020000D": one([STUDY])}]
        return 200, JSON, json.dumps(rows).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        self.server.asked.append((path, query))
        self._say(*(self.server.answers.pop(0) if self.server.answers else self.server.found(path, query)))

    def do_POST(self):
        body = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.stored.append(body)
        uids = [uid.rstrip(b"\0").decode() for uid in _UID.findall(body)]
        stored = (200, JSON, said(stored=uids))
        self._say(*(self.server.answers.pop(0) if self.server.answers else stored))

    def _say(self, status, kind, body):
        self.send_response(status)
        self.send_header("Location" if status == 302 else "Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.server.packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def one(values):
    return {"Value": values}


@pytest.fixture(scope="module")
def running_web():
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def web(running_web, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for held in (running_web.answers, running_web.asked, running_web.stored, running_web.files):
        held.clear()
    running_web.said["series"], running_web.packed = None, False
    return running_web


def said(failed=(), warned=(), stored=()):
    """What a server says of instances (PS3.18, 10.5.3)."""
    answer = pydicom.Dataset()
    answer.FailedSOPSequence, answer.ReferencedSOPSequence = [], []
    for sequence, reason, pairs in (
        (answer.FailedSOPSequence, "FailureReason", failed),
        (answer.ReferencedSOPSequence, "WarningReason", warned),
        (answer.ReferencedSOPSequence, None, [(uid, None) for uid in stored]),
    ):
        for uid, status in pairs:
            item = pydicom.Dataset()
            item.ReferencedSOPInstanceUID = uid
            if reason:
                setattr(item, reason, status)
            sequence.append(item)
    return json.dumps(answer.to_json_dict()).encode()


# --- STOW


def test_files_are_stored(web, write):
    files = [write(), write(EncapsulatedDocument=bytes(2_000_000))]  # the second makes it a chunked request
    sent = send(files, web.peer, own_aet="SANUM")
    assert (sent.stored, sent.refused) == (tuple(path.stem for path in files), ())
    (body,) = web.stored
    assert all(path.read_bytes() in body for path in files)


def test_each_instance_has_a_status(web, write):
    files = [write() for _ in range(3)]
    a, b, c = (path.stem for path in files)
    body = said(failed=[(a, 0xA900)], warned=[(b, 0xB000)], stored=[c])
    web.answers.append((202, f"{JSON}; charset=utf-8", body))
    sent = send(files, web.peer, own_aet="SANUM")
    assert (sent.stored, [one.uid for one in sent.warned]) == ((b, c), [b])
    ((refused),) = sent.refused
    assert (refused.uid, refused.words) == (a, "refused: the data do not fit the kind of object (A900)")


def test_those_out_of_resources_are_sent_again_alone(web, write, waits):
    files, slept = [write(), write()], waits()
    web.answers.append((409, JSON, said(failed=[(path.stem, 0xA700) for path in files])))
    web.answers.append((202, JSON, said(failed=[(files[0].stem, 0xA700)], stored=[files[1].stem])))
    sent = send(files, web.peer, own_aet="SANUM", sleep=slept)
    assert sorted(sent.stored) == sorted(path.stem for path in files)
    assert slept == [2, 4]
    assert files[1].read_bytes() not in web.stored[2]


def test_what_is_not_named_is_not_stored(web, write):
    files, told = [write(), write()], []
    web.answers.append((200, JSON, said(stored=[files[0].stem, "1.2.3.99"])))
    with pytest.raises(PeerRefuses, match="does not say that it stored 1 of 2 objects"):
        send(files, web.peer, own_aet="SANUM", on_answer=lambda one: told.append((one.uid, one.status)))
    assert told == [(files[0].stem, 0)]


def test_all_refused_without_reasons(web, write):
    web.answers.append((409, JSON, b"{}"))
    sent = send([write()], web.peer, own_aet="SANUM")
    assert [one.words for one in sent.refused] == ["the peer failed while it worked on it (0110)"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(web, write, waits, status):
    web.answers.append((status, "text/plain", b"later"))
    slept, path = waits(), write()
    assert send([path], web.peer, own_aet="SANUM", sleep=slept).stored == (path.stem,)
    assert slept == [2]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((401, "text/plain", b""), r"wants a name and a password, which ~/.netrc has not .* \(HTTP 401\)"),
        ((403, "text/plain", b""), r"this node is not allowed to \(HTTP 403\)"),
        ((404, "text/plain", b""), r"there is nothing at this address \(HTTP 404\)"),
        ((418, "text/plain", b""), r"it failed \(HTTP 418\)"),
        ((409, "application/dicom+xml", b"<a/>"), "did not store all, and does not say in JSON which"),
        ((202, JSON, b"<html>"), "answers, but not as DICOMweb: is the path right"),
        ((200, JSON, b'{"00081198": 3}'), "answers, but not as DICOMweb: is the path right"),
        ((200, JSON, b"{}"), r"does not say that it stored 1 of 1 objects: is the path right"),
        ((200, "text/html", b"<html>log in"), "answers, but not as DICOMweb: is the path right"),
        ((204, "text/plain", b""), "answers, but not as DICOMweb: is the path right"),
        ((302, "/login", b""), r"sends elsewhere \(HTTP 302\): is the path right"),
    ],
)
def test_a_server_that_takes_nothing(web, write, waits, answer, told):
    web.answers.append(answer)
    slept = waits()
    with pytest.raises(PeerRefuses, match=told):
        send([write()], web.peer, own_aet="SANUM", sleep=slept)
    assert slept == []


def test_large_batches_go_in_several_requests(web, write, monkeypatch):
    files = [write() for _ in range(5)]
    size = max(path.stat().st_size for path in files)
    monkeypatch.setattr(stow, "LARGEST_REQUEST", 2 * size)
    assert len(send(files, web.peer, own_aet="SANUM").stored) == 5
    assert len(web.stored) == 3


def test_a_server_that_is_away(write, waits):
    slept = waits()
    with pytest.raises(PeerUnreachable, match=r"no answer from http://127.0.0.1:1; 1 of 1 files"):
        send([write()], WebPeer("http://127.0.0.1:1"), own_aet="SANUM", sleep=slept, attempts=2)
    assert slept == [2]


# --- QIDO


def test_the_number_of_instances(web):
    assert instances_expected(web.peer, STUDY, SERIES, own_aet="SANUM") is None or web.files == {}
    web.said["series"] = 176
    assert instances_expected(web.peer, STUDY, SERIES, own_aet="SANUM") == 176
    assert instances_expected(web.peer, STUDY, "1.2.3.5", own_aet="SANUM") is None
    web.answers.append((204, JSON, b""))
    assert instances_expected(web.peer, STUDY, SERIES, own_aet="SANUM") is None
    web.answers.append((200, "text/html", b"<html>a page"))
    with pytest.raises(PeerRefuses, match="not as DICOMweb"):
        instances_expected(web.peer, STUDY, SERIES, own_aet="SANUM")


# --- WADO


def test_new_instances_come_as_they_are(web, write, tmp_path):
    def fetch():
        return pull(web.peer, got.append, tmp_path / "pulled.txt", since=date(2026, 1, 2))

    got, files = [], [write() for _ in range(5)]
    web.files |= {path.stem: path.read_bytes() for path in files[:3]}
    brought = fetch()
    assert (brought.instances, brought.series) == (3, (SERIES,))
    assert got == [path.read_bytes() for path in files[:3]]
    assert web.asked[0][1]["StudyDate"] == ["20260102-"]
    assert not [path for path, _ in web.asked if "1.9" in path]  # reports, and what sanum made, are no scans
    web.asked.clear()
    assert fetch().instances == 0
    assert not [path for path, _ in web.asked if "instances" in path]  # the count says that there is no more
    web.files |= {path.stem: path.read_bytes() for path in files}
    assert fetch().instances == 2
    assert got == [path.read_bytes() for path in files]


def test_a_pull_that_breaks_off_goes_on_where_it_was(web, write, tmp_path):
    files = [write() for _ in range(3)]
    web.files |= {path.stem: path.read_bytes() for path in files}
    got = []

    def take(content):
        got.append(content)
        if len(got) == 2:
            web.answers.append((503, "text/plain", b""))

    with pytest.raises(PeerUnreachable, match=r"HTTP 503"):
        pull(web.peer, take, tmp_path / "pulled.txt", study_uid=STUDY)
    assert pull(web.peer, take, tmp_path / "pulled.txt", study_uid=STUDY).instances == 1
    assert got == [path.read_bytes() for path in files]


@pytest.mark.parametrize(
    "answer",
    [
        (200, JSON, json.dumps([{"0020000D": one(["../../etc"])}]).encode()),
        (200, JSON, json.dumps([{"0020000D": one([7])}]).encode()),
        (200, JSON, json.dumps([{}]).encode()),
        (200, JSON, b"[3]"),
        (200, JSON, b"3"),
        (200, JSON, b"[{"),
        (200, JSON, b"[" * 200_000),
    ],
)
def test_answers_that_are_no_dicomweb(web, tmp_path, answer):
    web.answers.append(answer)
    with pytest.raises(PeerRefuses, match="answers, but not as DICOMweb"):
        pull(web.peer, tmp_path, tmp_path / "pulled.txt")


def test_an_instance_that_cannot_be_fetched_keeps_no_other_waiting(web, write, tmp_path):
    got, files = [], [write(PatientComments="x" * 900), write()]
    web.files |= {path.stem: path.read_bytes() for path in files}
    with pytest.raises(PeerRefuses, match="sends an instance of more than 0 MB"):
        pull(web.peer, got.append, tmp_path / "pulled.txt", largest=1000)
    assert got == [files[1].read_bytes()]


def test_packed_and_endless_answers_are_not_read(web, tmp_path, monkeypatch):
    """A few kilobytes may become gigabytes; nothing packed was asked for."""
    web.packed = True
    with pytest.raises(PeerRefuses, match="packs its answers"):
        pull(web.peer, tmp_path, tmp_path / "pulled.txt")
    web.packed = False
    monkeypatch.setattr(module, "LARGEST_ANSWER", 3 << 20)
    web.answers.append((200, JSON, b"[" + b" " * (4 << 20) + b"]"))
    with pytest.raises(PeerRefuses, match="answers with more than 3 MB of text"):
        pull(web.peer, tmp_path, tmp_path / "pulled.txt")


def test_pages_without_an_end(web, tmp_path, monkeypatch):
    def page(start):
        return 200, JSON, json.dumps([{"0020000D": one([f"1.{start}.{k}"])} for k in range(4)]).encode()

    monkeypatch.setattr(pulling, "MOST", 8)
    none = (200, JSON, b"[]")
    web.answers += [page(1), *[none] * 4, page(2), *[none] * 4]
    with pytest.raises(PeerRefuses, match="answers without an end: 8 studies"):
        pull(web.peer, tmp_path, tmp_path / "pulled.txt")
    web.answers += [page(1)]
    web.asked.clear()
    assert pull(web.peer, tmp_path, tmp_path / "pulled.txt", is_ended=lambda: True).instances == 0
    assert len(web.asked) == 2  # one page, one study


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/dicom", b"file", b"file"),
        (
            'multipart/related; boundary="a b"',
            b"--a b\r\nX: 1\r\n\r\n\r\n--\r\nfile\r\n--a b--",
            b"\r\n--\r\nfile",
        ),
        ("multipart/related; boundary=a", b"words before\r\n--a\r\n\r\nfile\r\n--a--\r\n", None),
        ("multipart/related; boundary=a", b"--a\r\n\r\n1\r\n--a\r\n\r\n2\r\n--a--", None),
        ("multipart/related; boundary=a", b"--a\r\n\r\nfile", None),
        ("multipart/related", b"file", None),
        ("", b"", None),
    ],
)
def test_the_one_file_of_an_answer(kind, body, expected):
    if expected is None and b"words before" not in body:
        with pytest.raises(PeerRefuses, match="not with one file"):
            only_part(body, kind, WebPeer("http://x"))
    else:
        assert only_part(body, kind, WebPeer("http://x")) == (expected or b"file")
