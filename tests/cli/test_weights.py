import json

import pytest


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SANUM_WEIGHTS", str(tmp_path))


def test_list_names_the_shipped_weights(sanum, tmp_path):
    (tmp_path / "table.json").write_text(
        json.dumps([{"name": "w", "sha256": "ab" * 32, "size": 2_000_000, "urls": []}])
    )
    ran = sanum("weights", "list", "--table", tmp_path / "table.json")
    assert (ran.code, ran.err) == (0, "")
    *of_kt, registration, shipped, second, other = ran.out.splitlines()
    assert shipped.startswith("una-compact\t17.")
    assert shipped.endswith("una-compact.safetensors")
    assert second.startswith("una-fine\t2.")
    assert registration.startswith("mad\t3.")
    assert all(line.startswith("kt-") for line in of_kt)
    assert other == "w\t2.0 MB\tabababababab\tnot here"


def test_fetch_prints_the_path(sanum, tmp_path):
    ran = sanum("weights", "fetch", "una-compact", "--to", tmp_path / "to")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{tmp_path / 'to' / 'una-compact.safetensors'}\n"


def test_verify(sanum, tmp_path):
    assert "\nuna-compact\twhole\t/" in sanum("weights", "verify").out
    (tmp_path / "una-compact.safetensors").write_bytes(b"short")
    ran = sanum("weights", "verify")
    assert ran.code == 1
    assert "\nuna-fine\twhole\t/" in ran.out
    assert "una-compact" not in ran.out
    assert "are damaged: expected SHA-256" in ran.err


def test_refusals(sanum, tmp_path):
    assert "unknown weights x: known are kt-" in sanum("weights", "fetch", "x").refused()
    assert "Missing command; see sanum weights --help" in sanum("weights").refused()
    for command in ("list", "verify"):
        assert "no table of weights" in sanum("weights", command, "--table", tmp_path / "none").refused()
    (tmp_path / "file").touch()
    assert "file" in sanum("weights", "fetch", "una-compact", "--to", tmp_path / "file").refused()
