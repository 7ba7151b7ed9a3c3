"""Two witnesses, one probability: the rule is monotone, signs go with the contrast, a failed fit is said."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sanum.healthy import witness
from sanum.healthy.evidence import Evidence
from sanum.healthy.grids import ScanMaps
from sanum.healthy.witness import NO_RULE, fused, hear_both
from sanum.scan import Scan
from sanum.space.grid import at_spacing
from sanum.space.mirror import reflection

from .rules import RULE
from .test_residual import LESION, SHAPE, SPACING, anatomy, scanned  # noqa: F401 the fixture

SHARE = arrays.arrays(np.float32, 6, elements=st.floats(0, 1, width=32))
Z = arrays.arrays(np.float32, 6, elements=st.floats(-50, 50, width=32))
OF_LESIONS = arrays.arrays(np.float32, 6, elements=st.floats(0, 6, width=32))
CONTRAST = st.sampled_from(["T1w", "T2w", None])
RISES = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])

ACROSS = reflection([1, 0, 0], (np.array(SHAPE) - 1) / 2 * SPACING)  # of voxels that begin at 0


def by_rule(p, z, said, contrast, around=0.0, other=0.0):
    z = np.asarray(z, np.float32)
    shape = z.shape
    found = Evidence(
        z, np.asarray(said, np.float32), *(np.broadcast_to(np.float32(x), shape) for x in (around, other))
    )
    return fused(np.asarray(p, np.float32), found, contrast, RULE)


class TestRule:
    @given(SHARE, SHARE, Z, SHARE, CONTRAST)
    @RISES
    def test_it_rises_with_the_network(self, p, q, z, said, contrast):
        assert (by_rule(np.maximum(p, q), z, said, contrast) >= by_rule(p, z, said, contrast)).all()

    @given(SHARE, Z, st.floats(1, 9, width=32), SHARE, OF_LESIONS, CONTRAST)
    @RISES
    def test_it_rises_with_the_residual(self, p, z, factor, said, other, contrast):
        more = by_rule(p, np.float32(factor) * z, said, contrast, other=other)
        assert (more >= by_rule(p, z, said, contrast, other=other)).all()

    @given(SHARE, Z, SHARE, OF_LESIONS, OF_LESIONS, CONTRAST)
    @RISES
    def test_it_rises_with_what_is_around_and_falls_with_the_other_side(self, p, z, said, x, y, contrast):
        more, less = np.maximum(x, y), np.minimum(x, y)
        assert (by_rule(p, z, said, contrast, more) >= by_rule(p, z, said, contrast, less)).all()
        there = by_rule(p, z, said, contrast, other=more)
        assert (there <= by_rule(p, z, said, contrast, other=less)).all()

    @given(SHARE, Z, SHARE, CONTRAST)
    @RISES
    def test_it_is_a_probability(self, p, z, said, contrast):
        q = by_rule(p, z, said, contrast)
        assert q.dtype == np.float32
        assert ((q >= 0) & (q <= 1)).all()

    def test_by_hand(self):
        """logit(0.9) = 2.197; T2w, z 4, 2 around, 1 on the other side."""
        odds = -2.4 + 0.4 * 2.19722 + 0.8 * 4 + 0.2 * 2 + 0.1 * 3
        q = by_rule([0.9], [4], [1], "T2w", around=2, other=1)
        np.testing.assert_allclose(q, 1 / (1 + np.exp(-odds)), rtol=1e-5)

    def test_a_promise_moves_the_log_odds(self):
        q = by_rule([0.3], [0], [1], "T1w"), by_rule([0.3], [0], [1], "T2w")
        odds = [np.log(x / (1 - x)) for x in q]
        np.testing.assert_allclose(odds[0] - odds[1], RULE.promise("T1w").shift, atol=1e-5)

    def test_where_the_residual_says_nothing_the_network_stands_alone(self):
        p = np.linspace(0.01, 0.99, 9, dtype=np.float32)
        alone = by_rule(p, np.full(9, 6), np.zeros(9), None)
        expected = RULE.alone_base + RULE.alone * np.log(p / (1 - p))
        np.testing.assert_allclose(np.log(alone / (1 - alone)), expected, atol=1e-4)

    def test_a_sure_no_of_the_network_does_not_overrule_a_strong_residual(self):
        assert by_rule([1e-6], [6], [1], "FLAIR", around=5) > 0.5
        assert by_rule([1e-6], [2], [1], "FLAIR", around=1) < 0.1

    def test_normal_tissue_contradicts_the_network_and_a_bright_one_supports_it(self):
        assert by_rule([0.7], [0], [1], "T2w") < 0.5
        assert by_rule([0.7], [5], [1], "T2w") > 0.9

    def test_what_is_bright_in_a_t1w_is_no_lesion_and_what_is_dark_is(self):
        assert by_rule([0.02], [6], [1], "T1w") < 0.1
        assert by_rule([0.02], [-6], [1], "T1w") > 0.8

    def test_ventricles_that_the_anatomy_lacks_are_dark_in_a_flair_and_do_not_count(self):
        assert by_rule([0.98], [-6], [1], "FLAIR") < 0.5


def maps_of(anatomy, image):  # noqa: F811
    """The scan, and a network that is unsure of everything on its grid."""
    t1w, brain = anatomy
    scan = Scan(image, np.diag([*SPACING, 1.0]))
    unsure = np.where(brain, np.float32(0.3), np.float32(0))
    none = np.zeros(brain.shape, np.uint8)
    return scan, ScanMaps(*(scan.with_voxels(x) for x in (t1w, unsure, none, unsure, brain.astype(np.uint8))))


class TestHearBoth:
    def test_what_the_network_does_not_see_the_scan_says(self, anatomy):  # noqa: F811
        heard = hear_both(*maps_of(anatomy, scanned(anatomy, lesion=1.5)), "T2w", RULE, ACROSS)
        core = np.zeros(anatomy[1].shape, bool)
        core[tuple(slice(s.start + 1, s.stop - 1) for s in LESION)] = True
        assert heard.mask.voxels[core].mean() > 0.8
        assert heard.mask.voxels.sum() < 3.5 * np.prod([s.stop - s.start for s in LESION])
        np.testing.assert_array_equal(heard.mask.voxels, heard.anomaly.voxels > 0.5)
        assert heard.warnings == ()
        assert (
            heard.how
            == "network and own contrast; mask: at most 1 mL in 90% of healthy scans, by 9 made scans"
        )

    def test_the_wrong_direction_says_nothing(self, anatomy):  # noqa: F811
        heard = hear_both(*maps_of(anatomy, scanned(anatomy, lesion=1.5)), "T1w", RULE, ACROSS)
        assert heard.mask.voxels[LESION].sum() == 0

    def test_without_a_rule_the_network_stands_alone_and_the_residual_can_be_looked_at(self, anatomy):  # noqa: F811
        scan, maps = maps_of(anatomy, scanned(anatomy, lesion=1.5))
        heard = hear_both(scan, maps, "T2w", None, ACROSS)
        assert heard.anomaly is maps.anomaly
        assert heard.mask is maps.anomaly_mask
        assert (heard.how, heard.warnings) == (NO_RULE, ())
        with_rule = hear_both(scan, maps, "T2w", RULE, ACROSS).parts.residual
        np.testing.assert_array_equal(heard.parts.residual.voxels, with_rule.voxels)
        assert with_rule.voxels[LESION].mean() > 3

    def test_a_fit_that_fails_leaves_the_network_alone_and_says_so(self, anatomy):  # noqa: F811
        noise = np.exp(np.random.default_rng(3).normal(0, 1, anatomy[1].shape)).astype(np.float32)
        scan, maps = maps_of(anatomy, noise)
        heard = hear_both(scan, maps, "T2w", RULE, ACROSS)
        np.testing.assert_array_equal(heard.anomaly.voxels, maps.anomaly.voxels)
        assert not heard.parts.residual.voxels.any()
        assert len(heard.warnings) == 1
        assert heard.warnings[0].startswith(
            "the anomaly map is the network's alone: its intensities scatter by"
        )
        assert heard.how == "network alone"

    def test_without_a_brain(self, anatomy):  # noqa: F811
        scan, maps = maps_of(anatomy, scanned(anatomy))
        maps = replace(maps, brain=maps.brain.with_voxels(0 * maps.brain.voxels))
        heard = hear_both(scan, maps, "T2w", RULE, ACROSS)
        assert not heard.mask.voxels.any()
        assert not heard.parts.residual.voxels.any()

    def test_parts_are_in_their_place(self, anatomy):  # noqa: F811
        scan, maps = maps_of(anatomy, scanned(anatomy, lesion=1.5))
        parts = hear_both(scan, maps, "T2w", RULE, ACROSS).parts
        np.testing.assert_array_equal(parts.network.voxels, maps.anomaly.voxels)
        assert parts.residual.grid.same_as(scan.grid)

    def test_slabs_are_as_the_whole(self, anatomy, monkeypatch):  # noqa: F811
        scan, maps = maps_of(anatomy, scanned(anatomy, lesion=1.5))
        whole = hear_both(scan, maps, "T2w", RULE, ACROSS).anomaly.voxels
        monkeypatch.setattr(witness, "_SLAB", 9000)
        np.testing.assert_array_equal(hear_both(scan, maps, "T2w", RULE, ACROSS).anomaly.voxels, whole)

    def test_very_fine_voxels_go_by_way_of_coarser_ones(self, anatomy, monkeypatch):  # noqa: F811
        maps = maps_of(anatomy, scanned(anatomy, lesion=1.5))
        whole = hear_both(*maps, "T2w", RULE, ACROSS).parts.residual
        monkeypatch.setattr(witness, "MANY", 1000)
        monkeypatch.setattr(witness, "FINEST_MM", 3.0)
        assert at_spacing(maps[0].grid, 3.0).shape < maps[0].voxels.shape
        coarse = hear_both(*maps, "T2w", RULE, ACROSS).parts.residual
        assert coarse.voxels.shape == whole.voxels.shape
        assert np.median(coarse.voxels[LESION]) > 3
