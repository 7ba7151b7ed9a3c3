"""A host and a table of weights."""

import json

import pytest

from .hosts import CONTENT, DIGEST, Host


@pytest.fixture
def host():
    started = []

    def start(**how):
        started.append(Host(**how))
        return started[-1]

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Write a table of one entry, "w"; the user's cache is a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SANUM_WEIGHTS", raising=False)

    def write(*urls, **other):
        entry = {"name": "w", "sha256": DIGEST, "size": len(CONTENT), "urls": urls, **other}
        (tmp_path / "table.json").write_text(json.dumps([entry]))
        return tmp_path / "table.json"

    return write
