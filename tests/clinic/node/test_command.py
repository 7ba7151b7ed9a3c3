"""`sanum node`: what it says, and the table of its states."""

import json
import os
import socket

import pytest
from typer.testing import CliRunner

pytest.importorskip("pynetdicom")

from sanum.cli.main import app
from sanum.clinic.node.folder import NodeFolder
from sanum.clinic.node.queue import Entry, Queue
from sanum.cohort import lock

RUN = CliRunner()


def refused(*words):
    ran = RUN.invoke(app, ["node", *map(str, words)])
    assert ran.exit_code == 2
    (line,) = ran.stderr.splitlines()
    return line


def test_status_is_a_table_of_states_and_reasons(tmp_path):
    queue = Queue(tmp_path / "states", clock=lambda: 1.8e9)
    queue.put(Entry("1.2.1", "1.2", "1.2.1", "done", count=20, expected=20, sent={"A@h:1": 25, "B@h:1": 24}))
    queue.put(Entry("1.2.2", "1.2", "1.2.2", "error", "it lacks 1 of 20 planes", count=19))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.dcm").touch()
    ran = RUN.invoke(app, ["node", "status", str(tmp_path)])
    assert [" ".join(line.split()) for line in ran.stdout.splitlines()] == [
        "series state objects sent since reason",
        "1.2.1 done 20/20 25+24 2027-01-15 08:00:00 UTC -",
        "1.2.2 error 19 - 2027-01-15 08:00:00 UTC it lacks 1 of 20 planes",
        "0 incoming, 0 processing, 1 done, 1 error, 0 discarded",
        "1 object arrived and not yet looked at",
    ]
    told = json.loads(RUN.invoke(app, ["node", "status", str(tmp_path), "--json"]).stdout)
    assert told["states"] == {"incoming": 0, "processing": 0, "done": 1, "error": 1, "discarded": 0}
    assert [(one["series"], one["reason"]) for one in told["series"]][1] == (
        "1.2.2",
        "it lacks 1 of 20 planes",
    )


def test_no_folder(tmp_path):
    assert "is no folder of a node" in refused("status", tmp_path / "missing")
    assert "is no folder of a node" in refused("status", tmp_path)  # some other folder
    assert "-o FOLDER is missing" in refused("--known", "A")


def test_nobody_may_send(tmp_path):
    assert "nobody may send to the node" in refused("-o", tmp_path)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--peer", "ORTHANC"], "expected a peer as AET@host:port or https://…, got 'ORTHANC'"),
        (["--known", "A TITLE THAT IS TOO LONG"], "expected an AE title of 1 to 16 ASCII characters"),
        (["--known", "A", "--key", "k"], "TLS needs --certificate, --key and --authority"),
        (
            ["--known", "A", "--rules", "{}/missing.toml"],
            "missing.toml cannot be read: expected rules in TOML",
        ),
        (["--known", "A", "--pull", "A@h:1"], "--pull takes the address of a DICOMweb server"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, words, sentence):
    assert sentence in refused("-o", tmp_path, *(word.format(tmp_path) for word in words))


def test_what_cannot_begin_is_told_before_the_network_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("sanum.cli.node.job_of", lambda *_, **__: pytest.fail("it was loaded"))
    monkeypatch.setattr("sanum.cli.node.log_to_stderr", lambda **_: pytest.fail("it began"))
    root = tmp_path / "node"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        words = ("-o", root, "--known", "A", "--port", port)
        assert f"port {port} of 127.0.0.1 cannot be used (Address already in use)" in refused(*words)
    assert "no such folder to watch" in refused(*words, "--watch", tmp_path / "missing")
    assert "cannot be watched" in refused(*words, "--watch", tmp_path)
    assert not root.exists()
    root.mkdir()
    with monkeypatch.context() as other:
        other.setattr(os, "getpid", os.getppid)
        assert lock.acquire(NodeFolder(root).lock, "other")
    assert "another node works on node" in refused(*words)
