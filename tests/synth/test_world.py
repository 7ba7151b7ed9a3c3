import json
from dataclasses import replace

import numpy as np
import pytest

from sanum.scan.contrast import CONTRASTS
from sanum.space.grid import apply_affine
from sanum.space.mirror import mirror
from sanum.synth.ageing import AgeingParams, caps_profile, draw_ageing, widening, with_wide_sulci
from sanum.synth.contrast import draw_contrast, with_iron
from sanum.synth.generator import apply_sample, draw_sample
from sanum.synth.head import head_in
from sanum.synth.record import SampleRecord, from_json, to_json
from sanum.synth.sampling import SamplingConfig
from sanum.synth.shading import PLACES, ShadingParams, draw_shading, shade, vessels
from sanum.synth.spots import SpotsParams, draw_spots, spots_in
from sanum.synth.stream import Stream, TrainingSet
from sanum.synth.world import WorldParams, away_from, draw_anomalies, draw_world

LEVEL = dict(level="none", healthy=1.0)


@pytest.fixture(scope="module")
def plain(anatomy):
    params = draw_sample(np.random.default_rng(3), anatomy, [], preset="t1w", **LEVEL)
    return replace(params, skull="off", skull_erosion=0)


def jacobian(moved):
    """Determinant (X, Y, Z) of the map x → x + moved(x), in voxels."""
    rows = [np.stack(np.gradient(moved[..., a], axis=(0, 1, 2)), axis=-1) for a in range(3)]
    return np.linalg.det(np.stack(rows, axis=-2) + np.eye(3))


def test_wider_ventricles_are_wider_and_the_brain_is_as_large(anatomy, plain):
    volumes, brains = [], []
    for mm in (0.0, 4.0, 8.0):
        head = head_in(anatomy, replace(plain, world=WorldParams(AgeingParams(widening_mm=mm))), anatomy.grid)
        volumes.append(int(np.isin(head.labels, [51]).sum()))
        brains.append(float(head.soft.sum()))
    assert volumes[0] * 1.3 < volumes[1] < volumes[2]
    assert max(brains) - min(brains) < 0.01 * brains[0]


def test_the_widening_tears_nothing_and_moves_nothing_outside(anatomy):
    moved = widening(anatomy, 8.0)
    assert jacobian(moved)[anatomy.brain & (anatomy.from_ventricles_mm > 0)].min() > 0
    assert not moved[~anatomy.brain].any()
    assert np.abs(moved).max() > 0.5
    assert not widening(anatomy, 0.0).any()


def test_the_target_shows_the_wide_ventricles_and_no_anomaly(anatomy, plain):
    world = WorldParams(AgeingParams(widening_mm=8.0))
    young, old = (apply_sample(anatomy, replace(plain, world=w)) for w in (WorldParams(), world))
    newly = (old.t1w < 0.5) & (young.t1w > 0.8) & young.brain & old.brain
    assert newly.sum() > 50
    assert np.median(old.image[0][newly]) < 0.6
    assert not old.lesion.any()


def test_sulci_widen_in_the_cortex_alone(anatomy):
    aged = with_wide_sulci(anatomy, 0.5)
    changed = aged != anatomy.t1w
    assert changed.any()
    assert (aged <= anatomy.t1w).all()
    assert not changed[(anatomy.from_ventricles_mm <= 10) | ~anatomy.brain].any()


def test_caps_are_brightest_at_the_ventricles():
    profile = caps_profile(np.array([0.0, 1.5, 3.0, 30.0]), AgeingParams(caps=0.4, caps_mm=1.5))
    np.testing.assert_allclose(profile, [0.4, 0.4 / np.e, 0.4 / np.e**4, 0], atol=1e-6)


