import numpy as np
import pytest

from sanum.learn.weights import save_weights
from sanum.methods.una.model import Una
from sanum.methods.una.predict import UnaPredictor, uncut
from sanum.space.grid import apply_affine, box_around

SHAPE = (80, 96, 80)
BOX = box_around((0, 0, 0), SHAPE, 2.0)


def ball(radii, centre=(0, 0, 0)):
    """Ellipsoid (X, Y, Z) with a darker core off its middle, intensities of tissue."""
    x = apply_affine(BOX.affine, np.moveaxis(np.indices(SHAPE), 0, -1)) - centre

    def inside(radii, at=(0, 0, 0)):
        return (((x - at) / radii) ** 2).sum(-1) < 1

    image = 0.7 * inside(np.array(radii)) + 0.3 * inside(0.7 * np.array(radii))
    for side in (-1, 1):
        image -= 0.5 * inside((8, 24, 10), (side * 12, 5, 15))
    return np.clip(image, 0, None).astype(np.float32)


def test_a_whole_head_is_not_cut():
    assert uncut(ball((60, 80, 60))) is None
    assert uncut(np.zeros(SHAPE, np.float32)) is None


def test_a_slab_is_cut_where_it_ends():
    scan = ball((60, 80, 60))
    scan[:, :, :30] = scan[:, :, 52:] = 0
    shown = uncut(scan)
    assert shown is not None
    assert not shown[:, :, :30].any()
    assert shown[:, :, 30:52].all()
    assert not shown[:, :, 52:].any()


@pytest.fixture
def predictor(tmp_path):
    """A network that was not trained, whose atlas is a ball."""
    image = ball((62, 80, 60))
    net = Una((8, 8, 8, 8), atlas=None)
    net.atlas[0, 0], net.atlas[0, 1] = map(net.atlas.new_tensor, (image, (image > 0).astype(np.float32)))
    save_weights(tmp_path / "w.safetensors", net.state_dict(), method="una", widths=net.widths, steps=0)
    return UnaPredictor(weights=tmp_path / "w.safetensors")


def maps_of(t1w):
    zero = np.zeros_like(t1w)
    return np.stack([t1w, zero, (t1w > 0).astype(np.float32), zero])


def test_the_pose_is_read_off_the_anatomy(predictor):
    seen = ball((62, 80, 60), centre=(4, -6, 8))
    pose = predictor._pose(maps_of(seen), seen)
    points = np.array([[40, 0, 0], [0, 50, 0], [0, 0, 40], [-30, -30, -30.0]])
    assert np.linalg.norm(apply_affine(pose, points + np.array([4, -6, 8])) - points, axis=1).max() < 6


def test_too_little_brain_has_no_pose(predictor):
    seen = ball((20, 20, 20))
    assert predictor._pose(maps_of(seen), seen) is None


def test_what_is_no_shape_of_a_brain_has_no_pose(predictor):
    seen = ball((70, 30, 22))
    assert predictor._pose(maps_of(seen), seen) is None


def test_quick_is_one_pass_and_the_rest_is_flip_symmetric(predictor, monkeypatch):
    seen = ball((62, 80, 60))
    pair = np.stack([seen, seen[::-1]])
    passes = []
    whole = predictor._maps
    monkeypatch.setattr(predictor, "_maps", lambda x, pose: passes.append(pose) or whole(x, pose))
    predictor(pair, quick=True)
    assert passes == [None]
    monkeypatch.setattr(predictor, "_pose", lambda maps, scan: np.diag([1.1, 0.9, 1.05, 1.0]))
    maps = predictor(pair)
    assert len(passes) == 5
    assert passes[1] is None
    assert all(p is not None for p in passes[2:])
    mirrored = predictor(np.ascontiguousarray(pair[:, ::-1]))
    np.testing.assert_allclose(maps.t1w[::-1], mirrored.t1w, atol=0.05)
