"""Inside MONAI's own Compose, with its own seeding."""

import numpy as np
import pytest
import torch

pytest.importorskip("monai")
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, RandFlip, RandGaussianNoised, ScaleIntensityd

from sanum.integrations.monai import RandFluidAnomaly, RandFluidAnomalyd

SHAPE = (30, 34, 28)
BALL = ((np.indices(SHAPE) - np.reshape([15, 17, 14], (3, 1, 1, 1))) ** 2).sum(0) < 12**2


def image(kind=np.asarray):
    return kind((0.8 * BALL)[None].astype(np.float32))


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, lambda x: MetaTensor(torch.from_numpy(x))])
def test_what_goes_in_comes_out(kind):
    x = image(kind)
    t = RandFluidAnomaly(prob=1.0).set_random_state(seed=3)
    out = t(x)
    assert type(out) is type(x)
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert same(x, image())  # the input is left alone
    changed = np.asarray(out)[0] != np.asarray(x)[0]
    assert changed.any()
    assert not (changed & ~BALL).any()
    assert t.anomaly.max() == 1


def test_the_state_decides():
    outs = [RandFluidAnomaly(prob=1.0).set_random_state(seed=s)(image()) for s in (1, 1, 2)]
    assert same(outs[0], outs[1])
    assert not same(outs[0], outs[2])
    t = RandFluidAnomaly(prob=1.0).set_random_state(seed=1)
    assert not same(t(image()), t(image()))
    assert same(t(image(), randomize=False), t(image(), randomize=False))


def test_prob():
    t = RandFluidAnomaly(prob=0.0)
    assert same(t(image()), image())
    assert t.anomaly is None
    t = RandFluidAnomaly(prob=0.5).set_random_state(seed=0)
    drawn = []
    for _ in range(60):
        t.randomize()
        drawn.append(t.params is not None)
    assert 15 < sum(drawn) < 45


def test_in_compose_with_its_seed():
    pipeline = Compose([RandFlip(prob=0.5), RandFluidAnomaly(prob=1.0, effect="brighter")])
    outs = [pipeline.set_random_state(seed=s)(image(torch.from_numpy)) for s in (5, 5, 6)]
    assert same(outs[0], outs[1])
    assert not same(outs[0], outs[2])


def test_the_dictionary_form_in_compose():
    pipeline = Compose(
        [
            ScaleIntensityd(keys=["t1", "flair"]),
            RandFluidAnomalyd(
                keys=["t1", "flair"], prob=1.0, effect=["darker", "brighter"], mask_key="brain"
            ),
            RandGaussianNoised(keys=["t1"], prob=1.0, std=0.001),
        ]
    )
    brain = np.zeros(SHAPE, np.float32)
    brain[:15] = BALL[:15]
    data = {"t1": image(torch.from_numpy), "flair": image(torch.from_numpy), "brain": brain[None], "id": 7}
    outs = [pipeline.set_random_state(seed=s)(data) for s in (2, 2, 3)]
    assert all(same(outs[0][k], outs[1][k]) for k in ("t1", "flair", "anomaly"))
    assert not same(outs[0]["anomaly"], outs[2]["anomaly"])
    p = np.asarray(outs[0]["anomaly"])[0]
    assert p.shape == SHAPE
    assert p.max() == 1
    assert not p[brain == 0].any()
    flair = np.asarray(outs[0]["flair"])[0] - BALL
    assert (flair[p > 0.1] != 0).all()  # the same anomaly in both, each in its own way
    assert not flair[p == 0].any()
    assert outs[0]["id"] == 7
    assert "anomaly" not in data


@pytest.mark.parametrize("effect", ["darker", "brighter"])
def test_integers_do_not_wrap_around(effect):
    x = (220 * BALL)[None].astype(np.uint8)
    for seed in range(4):
        t = RandFluidAnomaly(prob=1.0, effect=effect).set_random_state(seed=seed)
        out = t(x)
        assert out.dtype == np.uint8
        up = (effect == "brighter") != t.params.look.against_rule
        sure = out[0][t.anomaly > 0.9].astype(int)
        assert (sure.mean() > 220) if up else (sure.mean() < 200)


