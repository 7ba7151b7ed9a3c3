"""What somebody else has put in the way of a download, and hosts that never end."""

import os

import pytest

from sanum.weights import download
from sanum.weights.store import WeightsError, fetch

from .hosts import DIGEST, whole


@pytest.mark.parametrize("url", ["http://[::1", "http://", "", "http://a:b/", "\0", "http://\ud800/"])
def test_an_address_that_is_none_is_told_and_the_next_is_asked(table, host, url):
    with pytest.raises(WeightsError, match="could not be fetched"):
        fetch("w", table=table(url))
    assert whole(fetch("w", table=table(url, host().url)))


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (place, kind)
        for place in (f".w-{DIGEST[:12]}.part", ".w.lock", "w.sha256")
        for kind in ("symlink", "link to nothing", "second name", "folder", "pipe")
        if (place, kind) != ("w.sha256", "folder")
    ],
)
def test_what_is_planted_is_not_written_to(table, host, tmp_path, kind, place):
    """The target of a link was overwritten by the download."""
    precious, folder = tmp_path / "precious", tmp_path / "cache" / "sanum" / "weights"
    precious.write_text("mine")
    folder.mkdir(parents=True)
    where = folder / place
    {
        "symlink": lambda: where.symlink_to(precious),
        "link to nothing": lambda: where.symlink_to(tmp_path / "new"),
        "second name": lambda: os.link(precious, where),
        "folder": where.mkdir,
        "pipe": lambda: os.mkfifo(where),
    }[kind]()
    assert whole(fetch("w", table=table(host().url)))
    assert precious.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert (folder / "w.sha256").read_text().strip() == DIGEST


def test_a_link_with_the_final_name_is_replaced(table, host, tmp_path):
    precious, folder = tmp_path / "precious", tmp_path / "cache" / "sanum" / "weights"
    precious.write_text("mine")
    folder.mkdir(parents=True)
    (folder / "w.safetensors").symlink_to(precious)
    path = fetch("w", table=table(host().url))
    assert whole(path)
    assert not path.is_symlink()
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_host_that_is_too_slow_is_left_for_the_next(table, host, monkeypatch, where):
    """It sends something now and then, so that no single wait is long."""
    monkeypatch.setattr(download, "_FIRST_S", 0.3)
    monkeypatch.setattr(download, "SLOWEST", 1e9)
    slow = host(pause=0.05) if where == "body" else host(slow_headers=True)
    with pytest.raises(WeightsError, match="too slow: "):
        fetch("w", table=table(slow.url))
    monkeypatch.setattr(download, "_FIRST_S", 60.0)
    monkeypatch.setattr(download, "SLOWEST", 20_000.0)
    assert whole(fetch("w", table=table(host().url)))
