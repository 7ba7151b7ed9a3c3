import sys

import pytest
import torch

from sanum.learn.devices import native_bfloat16, open_devices, resolve_device, share, share_size


@pytest.mark.parametrize(("parts", "world"), [(1, 1), (2, 1), (1, 2), (2, 3), (3, 4)])
def test_a_step_is_shared_out_without_rest(parts, world):
    shares = [
        share(5, batch=24, part=part, parts=parts, rank=rank, world=world)
        for part in range(parts)
        for rank in range(world)
    ]
    assert sorted(n for s in shares for n in s) == list(range(120, 144))
    assert {len(s) for s in shares} == {share_size(24, parts, world)}


def test_a_batch_that_cannot_be_shared_out():
    with pytest.raises(
        ValueError, match=r"batch_size 6 cannot be .* over 2 processes and 2 micro-batches: .* of 4"
    ):
        share_size(6, parts=2, world=2)


@pytest.mark.parametrize(
    ("precision", "inside"), [("32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_precision_is_that_of_the_layers_and_not_of_the_input(precision, inside):
    fabric = open_devices("cpu", precision=precision)
    fabric.launch()
    seen = []

    class Net(torch.nn.Linear):
        def forward(self, x):
            seen.extend([x.dtype, super().forward(x).dtype])
            return super().forward(x)

    fabric.setup_module(Net(2, 2))(torch.ones(1, 2))
    assert seen == [torch.float32, inside]


def test_auto_is_what_is_native():
    told = open_devices("cpu").strategy.precision.precision
    assert told == ("bf16-mixed" if native_bfloat16("cpu") else "32-true")


def test_torchrun_says_how_many(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    for name in ("RANK", "LOCAL_RANK", "GROUP_RANK"):
        monkeypatch.setenv(name, "0")
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "GROUP_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert open_devices("cpu", precision="32").world_size == 4
    with pytest.raises(ValueError, match="--devices is 3, but torchrun started 2 processes"):
        open_devices("cpu", 3)


def test_more_than_there_are():
    with pytest.raises(ValueError, match="99 GPUs were asked for, but there are"):
        open_devices("cuda", 99)
    with pytest.raises(ValueError, match="cuda:0 is one device"):
        open_devices("cuda:0", 2)


def test_without_fabric_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "sanum\[train\]"'):
        open_devices("cpu")


class TestDevice:
    def test_auto_and_cpu(self):
        assert resolve_device("cpu") == "cpu"
        assert resolve_device("auto") in ("cpu", "cuda", "mps")

    @pytest.mark.parametrize("name", ["tpu", "", "cpu:1", "mps:0", "cuda:", "cuda:x", "cuda:-1", "cuda:²"])
    def test_unknown(self, name):
        with pytest.raises(ValueError, match=r"device is auto, cpu, cuda, cuda:n or mps, not"):
            resolve_device(name)

    def test_not_there(self):
        with pytest.raises(ValueError, match=r"cuda:99 is not there: this machine has .* use --device auto"):
            resolve_device("cuda:99")

    def test_no_mps(self, monkeypatch):
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        with pytest.raises(ValueError, match="mps is not there"):
            resolve_device("mps")