@pytest.mark.parametrize(("preset", "sign"), [("t2w", 1), ("flair", 1), ("t1w", -1)])
def test_caps_are_bright_but_in_a_t1w_and_no_anomaly(anatomy, plain, preset, sign):
    contrast = draw_contrast(np.random.default_rng(1), preset, anatomy.tissue_means)
    params = replace(plain, contrast=contrast)
    with_caps = replace(params, world=WorldParams(AgeingParams(caps=0.4, caps_mm=3.0)))
    before, after = (head_in(anatomy, p, anatomy.grid).healthy(contrast) for p in (params, with_caps))
    assert sign * (after - before).sum() > 0
    sample = apply_sample(anatomy, with_caps)
    assert not sample.lesion.any()
    assert np.array_equal(sample.t1w, apply_sample(anatomy, params).t1w)


def test_iron_darkens_the_pallidum_most_and_only_where_it_shows(anatomy):
    rng = np.random.default_rng(0)
    t2w = draw_contrast(rng, "t2w", anatomy.tissue_means)
    change = np.subtract(with_iron(t2w, 0.3).groups, t2w.groups)
    assert change[4] == pytest.approx(-0.3 * t2w.tissue[2]) == change.min()
    assert change[0] == 0
    t1w = draw_contrast(rng, "t1w", anatomy.tissue_means)
    assert with_iron(t1w, 0.3) == t1w


def test_spots_lie_in_white_matter_near_the_ventricles(anatomy):
    near = SpotsParams(30, 4.0, 0.0, 0.0, 2.5, 0.0, seed=1)
    p = spots_in(anatomy, near)
    assert p.max() == 1
    assert not p[~anatomy.white_matter].any()
    far = spots_in(anatomy, replace(near, reach_mm=1000.0))
    distance = anatomy.from_ventricles_mm.astype(float)
    assert (p * distance).sum() / p.sum() < 0.6 * (far * distance).sum() / far.sum()


def test_symmetric_spots_have_their_like_on_the_other_side(anatomy):
    one = SpotsParams(12, 20.0, 0.0, 0.0, 4.0, 0.0, seed=2)
    share = []
    for symmetric in (0.0, 1.0):
        p = spots_in(anatomy, replace(one, symmetric=symmetric)) > 0.5
        other = mirror(p.astype(np.float32), anatomy.grid, anatomy.mirror) > 0.2
        share.append((p & other).sum() / p.sum())
    assert share[1] > 0.5 > share[0]


def test_a_band_follows_the_ventricles(anatomy):
    band = spots_in(anatomy, SpotsParams(0, 5.0, 0.0, 0.0, 2.0, 8.0, seed=3)) > 0.5
    assert band.any()
    assert anatomy.from_ventricles_mm[band].max() <= 8.0 * 2.5


def test_what_pushes_moves_tissue_outwards_and_tears_nothing(anatomy):
    x = apply_affine(anatomy.grid.affine, np.moveaxis(np.indices(anatomy.grid.shape), 0, -1))
    middle = np.array([30.0, -10.0, 20.0])
    anomaly = (((x - middle) ** 2).sum(-1) < 16**2).astype(np.float32)
    moved = away_from(anatomy, anomaly, 6.0)
    assert jacobian(moved)[anatomy.brain].min() > 0
    outward = ((x - middle) * moved).sum(-1)
    assert outward.max() <= 1e-6  # tissue comes from nearer to the middle
    assert 2.0 < 4.0 * np.linalg.norm(moved, axis=-1).max() <= 6.0
    assert not moved[~anatomy.brain].any()


