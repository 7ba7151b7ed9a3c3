import json
from dataclasses import asdict

import numpy as np
import pytest

from sanum.integrations.lesion import draw_lesion, grow_lesion, paint_lesion

SHAPE = (36, 40, 32)
DOMAIN = ((np.indices(SHAPE) - np.reshape([18, 20, 16], (3, 1, 1, 1))) ** 2).sum(0) < 13**2


def test_seed_decides_and_parameters_are_plain():
    assert draw_lesion(3) == draw_lesion(3) != draw_lesion(4)
    assert json.loads(json.dumps(asdict(draw_lesion(3))))["look"]["shift"] == draw_lesion(3).look.shift


@pytest.mark.parametrize("effect", ["darker", "brighter", "ct"])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (4000.0, 0.0), (0.002, 0.0), (3.0, -1.5)])
def test_it_changes_the_image_where_the_anomaly_is(effect, scale, offset):
    """On any scale, z-scores too; a CT is in HU whatever it holds."""
    params = next(p for p in map(draw_lesion, range(50)) if not p.look.against_rule)
    p = grow_lesion(params, DOMAIN, (1.0, 1.0, 1.0))
    assert p.max() == 1
    assert not p[~DOMAIN].any()
    rng = np.random.default_rng(0)
    image = ((0.8 * DOMAIN + rng.normal(0, 0.01, SHAPE) * DOMAIN) * scale + offset).astype(np.float32)
    if effect == "ct":
        image = np.where(DOMAIN, 32.0, -1000.0).astype(np.float32)
    painted = paint_lesion(params, image, p, DOMAIN, effect, (1.0, 1.0, 1.0))
    assert np.array_equal(painted[p == 0], image[p == 0])
    change = (painted - image)[p > 0.9].mean()
    if effect == "ct":
        assert -30 < change < -4
    else:
        assert np.sign(change) == (1 if effect == "brighter" else -1)
        assert 0.1 < abs(change) / (0.8 * scale) < 1


def test_a_mask_of_the_bank_starts_half_of_them():
    drawn = [draw_lesion(s, bank_size=3).mask for s in range(200)]
    assert np.mean([m is not None for m in drawn]) == pytest.approx(0.5, abs=0.1)
    assert set(drawn) == {None, 0, 1, 2}
    params = next(p for p in (draw_lesion(s, bank_size=1) for s in range(9)) if p.mask == 0)
    mask = np.zeros(SHAPE, bool)
    mask[16:20, 18:22, 14:18] = True
    p = grow_lesion(params, DOMAIN, (1.0, 1.0, 1.0), [mask])
    seen = np.argwhere(p > 0.5).mean(0)
    assert np.linalg.norm(seen - [17.5, 19.5, 15.5]) < 12


def test_errors_name_what_is_wrong():
    params = draw_lesion(0)
    with pytest.raises(ValueError, match="domain of the anomaly is empty"):
        grow_lesion(params, np.zeros(SHAPE, bool), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match='unknown effect "red": known are darker, brighter, ct'):
        paint_lesion(params, np.ones(SHAPE), np.zeros(SHAPE, np.float32), DOMAIN, "red", (1.0,) * 3)
    with_mask = next(p for p in (draw_lesion(s, bank_size=1) for s in range(9)) if p.mask == 0)
    with pytest.raises(ValueError, match=r"mask 0 has shape \(2, 2, 2\)"):
        grow_lesion(with_mask, DOMAIN, (1.0, 1.0, 1.0), [np.ones((2, 2, 2))])
