"""Inside TorchIO's own Compose, with its seeding, history and replay; TorchIO 1 or 2, whichever is there."""

from importlib.metadata import version

import numpy as np
import pytest
import torch

tio = pytest.importorskip("torchio")

module = pytest.importorskip("sanum.integrations.torchio")
FluidAnomaly, RandomFluidAnomaly = module.FluidAnomaly, module.RandomFluidAnomaly
TWO = int(version("torchio").split(".")[0]) >= 2
Flip, Noise = (tio.Flip, tio.Noise) if TWO else (tio.RandomFlip, tio.RandomNoise)

SHAPE = (30, 34, 28)
BALL = ((np.indices(SHAPE) - np.reshape([15, 17, 14], (3, 1, 1, 1))) ** 2).sum(0) < 12**2


def scalar(tensor, **how):
    return tio.ScalarImage(tensor, **how) if TWO else tio.ScalarImage(tensor=tensor, **how)


def label(tensor, **how):
    return tio.LabelMap(tensor, **how) if TWO else tio.LabelMap(tensor=tensor, **how)


def matrix(image):
    return np.asarray(image.affine.data if TWO else image.affine)


def subject():
    data = torch.from_numpy((0.8 * BALL)[None].astype(np.float32))
    brain = torch.from_numpy(BALL[None].astype(np.uint8))
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    return tio.Subject(
        t1=scalar(data, affine=affine),
        flair=scalar(data.clone(), affine=affine),
        brain=label(brain, affine=affine),
    )


def test_in_compose_with_its_seed():
    lesion = RandomFluidAnomaly(effect={"t1": "darker", "flair": "brighter"}, mask_name="brain")
    pipeline = tio.Compose([Flip(axes=(0,)), lesion, Noise(std=0.001)])
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
    np.testing.assert_array_equal(matrix(outs[0].anomaly), matrix(outs[0].t1))


@pytest.mark.skipif(TWO, reason="the history of TorchIO 1")
def test_history_replays():
    torch.manual_seed(4)
    pipeline = tio.Compose([RandomFluidAnomaly(), Noise(std=0.01)])
    out = pipeline(subject())
    assert [t.name for t in out.history] == ["FluidAnomaly", "Noise"]
    again = out.get_composed_history()(subject())
    assert all(torch.equal(out[k].data, again[k].data) for k in ("t1", "flair", "anomaly"))
    assert isinstance(out.history[0], FluidAnomaly)


@pytest.mark.skipif(not TWO, reason="the history of TorchIO 2")
def test_the_seed_in_the_history_replays():
    torch.manual_seed(4)
    out = RandomFluidAnomaly()(subject())
    (applied,) = out.applied_transforms
    assert applied.name == "RandomFluidAnomaly"
    again = FluidAnomaly(**applied.params)(subject())
    assert all(torch.equal(out[k].data, again[k].data) for k in ("t1", "flair", "anomaly"))


@pytest.mark.skipif(not TWO, reason="TorchIO 2 transforms batches")
def test_every_subject_of_a_batch_has_its_own():
    batch = tio.SubjectsBatch.from_subjects([subject(), subject(), subject()])
    torch.manual_seed(5)
    one, other, _ = RandomFluidAnomaly()(batch).unbatch()
    assert not torch.equal(one.anomaly.data, other.anomaly.data)
    torch.manual_seed(0)
    outs = RandomFluidAnomaly(p=0.5)(batch).unbatch()
    kept = [bool(s.anomaly.data.any()) for s in outs]
    assert sorted(set(kept)) == [False, True]
    for there, s in zip(kept, outs, strict=True):
        assert torch.equal(s.t1.data, subject().t1.data) != there


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


def test_a_z_score_keeps_the_anomaly_in_the_brain():
    rng = np.random.default_rng(0)
    raw = np.where(BALL, rng.uniform(200, 900, SHAPE), 0)
    z = np.where(BALL, (raw - raw[BALL].mean()) / raw[BALL].std(), 0)
    outs = []
    for voxels in (raw, z):
        torch.manual_seed(3)
        s = tio.Subject(t1=scalar(torch.from_numpy(np.float32(voxels)[None])))
        outs.append(RandomFluidAnomaly()(s).anomaly.data[0].numpy())
    assert np.array_equal(outs[0], outs[1])
    assert outs[0].max() == 1
    assert not outs[0][~BALL].any()


def test_errors():
    s = subject()
    s.t1.data[0, 0, 0, :2] = torch.nan
    with pytest.raises(ValueError, match="holds 2 voxels that are NaN or infinite"):
        RandomFluidAnomaly()(s)
    s = subject()
    s.brain.set_data(torch.zeros_like(s.brain.data))
    with pytest.raises(ValueError, match="domain of the anomaly is empty"):
        RandomFluidAnomaly(mask_name="brain")(s)
    s = subject()
    images = {"t1": s.t1, "other": scalar(torch.ones(1, 4, 4, 4))}
    with pytest.raises(RuntimeError, match="must share a grid"):
        RandomFluidAnomaly()(tio.Subject(**images))
