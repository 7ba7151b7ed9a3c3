"""The whole generator inside MONAI's and TorchIO's own Compose, with their seeding and replay."""

import numpy as np
import pytest
import torch

from sanum.integrations.scan import ScanOptions, make_scan
from sanum.space.box import Box

SMALL = ScanOptions(box=Box((24, 28, 24), 7.0), healthy=0.0, mirrored=True)
NAMES = {"image", "t1w", "anomaly", "lesion", "brain", "labels"}


def test_a_scan_and_its_truth(anatomy):
    made, affine = make_scan(anatomy, 3, SMALL)
    assert set(made) == NAMES
    assert made["image"].shape == (2, 24, 28, 24)
    assert {made[n].shape for n in NAMES - {"image"}} == {(1, 24, 28, 24)}
    assert affine[0, 0] == 7
    assert not made["t1w"][made["brain"] == 0].any()
    assert make_scan(anatomy, 3, ScanOptions())[0]["image"].shape == (1, 80, 96, 80)
    with pytest.raises(TypeError, match="Anatomy"):
        make_scan("sub-01_T1w.nii.gz", 3, SMALL)


def test_in_monai(anatomy):
    monai = pytest.importorskip("monai.transforms")
    from sanum.integrations.monai import RandGeneratedScand

    flip = monai.RandFlipd(["image", "t1w"], prob=0.5, spatial_axis=0)
    noise = monai.RandGaussianNoised(["image"], prob=1.0, std=0.001)
    pipeline = monai.Compose([RandGeneratedScand(options=SMALL), flip, noise])
    outs = []
    for seed in (1, 1, 2):
        pipeline.set_random_state(seed)
        outs.append(pipeline({"anatomy": anatomy, "age": 40}))
    assert set(outs[0]) == NAMES | {"age"}
    assert all(torch.equal(outs[0][n], outs[1][n]) for n in NAMES)
    assert not torch.equal(outs[0]["t1w"], outs[2]["t1w"])
    np.testing.assert_array_equal(outs[0]["t1w"].affine, outs[0]["image"].affine)
    batch = next(
        iter(
            torch.utils.data.DataLoader(
                outs, batch_size=3, collate_fn=lambda x: torch.stack([i["image"] for i in x])
            )
        )
    )
    assert batch.shape == (3, 2, 24, 28, 24)


def test_in_torchio(anatomy):
    tio = pytest.importorskip("torchio")
    from sanum.integrations.torchio import GeneratedScan, RandomGeneratedScan

    two = int(tio.__version__.split(".")[0]) >= 2
    scout, noise = torch.zeros(1, 4, 4, 4), tio.Noise if two else tio.RandomNoise

    def subject():
        image = tio.ScalarImage(scout) if two else tio.ScalarImage(tensor=scout)
        return tio.Subject(scout=image, anatomy=anatomy, age=40)

    pipeline = tio.Compose([RandomGeneratedScan(options=SMALL), noise(std=0.001), tio.CropOrPad(20)])
    torch.manual_seed(1)
    out = pipeline(subject())
    assert set(out.images if two else out.get_images_dict(intensity_only=False)) == NAMES
    assert tuple(out.spatial_shape) == (20, 20, 20)
    assert isinstance(out.labels, tio.LabelMap)
    assert out.age == 40
    torch.manual_seed(1)
    assert torch.equal(pipeline(subject()).image.data, out.image.data)
    if two:
        torch.manual_seed(2)
        out = RandomGeneratedScan(options=SMALL)(subject())
        again = GeneratedScan(**out.applied_transforms[0].params, options=SMALL)(subject())
    else:
        again = out.get_composed_history()(subject())
    assert all(torch.equal(out[n].data, again[n].data) for n in NAMES)
    with pytest.raises(KeyError):
        RandomGeneratedScan("nothing", options=SMALL)(subject())
