import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from sanum.methods.anatomy.una.model import Una
from sanum.methods.anatomy.una.predict import NO_POSE, SETTLED_MM, UnaPredictor, is_cut
from sanum.space.box import Box
from sanum.space.grid import apply_affine
from sanum.weights.file import save_weights

SHAPE = (80, 96, 80)
BOX = Box(SHAPE, 2.0).grid()


def ball(radii, centre=(0, 0, 0)):
    """Ellipsoid (X, Y, Z) with a darker core off its middle, intensities of tissue."""
    x = apply_affine(BOX.affine, np.moveaxis(np.indices(SHAPE), 0, -1)) - centre

    def inside(radii, at=(0, 0, 0)):
        return (((x - at) / radii) ** 2).sum(-1) < 1

    image = 0.7 * inside(np.array(radii)) + 0.3 * inside(0.7 * np.array(radii))
    for side in (-1, 1):
        image -= 0.5 * inside((8, 24, 10), (side * 12, 5, 15))
    return np.clip(image, 0, None).astype(np.float32)


def test_a_whole_brain_is_not_cut():
    brain = ball((60, 80, 60)) > 0
    everywhere = np.ones(SHAPE, bool)
    assert not is_cut(brain, everywhere)
    assert not is_cut(brain, ball((75, 92, 75)) > 0)
    assert not is_cut(np.zeros(SHAPE, bool), ~everywhere)


@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_a_slab_is_cut_even_if_oblique(tilt):
    z = apply_affine(BOX.affine, np.moveaxis(np.indices(SHAPE), 0, -1)) @ [0, np.sin(tilt), np.cos(tilt)]
    assert is_cut(ball((60, 80, 60)) > 0, np.abs(z) < 22)


def untrained(folder, box, widths):
    """A network of `box` that was not trained, whose atlas is a ball."""
    image = ball((62, 80, 60))
    net = Una(widths, spacing_mm=box.spacing_mm)
    net.atlas[0, 0], net.atlas[0, 1] = map(net.atlas.new_tensor, (image, (image > 0).astype(np.float32)))
    described = {"widths": net.widths, "shape": box.shape, "spacing_mm": box.spacing_mm}
    save_weights(folder / "w.safetensors", net.state_dict(), method="una", steps=0, **described)
    return UnaPredictor(weights=folder / "w.safetensors")


@pytest.fixture
def predictor(tmp_path):
    return untrained(tmp_path, Box(SHAPE, 2.0), (8, 8, 8, 8))


@pytest.fixture
def coarse(tmp_path):
    return untrained(tmp_path, Box((40, 48, 40), 4.0), (8, 8, 8))


def maps_of(t1w):
    zero = np.zeros_like(t1w)
    return np.stack([t1w, zero, (t1w > 0).astype(np.float32), zero])


POINTS = np.array([[40, 0, 0], [0, 50, 0], [0, 0, 40], [-30, -30, -30.0]])
SHIFT = np.array([4, -6, 8.0])


def error_of(pose):
    return np.linalg.norm(apply_affine(pose, POINTS + SHIFT) - POINTS, axis=1).max()


def test_the_pose_is_read_off_the_anatomy_and_the_scan(predictor, monkeypatch):
    # a blurred ellipsoid tells its pose so badly that all the steps would be done
    monkeypatch.setattr("sanum.space.register.MOST_STEPS", 40)
    monkeypatch.setattr("sanum.space.register.MOST_REFINING_STEPS", 30)
    seen = ball((62, 80, 60), centre=SHIFT)
    other_contrast = np.where(seen > 0, 1.2 - seen, 0).astype(np.float32)
    assert error_of(predictor._pose(maps_of(seen), other_contrast)[0]) < 2
    blurred = ndimage.gaussian_filter(np.roll(seen, (2, -1, 1), axis=(0, 1, 2)), 2)  # a poor prediction
    assert error_of(predictor._pose(maps_of(blurred), other_contrast)[0]) < 2


@pytest.mark.full
def test_the_pose_of_a_slab(predictor):
    seen = ball((62, 80, 60), centre=SHIFT)
    covered = np.zeros(SHAPE, bool)
    covered[:, :, 36:58] = True
    slab = seen * covered
    assert error_of(predictor._pose(maps_of(slab), slab, covered)[0]) < 8


def test_what_cannot_be_registered_has_no_pose(predictor):
    seen = ball((62, 80, 60))
    assert predictor._pose(maps_of(seen), seen, np.zeros(SHAPE, bool)) is None
    assert predictor._pose(maps_of(seen * np.nan), seen) is None


def test_too_little_brain_has_no_pose(predictor):
    seen = ball((20, 20, 20))
    assert predictor._pose(maps_of(seen), seen) is None


def test_what_is_no_shape_of_a_brain_has_no_pose(predictor):
    seen = ball((70, 30, 22))
    assert predictor._pose(maps_of(seen), seen) is None


POSE = np.array([[1.05, 0.2, -0.1, 6], [-0.15, 0.95, 0.1, -4], [0.05, -0.1, 1.1, 8], [0, 0, 0, 1]])


