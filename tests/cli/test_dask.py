"""What `--executor dask` asks of the workers, and refuses."""

import pytest

from ..cohort.stand_in import make_cohort


@pytest.fixture
def four(tmp_path):
    """A folder of four scans."""
    make_cohort(tmp_path / "in", 4, 1)
    return tmp_path / "in"


def test_a_scheduler_of_nobody(sanum, four, tmp_path):
    words = ("reconstruct", four, "-o", tmp_path / "out", "--scheduler", "tcp://head:8786")
    assert sanum(*words).refused() == "--scheduler goes with --executor dask"
    words = ("reconstruct", four, "-o", tmp_path / "out", "--executor", "dask", "--certificate", "c.pem")
    assert sanum(*words).refused() == "--certificate goes with --scheduler"


def test_a_login_node_needs_no_gpu_and_loads_no_network(sanum, four, tmp_path, monkeypatch):
    """With Dask the workers find the device, and count their own cores."""
    pytest.importorskip("distributed")
    pytest.importorskip("cryptography")
    asked = []

    def on_dask(items, output, load, how, settings, **where):
        asked.append((how, where))
        yield from ()

    def loaded(**_):
        raise AssertionError("nothing is loaded here")

    monkeypatch.setattr("sanum.cohort.run_on_dask", on_dask)
    monkeypatch.setattr("sanum.methods.registry.load", loaded)
    words = ("reconstruct", four, "-o", tmp_path / "out", "--executor", "dask", "--device", "cuda:9")
    assert sanum(*words, "--scheduler", "tcp://head:8786").code == 1  # nobody did anything
    assert sanum(*words, "--threads", "3", "--workers", "5").code == 1
    reading = {"volume": None, "contrast": None, "series": None, "skip_damaged": False}
    options = ("input", "anatomy", reading, False, None, False, None)
    assert [how for how, _ in asked] == [
        ("cuda:9", 0, None, None, options, 1),
        ("cuda:9", 3, None, None, options, 5),
    ]
    assert asked[0][1] == {"scheduler": "tcp://head:8786", "workers": 2}
    words = (*words[:-1], "gpu")
    assert sanum(*words).refused() == 'device is auto, cpu, cuda, cuda:n or mps, not "gpu"'