def test_in_a_data_loader_that_forks():
    """After a call in the parent, which starts threads that a fork may not use."""
    pipeline = Compose([RandFluidAnomaly(prob=1.0)]).set_random_state(seed=1)
    big = torch.from_numpy(np.pad(BALL, 20)[None].astype(np.float32))
    pipeline(big)
    loader = DataLoader(Dataset([big] * 3, pipeline), num_workers=1, multiprocessing_context="fork")
    outs = [batch[0] for batch in loader]
    assert len(outs) == 3
    assert not same(outs[0], outs[1])


def anomalies(loader):
    return [np.asarray(a) for batch in loader for a in batch["anomaly"]]


def in_workers(make):
    """Anomalies of two epochs of a loader with two workers, each of which gets one of two images."""
    transform = Compose([RandFluidAnomalyd(keys=["x"], prob=1.0)]).set_random_state(seed=1)
    torch.manual_seed(0)
    loader = make(Dataset([{"x": image(torch.from_numpy)}] * 2, transform), num_workers=2)
    return anomalies(loader) + anomalies(loader)


@pytest.mark.parametrize("make", [torch.utils.data.DataLoader, DataLoader])
def test_workers_of_any_loader_draw_numbers_of_their_own(make):
    outs = in_workers(make)
    assert not any(same(a, b) for n, a in enumerate(outs) for b in outs[:n])
    assert all(same(a, b) for a, b in zip(outs, in_workers(make), strict=True))


def test_a_z_score_keeps_the_anomaly_in_the_brain():
    rng = np.random.default_rng(0)
    raw = np.where(BALL, rng.uniform(200, 900, SHAPE), 0)[None]
    z = np.where(BALL, (raw - raw[0][BALL].mean()) / raw[0][BALL].std(), 0)
    grown = []
    for kind in (raw, raw * 1e-9, z):
        t = RandFluidAnomaly(prob=1.0).set_random_state(seed=3)
        changed = (t(kind) != kind)[0]
        assert changed.any()
        assert not (changed & ~BALL).any()
        grown.append(t.anomaly)
    assert same(grown[0], grown[1])
    assert same(grown[0], grown[2])


@pytest.mark.parametrize("mask", [None, BALL])
def test_nan_names_itself(mask):
    x = image()
    x[0, 0, 0, :2] = np.nan
    with pytest.raises(ValueError, match="holds 2 voxels that are NaN or infinite"):
        RandFluidAnomaly(prob=1.0)(x, mask)


def test_no_anomaly_is_an_empty_map():
    d = RandFluidAnomalyd(keys=["x"], prob=0.0)({"x": image()})
    assert same(d["x"], image())
    assert d["anomaly"].shape == (1, *SHAPE)
    assert not d["anomaly"].any()


def test_planes_and_voxel_sizes():
    plane = image()[:, :, :, 14]
    t = RandFluidAnomaly(prob=1.0, spacing=(2.0, 0.5)).set_random_state(seed=3)
    assert t(plane).shape == plane.shape
    assert t.anomaly.shape == SHAPE[:2]
    wide = MetaTensor(torch.from_numpy(image()), affine=np.diag([1.0, 1.0, 4.0, 1.0]))
    one, other = (RandFluidAnomaly(prob=1.0).set_random_state(seed=3) for _ in range(2))
    one(wide)
    other(image())
    assert not same(one.anomaly, other.anomaly)  # the voxel size is read from the MetaTensor


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros(SHAPE), "domain of the anomaly is empty"),
        (np.ones((3, 3, 3)), r"mask has shape \(3, 3, 3\)"),
    ],
)
def test_a_bad_mask_is_told(mask, message):
    with pytest.raises(ValueError, match=message):
        RandFluidAnomaly(prob=1.0)(image(), mask)
    with pytest.raises(RuntimeError):  # Compose's own kind of error
        Compose([RandFluidAnomalyd(keys=["x"], mask_key="m", prob=1.0)])({"x": image(), "m": mask})


def test_one_effect_for_each_key():
    with pytest.raises(ValueError, match="3 entries for 2 keys"):
        RandFluidAnomalyd(keys=["a", "b"], effect=["darker"] * 3)
