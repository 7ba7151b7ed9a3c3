"""The network is loaded once, and no longer kept than wanted."""

import shutil
import threading

import pytest

import sanum
from sanum.healthy import network as module
from sanum.healthy.network import network, release_networks
from sanum.methods import registry
from sanum.weights.store import resolve


class Loaded:
    """Stands for a network."""

    memory_plan = None


@pytest.fixture
def loads(monkeypatch):
    """What was loaded, in place of a network."""
    made = []

    def load(name, *, device, weights):
        made.append((name, device, weights))
        return Loaded()

    monkeypatch.setattr(registry, "load", load)
    release_networks()
    yield made
    release_networks()


def test_a_second_call_takes_the_network_of_the_first(loads):
    first = network(device="cpu")
    assert network(device="cpu") is first
    assert network(device="cpu", weights="una-compact") is first
    assert network(device="cpu", weights=resolve("una-compact")) is first
    assert [(name, device) for name, device, _ in loads] == [("una", "cpu")]
    release_networks()
    assert network(device="cpu") is not first


def test_weights_that_were_written_anew_are_read_anew(loads, tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"one")
    first = network(device="cpu", weights=path)
    path.write_bytes(b"two")
    assert network(device="cpu", weights=path) is not first
    assert len(loads) == 2


def test_only_the_last_two_are_kept(loads, tmp_path):
    paths = [tmp_path / f"{n}.safetensors" for n in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode())
        network(device="cpu", weights=path)
    network(device="cpu", weights=paths[2])
    network(device="cpu", weights=paths[1])
    assert len(loads) == 3
    network(device="cpu", weights=paths[0])
    assert len(loads) == 4


def test_a_network_that_gave_way_to_memory_is_loaded_anew(loads):
    first = network(device="cpu")
    first.memory_plan = type("Plan", (), {"taken": ["in slabs of 32 planes"]})()
    assert network(device="cpu") is not first


def test_threads_load_it_once_on_the_cpu_and_have_their_own_elsewhere(loads, monkeypatch):
    def in_threads(device):
        found = []
        threads = [threading.Thread(target=lambda: found.append(network(device=device))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    one, other = in_threads("cpu")
    assert one is other
    monkeypatch.setattr(module, "resolve_device", lambda device: device)
    release_networks()
    one, other = in_threads("cuda")
    assert one is not other or len(loads) == 2  # a thread's number may be given again


@pytest.mark.full
def test_reconstruct_takes_weights_by_name_and_by_file(
    phantom, phantom_predictor, loads, tmp_path, monkeypatch
):
    monkeypatch.setattr(registry, "load", lambda _, **how: loads.append(how) or phantom_predictor)
    for _ in range(2):
        sanum.reconstruct(phantom, device="cpu")
    copy = shutil.copy(resolve("una-compact"), tmp_path / "mine.safetensors")
    sanum.reconstruct(phantom, device="cpu", weights=copy)
    assert [how["weights"].name for how in loads] == ["una-compact.safetensors", "mine.safetensors"]
    with pytest.raises(ValueError, match="weights not found: nothing"):
        sanum.reconstruct(phantom, weights="nothing")


@pytest.mark.parametrize(("name", "value"), [("device", "cpu"), ("weights", "una-compact")])
def test_a_predictor_has_its_own_weights_and_device(phantom, phantom_predictor, name, value):
    with pytest.raises(ValueError, match=f"leave out {name}, or predictor"):
        sanum.reconstruct(phantom, predictor=phantom_predictor, **{name: value})
