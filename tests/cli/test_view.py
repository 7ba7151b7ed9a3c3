"""`sanum view`: what it says, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest


def test_wrong_use_is_told_in_a_sentence(sanum, tmp_path):
    missing = tmp_path / "missing"
    said = sanum("view", missing).refused()
    assert said == f"{missing} is no folder of results: expected what -o of another command named"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = sanum("view", tmp_path, "--port", port).refused()
    assert re.fullmatch(rf"port {port} cannot be used: .+; leave --port out to get a free one", said)


@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_peace(tmp_path, how):
    words = [sys.executable, "-c", "from sanum.cli.main import main; main()", "view", str(tmp_path)]
    running = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    address, hint = (running.stdout.readline().strip() for _ in range(2))
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert b"No results are here" in answer.read()
    running.send_signal(how)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err, hint) == (0, "", "", "Open it in a browser; Ctrl-C ends it.")
    assert os.listdir(tmp_path) == []
