import hashlib

import pytest
import torch
from safetensors.torch import save_file

from sanum.files import sha256
from sanum.weights.file import WeightsError, load_weights, save_weights, state_sha256

STATE = {"a": torch.tensor([0.5, -1.25]), "b.c": torch.arange(6.0).reshape(2, 3)}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "w.safetensors"
    return path, save_weights(path, STATE, method="una", widths=(8, 16))


def test_what_is_saved_is_loaded(saved):
    state, description = load_weights(saved[0])
    assert set(state) == set(STATE)
    for name, x in state.items():
        assert x.dtype == torch.float32
        assert torch.equal(x, STATE[name])
    assert description == {"format": 2, "method": "una", "widths": [8, 16]}


def test_digest_is_the_files(saved):
    path, digest = saved
    assert digest == sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_half_precision_on_disk(tmp_path):
    x = {"x": torch.rand(1000, generator=torch.Generator().manual_seed(0))}
    save_weights(tmp_path / "w", x)
    assert (tmp_path / "w").stat().st_size < 2500
    torch.testing.assert_close(load_weights(tmp_path / "w")[0], x, atol=1e-3, rtol=1e-3)


def test_every_bit_is_kept_where_asked(tmp_path):
    x = {"x": torch.rand(100, generator=torch.Generator().manual_seed(0))}
    save_weights(tmp_path / "w", x, half=False)
    assert torch.equal(load_weights(tmp_path / "w")[0]["x"], x["x"])


def test_counts_and_large_values_are_kept(tmp_path):
    """Half precision would round a count above 2,048, and make a variance of 70,000 infinite."""
    state = {"num_batches_tracked": torch.tensor(70_001), "running_var": torch.tensor([0.5, 7e4])}
    save_weights(tmp_path / "norm.safetensors", state)
    found, _ = load_weights(tmp_path / "norm.safetensors")
    assert found["num_batches_tracked"].item() == 70_001
    assert found["running_var"].tolist() == [0.5, 7e4]


def test_one_changed_byte(saved):
    path, _ = saved
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(path)


def test_any_changed_bit_is_refused_without_a_digest_of_the_file(tmp_path):
    """Wherever it is, in the tensors or in the header."""
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.tensor([0.5, -1.25]), "n": torch.tensor(3.0)}, method="una")
    data = path.read_bytes()
    for at in range(len(data)):
        for bit in range(8):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
            with pytest.raises(WeightsError, match=r"w\.safetensors"):
                load_weights(path)


def test_the_same_weights_make_the_same_file(tmp_path):
    backwards = dict(reversed(STATE.items()))
    one, other = (save_weights(tmp_path / name, x, a=1) for name, x in (("a", STATE), ("b", backwards)))
    assert one == other
    assert save_weights(tmp_path / "c", STATE, a=2) != one


def test_files_from_before_have_no_digest(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.ones(2, dtype=torch.float16)}, path, {"sanum": '{"format": 1, "method": "una"}'})
    state, description = load_weights(path)
    assert state["x"].tolist() == [1, 1]
    assert description == {"format": 1, "method": "una"}


@pytest.mark.parametrize("keep", [0, 4, 60, -3])
def test_cut_short(saved, keep):
    path = saved[0]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match="not a readable"):
        load_weights(path)


def test_missing(tmp_path):
    with pytest.raises(WeightsError, match="not found"):
        load_weights(tmp_path / "nothing")


@pytest.mark.parametrize(
    "header",
    [
        None,
        {},
        {"sanum": "{}"},
        {"sanum": '{"format": 2}'},  # it must have its SHA-256
        {"sanum": '{"format": 3}'},
        {"sanum": "[1]"},
        {"sanum": "no json"},
    ],
)
def test_of_another_version(tmp_path, header):
    path = tmp_path / "w.safetensors"
    save_file(STATE, path, header)
    with pytest.raises(WeightsError, match=r"w\.safetensors"):
        load_weights(path)


def test_a_pickle_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    torch.save(STATE, path)
    with pytest.raises(WeightsError, match=r"not a readable .*; expected one that sanum wrote$"):
        load_weights(path)


def test_the_digest_of_the_state_is_that_of_the_weights_alone(tmp_path):
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
    for n, about in enumerate(({"method": "una"}, {"method": "una", "witnesses": {"base": 1}})):
        save_weights(tmp_path / f"{n}.safetensors", state, **about)
    one, other = (load_weights(tmp_path / f"{n}.safetensors")[0] for n in range(2))
    assert state_sha256(one) == state_sha256(other)
    other["b"][1] += 1
    assert state_sha256(one) != state_sha256(other)
