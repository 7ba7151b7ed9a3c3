from dataclasses import replace

import numpy as np
import pytest
import torch

from sanum.data.augment import AugmentConfig, PictureViewParams, apply_views, draw_view

FULL = AugmentConfig(flip=0.5, rotate_deg=15, shift=0.1, zoom=0.1, shear_deg=5, brightness=0.1, contrast=0.1)
IMAGE = torch.rand(1, 2, 33, 33, generator=torch.Generator().manual_seed(0))
VALID = torch.ones(1, 1, 33, 33)


def test_no_change_is_no_change():
    seen, valid = apply_views(IMAGE, VALID, [draw_view(np.random.default_rng(0), AugmentConfig())])
    assert torch.equal(seen, IMAGE)
    assert torch.equal(valid, VALID)


def test_a_flip_and_a_quarter_turn_are_those_of_the_array():
    seen, _ = apply_views(IMAGE, VALID, [PictureViewParams(flip=True)])
    torch.testing.assert_close(seen, IMAGE.flip(3), atol=1e-5, rtol=0)
    seen, _ = apply_views(IMAGE, VALID, [PictureViewParams(rotate_deg=90)])
    torch.testing.assert_close(seen, torch.rot90(IMAGE, 1, (2, 3)), atol=1e-5, rtol=0)


def test_a_shift_moves_to_the_right_and_down_and_leaves_a_border():
    seen, valid = apply_views(IMAGE, VALID, [PictureViewParams(shift=(3 / 33, 5 / 33))])
    torch.testing.assert_close(seen[..., 5:, 3:], IMAGE[..., :-5, :-3], atol=1e-5, rtol=0)
    assert not valid[..., :5, :].any()
    assert not valid[..., :3].any()
    assert valid[..., 5:, 3:].all()


def test_zoom_makes_things_larger():
    dot = torch.zeros(1, 1, 33, 33)
    dot[..., 12:21, 12:21] = 1
    seen, _ = apply_views(dot, VALID, [PictureViewParams(zoom=1.5)])
    assert seen.sum() == pytest.approx(81 * 1.5**2, rel=0.05)


def test_draws_stay_within_bounds_and_come_again():
    views = [draw_view(np.random.default_rng([1, n]), FULL) for n in range(200)]
    assert views == [draw_view(np.random.default_rng([1, n]), FULL) for n in range(200)]
    assert max(abs(v.rotate_deg) for v in views) <= 15
    assert max(abs(s) for v in views for s in (*v.shift, *v.shear_deg)) <= 5
    assert 60 < sum(v.flip for v in views) < 140
    assert all(0.9 <= x <= 1.1 for v in views for x in (v.zoom, v.brightness, v.contrast))


def test_one_switch_does_not_change_the_others():
    one, other = (draw_view(np.random.default_rng(5), c) for c in (FULL, replace(FULL, flip=0.0)))
    assert replace(one, flip=other.flip) == other


@pytest.mark.parametrize("wrong", [{"flip": 2}, {"zoom": 1}, {"rotate_deg": -1}])
def test_impossible_configurations(wrong):
    with pytest.raises(ValueError, match=r"augment\."):
        AugmentConfig(**wrong)