@pytest.fixture
def passes(coarse, monkeypatch):
    """Poses of every pass of `coarse`."""
    poses = []
    whole = coarse._maps
    monkeypatch.setattr(coarse, "_maps", lambda x, pose, told: poses.append(pose) or whole(x, pose, told))
    return poses


def pair_of(scan):
    """On the voxels of `coarse`, with its mirror image."""
    x, y, z = (n // 2 for n in SHAPE)
    scan = scan.reshape(x, 2, y, 2, z, 2).mean((1, 3, 5))
    return np.stack([scan, scan[::-1]])


def test_what_it_is_told_counts_where_the_weights_know_it(coarse):
    pair = pair_of(ball((62, 80, 60)))
    before = coarse(pair, quick=True).t1w
    np.testing.assert_array_equal(coarse(pair, quick=True, contrast="T2w").t1w, before)
    net = Una((8, 8, 8), spacing_mm=4.0, told=True)
    net.load_state_dict(coarse.net.state_dict(), strict=False)
    torch.nn.init.normal_(net.told.weight, generator=torch.Generator().manual_seed(0))
    coarse.net = coarse.memory_plan.net = net.eval()
    unknown, t2w = (coarse(pair, quick=True, contrast=c).t1w for c in ("unknown", "T2w"))
    np.testing.assert_array_equal(unknown, coarse(pair, quick=True).t1w)
    assert np.abs(unknown - t2w).max() > 1e-4


def test_quick_is_one_pass(coarse, passes):
    coarse(pair_of(ball((62, 80, 60))), quick=True)
    assert passes == [None]


def test_the_flipped_pair_gives_the_flipped_maps(coarse, passes, monkeypatch):
    pair = pair_of(ball((62, 80, 60), centre=(6, -4, 2)))
    across = np.diag([-1.0, 1, 1, 1])
    monkeypatch.setattr(coarse, "_pose", lambda *_: (POSE, 9.0))
    maps = coarse(pair)
    assert passes[0] is None
    assert len(passes) == 4
    assert maps.warnings == ()
    monkeypatch.setattr(coarse, "_pose", lambda *_: (across @ POSE @ across, 9.0))
    mirrored = coarse(np.ascontiguousarray(pair[:, ::-1]))
    np.testing.assert_allclose(maps.t1w[::-1], mirrored.t1w, atol=1e-3)


@pytest.mark.full
def test_a_part_of_a_brain_takes_no_more_passes_and_searches_than_it_says(coarse, passes, monkeypatch):
    seen = ball((62, 80, 60))
    covered = np.zeros(SHAPE, bool)
    covered[:, :, 36:58] = True
    monkeypatch.setattr("sanum.space.register.MOST_STEPS", 5)
    monkeypatch.setattr("sanum.methods.anatomy.una.predict.SETTLED_MM", 0.0)
    searches = []
    execute = sitk.ImageRegistrationMethod.Execute
    monkeypatch.setattr(
        sitk.ImageRegistrationMethod, "Execute", lambda *args: searches.append(0) or execute(*args)
    )
    found = torch.from_numpy(np.stack([pair_of(x)[0] for x in maps_of(seen * covered)]))
    # as if it were trained
    monkeypatch.setattr(coarse, "_maps", lambda _, pose, told: passes.append(pose) or found)
    maps = coarse(pair_of(seen * covered), covered=pair_of(covered.astype(np.float32))[0] > 0.5)
    assert maps.warnings == ()
    assert len(searches) == (8 + 1) + 1
    assert len(passes) == 4


def test_without_a_pose_the_average_serves_and_the_user_is_told(coarse, passes, monkeypatch):
    monkeypatch.setattr(coarse, "_pose", lambda *_: None)
    assert coarse(pair_of(ball((62, 80, 60)))).warnings == (NO_POSE,)
    assert passes == [None, None]


def test_a_pose_once_found_is_kept(coarse, passes, monkeypatch):
    answers = iter([(POSE, 9.0), None])
    monkeypatch.setattr(coarse, "_pose", lambda *_: next(answers))
    assert coarse(pair_of(ball((62, 80, 60)))).warnings == ()
    assert [p is None for p in passes] == [True, False, False]


def test_a_pose_that_the_scan_agrees_with_is_not_sought_again(coarse, passes, monkeypatch):
    monkeypatch.setattr(coarse, "_pose", lambda *_: (POSE, SETTLED_MM - 0.1))
    coarse(pair_of(ball((62, 80, 60))))
    assert len(passes) == 3
    passes.clear()
    monkeypatch.setattr(coarse, "_pose", lambda *_: (POSE, SETTLED_MM))
    coarse(pair_of(ball((62, 80, 60))))
    assert len(passes) == 4


def test_the_number_of_threads_changes_no_bit(tmp_path):
    """Of a pass with 32 maps, so large that PyTorch would share each plane's moments among threads."""
    predictor = untrained(tmp_path, Box(SHAPE, 2.0), (32, 32, 32))
    pair = np.stack([ball((60, 78, 58))] * 2)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            maps = predictor(pair, quick=True)
            found.append([maps.t1w, maps.anomaly, maps.brain, maps.uncertainty])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        np.testing.assert_array_equal(others, found[0])
