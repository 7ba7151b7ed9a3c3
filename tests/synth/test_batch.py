"""Samples made in plain PyTorch beside those of the generator; on a GPU too where there is one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sanum.fluid import border_ramp, draw_flow
from sanum.fluid.on_device import draw_flow_on
from sanum.space.box import Box
from sanum.synth.batch import OnDevice
from sanum.synth.generator import apply_sample, draw_sample

BOX = Box((40, 48, 44), 4.0).grid()
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")
    ),
]


def smooth_of(params):
    """The same sample without what is random voxel by voxel."""
    return replace(
        params,
        contrast=replace(params.contrast, widths=(0.0,) * 4),
        corruption=replace(params.corruption, noise_sigma=0.0),
        looks=tuple(replace(look, texture=0.0, kind="textured") for look in params.looks),
    )


@pytest.mark.parametrize("device", DEVICES)
def test_the_flow_is_the_same(device):
    rng = np.random.default_rng(0)
    domain = rng.random((30, 34, 28)) > 0.02
    domain[:3] = False
    spacing = (1.0, 2.0, 1.5)
    ramp = border_ramp(domain, spacing)
    one = draw_flow(domain, rng=5, spacing=spacing, peak_speed=9.0, diffusion_length=2.0, ramp=ramp)
    other = draw_flow_on(
        torch.from_numpy(domain).to(device),
        torch.from_numpy(ramp).to(device),
        rng=np.random.default_rng(5),
        spacing=spacing,
        peak_speed=9.0,
        diffusion_length=2.0,
    )
    for a, b in zip((*one.velocity, *one.diffusivity), (*other.velocity, *other.diffusivity), strict=True):
        np.testing.assert_allclose(b.cpu().numpy(), a, atol=2e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("seed", range(12))
def test_a_sample_is_the_generator_s(anatomy, lesion_mask, device, seed):
    level = ("mild", "medium", "severe")[seed % 3]
    params = draw_sample(
        np.random.default_rng(seed), anatomy, [lesion_mask], level=level, healthy=0.1, spacing_mm=4.0
    )
    if seed == 5:
        kinds = {"ghost_strength": 0.4, "spike_strength": 0.1, "bias_rim": 0.4, "voxel_mm": (4.0, 9.0, 4.0)}
        params = replace(params, corruption=replace(params.corruption, **kinds))
    params = replace(smooth_of(params), skull=("on", "off", "partly")[seed // 3 % 3])
    wanted = apply_sample(anatomy, params, box=BOX)
    got = {k: v.cpu().numpy() for k, v in OnDevice([anatomy], device).sample(0, params, box=BOX).items()}
    assert np.abs(got["image"] - wanted.image).mean() < 2e-4
    assert (np.abs(got["image"] - wanted.image) > 0.02).mean() < 2e-3  # at borders that round the other way
    for name in ("t1w", "p"):
        assert np.abs(got[name][0] - getattr(wanted, name)).mean() < 1e-4
    for name in ("brain", "lesion", "labels"):
        assert (got[name][0] != getattr(wanted, name)).mean() < 1e-3
    np.testing.assert_allclose(got["to_atlas"], wanted.to_atlas, atol=1e-5)


def test_textures_are_seeded_and_of_the_same_size(anatomy):
    heads = OnDevice([anatomy], "cpu")
    params = draw_sample(np.random.default_rng(1), anatomy, [], preset="t2w", level="severe", spacing_mm=4.0)
    one, again, plain = (heads.sample(0, p, box=BOX)["image"][0] for p in (params, params, smooth_of(params)))
    assert torch.equal(one, again)
    rough, smooth = (apply_sample(anatomy, p, box=BOX) for p in (params, smooth_of(params)))
    ours, brain = rough.image[0] - smooth.image[0], rough.brain
    assert float((one - plain)[torch.from_numpy(brain)].std()) == pytest.approx(ours[brain].std(), rel=0.15)


def test_a_batch(anatomy):
    params = [draw_sample(np.random.default_rng(n), anatomy, [], spacing_mm=4.0) for n in range(2)]
    batch = OnDevice([anatomy, anatomy], "cpu").batch([0, 1], params, box=BOX)
    assert batch["image"].shape == (2, 2, 40, 48, 44)
    assert {batch[n].shape for n in ("t1w", "p", "lesion", "brain", "labels")} == {(2, 1, 40, 48, 44)}
    assert batch["to_atlas"].shape == (2, 4, 4)