def test_ends_coils_and_piled_signal_change_what_they_should(anatomy):
    grid, image = anatomy.grid, np.ones(anatomy.grid.shape, np.float32)
    view = np.ones(grid.shape, bool)
    view[:, :, :5] = False
    ends = shade(image, ShadingParams(ends=(0.5, -0.3)), np.eye(4), grid, view)
    assert ends[0, 0, 5] == pytest.approx(np.exp(0.5), rel=0.01)
    assert ends[0, 0, -1] < 0.8
    assert ends[0, 0, 25] == pytest.approx(1, abs=0.01)
    coils = np.log(shade(image, ShadingParams(coils=8, coils_strength=0.2, seed=1), np.eye(4), grid, view))
    assert 0.12 < coils.std() < 0.25
    assert abs(coils.mean()) < 0.05
    piled = shade(image, ShadingParams(piled=(0.5, 0.0, 0.0, 0.0)), np.eye(4), grid, view)
    place = np.rint(apply_affine(np.linalg.inv(grid.affine), np.array(PLACES))).astype(int)
    assert piled[tuple(place[0])] > 1.4
    assert piled[tuple(place[1])] == pytest.approx(1, abs=0.01)
    assert np.array_equal(shade(image, ShadingParams(), np.eye(4), grid, view), image)
    point = np.zeros(grid.shape, np.float32)
    point[20, 20, 20] = 1
    soft = shade(point, ShadingParams(soft_mm=4.0), np.eye(4), grid, view)
    assert soft.sum() == pytest.approx(1, rel=1e-3)
    assert soft[21, 20, 20] == pytest.approx(soft[20, 20, 20] * np.exp(-0.5), rel=0.02)


def test_vessels_are_bright_at_the_brains_surface(anatomy):
    bright = vessels(anatomy.brain.astype(np.float32), ShadingParams(vessels=1.0, seed=2), 4.0)
    assert bright.max() > 0.3
    assert bright[anatomy.depth_mm > 20].max() < 0.02


def test_a_ct_has_neither_coils_nor_vessels():
    drawn = [
        draw_shading(np.random.default_rng(n), echo_planar=False, enhanced=False, x_ray=True)
        for n in range(40)
    ]
    assert all(s.coils == 0 and s.ends == (0, 0) and not any(s.piled) and s.vessels == 0 for s in drawn)
    mr = [
        draw_shading(np.random.default_rng(n), echo_planar=True, enhanced=True, x_ray=False)
        for n in range(40)
    ]
    assert any(s.coils for s in mr)
    assert any(any(s.piled) for s in mr)
    assert all(s.vessels for s in mr)


def test_every_kind_of_anomaly_is_drawn_and_grows(anatomy, lesion_mask):
    kinds = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        shapes, looks = draw_anomalies(rng, [lesion_mask], 1)
        assert len(shapes) == len(looks) > 0
        kinds |= {"spots" if s.spots else "tumour" if s.pushes else "published" for s in shapes}
    assert kinds == {"spots", "tumour", "published"}
    assert draw_anomalies(np.random.default_rng(0), [], 0) == ((), ())


def test_a_sample_of_the_world_is_a_function_of_its_parameters(anatomy, lesion_mask):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        params = draw_sample(rng, anatomy, [lesion_mask], healthy=0.0, draws="world")
        record = SampleRecord(1, seed, "a", "0", "real", "dlmuse", (44, 52, 46), 4.0, False, (), params)
        again = from_json(to_json(record)).params
        assert again == params
        one, other = (apply_sample(anatomy, p, box=anatomy.grid) for p in (params, again))
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.p, other.p)
        assert np.isfinite(one.image).all()
        assert one.image.min() >= 0
    json.loads(to_json(record))


def test_draws_stay_in_their_ranges():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ageing, spots = draw_ageing(rng), draw_spots(rng)
        assert 0 <= ageing.widening_mm <= 14
        assert 0 <= ageing.sulci <= 0.7
        assert 0 <= ageing.caps <= 0.6
        assert 3 <= spots.count <= 45
        shapes, _ = draw_anomalies(rng, (), 1)
        world = draw_world(rng, "flair", shapes)
        assert world.push_mm == 0 or any(s.pushes for s in shapes)


def test_the_stream_tells_the_contrast_as_often_as_asked(anatomy):
    def told(share):
        stream = Stream(
            TrainingSet([anatomy]),
            seed=1,
            box=anatomy.grid,
            sampling=SamplingConfig(draws="world", told=share, real=1.0),
        )
        return [CONTRASTS[int(stream.sample(n)["contrast"])] for n in range(6)]

    assert told(1.0) == ["T1w"] * 6
    assert told(0.0) == ["unknown"] * 6
