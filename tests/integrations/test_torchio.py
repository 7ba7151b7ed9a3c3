"""Inside TorchIO's own Compose, with its seeding, history and replay."""

import numpy as np
import pytest
import torch

tio = pytest.importorskip("torchio")

module = pytest.importorskip("sanum.integrations.torchio")
FluidAnomaly, RandomFluidAnomaly = module.FluidAnomaly, module.RandomFluidAnomaly

SHAPE = (30, 34, 28)
BALL = ((np.indices(SHAPE) - np.reshape([15, 17, 14], (3, 1, 1, 1))) ** 2).sum(0) < 12**2


def subject():
    data = torch.from_numpy((0.8 * BALL)[None].astype(np.float32))
    brain = torch.from_numpy(BALL[None].astype(np.uint8))
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    return tio.Subject(
        t1=tio.ScalarImage(tensor=data, affine=affine),
        flair=tio.ScalarImage(tensor=data.clone(), affine=affine),
        brain=tio.LabelMap(tensor=brain, affine=affine),
    )


def test_in_compose_with_its_seed():
    pipeline = tio.Compose([
        tio.RandomFlip(axes=(0,)),
        RandomFluidAnomaly(effect={"t1": "darker", "flair": "brighter"}, mask_name="brain"),
        tio.RandomNoise(std=0.001),
    ])  # fmt: skip
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(pipeline(subject()))
    assert all(torch.equal(outs[0][k].data, outs[1][k].data) for k in ("t1", "flair", "anomaly"))
    assert not torch.equal(outs[0].anomaly.data, outs[2].anomaly.data)
    p = outs[0].anomaly.data[0].numpy()
    assert isinstance(outs[0].anomaly, tio.LabelMap)
    assert p.max() == 1
    assert not p[outs[0].brain.data[0].numpy() == 0].any()
    np.testing.assert_array_equal(outs[0].anomaly.affine, outs[0].t1.affine)


def test_history_replays():
    torch.manual_seed(4)
    pipeline = tio.Compose([RandomFluidAnomaly(), tio.RandomNoise(std=0.01)])
    out = pipeline(subject())
    assert [t.name for t in out.history] == ["FluidAnomaly", "Noise"]
    again = out.get_composed_history()(subject())
    assert all(torch.equal(out[k].data, again[k].data) for k in ("t1", "flair", "anomaly"))
    assert isinstance(out.history[0], FluidAnomaly)


def test_only_what_is_included():
    out = RandomFluidAnomaly(include=["t1"], anomaly_name=None)(subject())
    assert not torch.equal(out.t1.data, subject().t1.data)
    assert torch.equal(out.flair.data, subject().flair.data)
    assert "anomaly" not in out


def test_a_plane_and_a_tensor():
    tensor = torch.from_numpy((0.8 * BALL[:, :, 14:15])[None].astype(np.float32))
    out = RandomFluidAnomaly()(tensor)
    assert out.shape == tensor.shape
    assert not torch.equal(out, tensor)


def test_errors():
    s = subject()
    s.brain.set_data(torch.zeros_like(s.brain.data))
    with pytest.raises(ValueError, match="domain of the anomaly is empty"):
        RandomFluidAnomaly(mask_name="brain")(s)
    s = subject()
    s.add_image(tio.ScalarImage(tensor=torch.ones(1, 4, 4, 4)), "other")
    with pytest.raises(RuntimeError, match="must share a grid"):
        RandomFluidAnomaly()(s)
