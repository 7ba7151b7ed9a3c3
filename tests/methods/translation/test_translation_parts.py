"""The parts of translators against what is known: losses on constants, patches that overlap, ranges."""

import math

import numpy as np
import pytest
import torch

from sanum.methods.common.translation_images import Frame, ValueRange, ramps, range_of, told_of
from sanum.methods.common.translation_loss import fooling_loss, judging_loss, likeness_loss
from sanum.methods.common.translation_source import TranslationSource
from sanum.methods.common.translation_windows import overlap_average, starts_of
from sanum.methods.translation.cut.loss import patch_nce
from sanum.methods.translation.cut.model import CutNet
from sanum.methods.translation.cut.recipe import RECIPES as CUT
from sanum.methods.translation.regression.recipe import RECIPES as REGRESSION
from sanum.scan import Scan, ScanError
from sanum.space.grid import Grid

from .conftest import made_pair


def test_patch_loss_of_two_places_by_hand():
    q, k = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    tau = 0.5  # likeness / τ: first place 2 and 0, second 1.2 and 1.6
    by_hand = (
        -math.log(math.e**2 / (math.e**2 + 1)) - math.log(math.e**1.6 / (math.e**1.2 + math.e**1.6))
    ) / 2
    assert float(patch_nce(q, k, tau)) == pytest.approx(by_hand, abs=1e-6)
    same = torch.ones(2, 5, 3) / math.sqrt(3)  # nothing tells places apart
    assert float(patch_nce(same, same, 0.07)) == pytest.approx(math.log(5), abs=1e-5)
    k.requires_grad_()
    patch_nce(q.requires_grad_(), k, tau).backward()
    assert q.grad is not None
    assert k.grad is None


def test_losses_on_constants():
    fake, real = torch.full((4,), 0.25), torch.full((4,), 0.5)
    assert float(fooling_loss(fake)) == pytest.approx(0.75**2)
    assert float(judging_loss(real, fake)) == pytest.approx((0.25 + 0.25**2) / 2)
    assert float(judging_loss(torch.ones(3), torch.zeros(3))) == 0
    a, b = torch.full((1, 1, 16, 16), 0.5), torch.full((1, 1, 16, 16), -0.5)
    loss, terms = likeness_loss(a, b, 2.0)
    luminance = (2 * 0.75 * 0.25 + 1e-4) / (0.75**2 + 0.25**2 + 1e-4)  # SSIM of constants, in [0, 1]
    assert float(terms["l1"]) == 1
    assert float(loss) == pytest.approx(1 + 2 * (1 - luminance), abs=2e-3)
    assert float(likeness_loss(a, a, 0.0)[0]) == 0


def test_overlapping_patches_of_a_constant_are_the_constant():
    images = torch.full((1, 4, 21, 18, 33), 0.7)
    made = overlap_average(images, (8, 16, 16), lambda x, _: x[:, :1], overlap=0.5, batch=5)
    torch.testing.assert_close(made, images[:, 0], rtol=0, atol=1e-6)
    noisy = torch.randn(2, 1, 24, 40, generator=torch.Generator().manual_seed(0))
    same = overlap_average(noisy, (16, 16), lambda x, _: x, overlap=0.25, batch=3)
    torch.testing.assert_close(same, noisy[:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(  # patches that do not overlap: each its own
        overlap_average(noisy, (24, 20), lambda x, at: x * 0 + at[0][1], overlap=0, batch=1)[0, 0, ::20],
        torch.tensor([0.0, 20.0]),
    )
    assert starts_of(16, 16, 0.5) == [0]


def test_frames_go_there_and_back():
    rng = np.random.default_rng(0)
    turn = np.array([[0, 0, -2.0, 5], [3.0, 0, 0, 1], [0, -1.0, 0, 9], [0, 0, 0, 1]])
    scan = Scan(rng.random((5, 6, 7)).astype(np.float32), turn)
    for frame, shape in (
        (Frame(2, "axial"), (6, 7, 5)),
        (Frame(2, "sagittal"), (7, 5, 6)),
        (Frame(3), (1, 7, 5, 6)),
    ):
        images = frame.images(scan, scan.voxels)
        assert tuple(images.shape) == shape
        np.testing.assert_array_equal(frame.back(images, scan.grid), scan.voxels)
    fine = Frame(2, "axial", 1.0)
    assert tuple(fine.images(scan, scan.voxels).shape) == (6, 14, 15)
    assert fine.back(fine.images(scan, scan.voxels), scan.grid).shape == scan.voxels.shape


def test_other_spacings_keep_the_rim_and_the_count_of_slices():
    for frame in (Frame(2, "axial", 1.0), Frame(3, spacing_mm=1.0), Frame(3, spacing_mm=4.0)):
        values = np.full((12, 12, 5), 700, np.float32)
        values[0, 0, 0] = 0  # somewhere is the background
        flat = Scan(values, np.diag([3.0, 3, 5, 1]))
        back = frame.back(frame.images(flat, flat.voxels), flat.grid)
        np.testing.assert_allclose(back[4:], 700, rtol=1e-5)
    one = Scan(np.ones((12, 12, 1), np.float32), np.diag([3.0, 3, 5, 1]))
    assert tuple(Frame(2, "axial", 1.0).images(one, one.voxels).shape) == (1, 36, 36)


def test_what_is_seen_askew_is_told():
    """A tilted gantry shears what lies across its slices, and nothing in them."""
    tilted = np.diag([1.0, 1, 1.5, 1])
    tilted[1, 2] = 1.5 * np.tan(np.radians(20))
    grid = Grid((40, 40, 20), tilted)
    assert told_of(Frame(), grid) == []
    voxels = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    scan = Scan(voxels, tilted)
    np.testing.assert_array_equal(Frame().images(scan, voxels).numpy(), np.moveaxis(voxels, 2, 0))
    np.testing.assert_array_equal(Frame().back(Frame().images(scan, voxels), grid), voxels)
    for frame in (Frame(plane="sagittal"), Frame(plane="sagittal", spacing_mm=1.0), Frame(dims=3)):
        (told,) = told_of(frame, grid)
        assert told.startswith("its axes meet at 70° in what the network sees")
    thick = Grid((40, 40, 8), np.diag([1.0, 1, 5, 1]))
    assert told_of(Frame(), thick) == told_of(Frame(dims=3), thick) == []
    (told,) = told_of(Frame(plane="coronal"), thick)
    assert told == (
        "coronal planes lie across its slices, which are 5 mm apart: a model of axial planes sees more"
    )


def test_ranges():
    ends = ValueRange(-1000, 1000)
    np.testing.assert_allclose(ends.unit([-2000, -1000, 0, 500]), [-1, -1, 0, 0.5])
    np.testing.assert_allclose(ends.values(ends.unit([-1000.0, 250.0])), [-1000, 250], atol=1e-3)
    scan = made_pair(0).source
    assert (range_of(scan, "CT").low, range_of(scan, "CT", (0, 80)).high) == (-1000, 80)
    own = range_of(scan, "T1w")
    assert own.low == 0
    assert 600 < own.high < 1000
    holed = np.where(scan.voxels == scan.voxels.max(), np.nan, scan.voxels)
    for contrast in ("T1w", "CT"):
        with pytest.raises(ScanError, match="values that are not finite"):
            range_of(scan.with_voxels(holed), contrast)
    with pytest.raises(ScanError, match="is constant"):
        range_of(scan.with_voxels(np.zeros_like(scan.voxels)), "T1w")


def test_samples_are_of_one_place_and_volumes_know_where():
    source = TranslationSource(REGRESSION["regression"], [made_pair(n, (70, 66, 4)) for n in range(2)])
    batch = next(source.batches(iter([range(3, 5)])))
    assert batch["source"].shape == batch["target"].shape == (2, 1, 64, 64)
    inside = batch["source"] > -0.9
    assert (
        float(np.corrcoef(batch["source"][inside], batch["target"][inside])[0, 1]) < -0.8
    )  # of two subjects, each scaled by itself
    assert "other" not in batch
    volumes = TranslationSource(CUT["cut-3d"], [made_pair(n, (40, 36, 32)) for n in range(2)])
    sample = volumes.sample(0)
    assert sample["source"].shape == (4, 32, 32, 32)
    assert sample["other"].shape == (1, 32, 32, 32)
    assert (sample["source"][1].diff(dim=0) > 0).all()  # rises from left to right, mirrored or not
    np.testing.assert_allclose(ramps((5, 3, 3))[0, :, 0, 0], [-1, -0.5, 0, 0.5, 1])
    part = ramps((5, 3, 3), (1, 0, 0), (2, 3, 3))
    np.testing.assert_allclose(part[0, :, 0, 0], [-0.5, 0])


def test_the_places_of_cut_are_those_of_its_maps():
    net = CutNet(2, 1, (4, 2, 1), 8, (4, 2))
    image = torch.zeros(1, 1, 16, 24)
    maps = net.generator.features(image)
    assert len(maps) == len(net.heads) == len(net.generator.looked_at)
    chosen = net.draw_places((16, 24), 10**6)
    assert [len(at) for at in chosen] == [x[0, 0].numel() for x in maps]
    assert all(
        torch.allclose(x.norm(dim=-1), torch.ones(1)) for x in net.places(torch.rand_like(image), chosen)
    )
    assert net(image).shape == image.shape
