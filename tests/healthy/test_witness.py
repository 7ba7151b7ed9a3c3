"""Two witnesses, one probability: the rule is monotone, signs go with the contrast, a failed fit is said."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sanum.healthy import witness
from sanum.healthy.grids import ScanMaps
from sanum.healthy.reconstruction import reconstruct
from sanum.healthy.residual import FEWEST
from sanum.healthy.witness import RULE, THRESHOLD, evidence, fused, hear_both, lesion_signs
from sanum.scan import Scan
from sanum.space.grid import at_spacing

from .test_residual import LESION, SPACING, anatomy, scanned  # noqa: F401 the fixture

SHARE = arrays.arrays(np.float32, 6, elements=st.floats(0, 1, width=32))
Z = arrays.arrays(np.float32, 6, elements=st.floats(-50, 50, width=32))
CONTRAST = st.sampled_from(["T1w", "T2w", None])


class TestRule:
    @given(SHARE, SHARE, Z, SHARE, CONTRAST)
    @settings(max_examples=200)
    def test_it_rises_with_the_network(self, p, q, z, said, contrast):
        assert (fused(np.maximum(p, q), z, said, contrast) >= fused(p, z, said, contrast)).all()

    @given(SHARE, Z, st.floats(1, 9, width=32), SHARE, CONTRAST)
    @settings(max_examples=200)
    def test_it_rises_with_the_residual(self, p, z, factor, said, contrast):
        assert (fused(p, np.float32(factor) * z, said, contrast) >= fused(p, z, said, contrast)).all()

    @given(SHARE, Z, SHARE, CONTRAST)
    def test_it_is_a_probability(self, p, z, said, contrast):
        q = fused(p, z, said, contrast)
        assert q.dtype == np.float32
        assert ((q >= 0) & (q <= 1)).all()

    def test_where_the_residual_says_nothing_the_network_stands_alone(self):
        p = np.linspace(0.01, 0.99, 9, dtype=np.float32)
        alone = fused(p, np.full(9, 6, np.float32), np.zeros(9, np.float32), None)
        np.testing.assert_allclose(np.log(alone / (1 - alone)), np.log(p / (1 - p)) - RULE.alone, atol=1e-4)

    def test_normal_tissue_contradicts_the_network_and_a_bright_one_supports_it(self):
        p, one = np.array([0.7], np.float32), np.ones(1, np.float32)
        assert fused(p, 0 * one, one, "T2w") < 0.5 < p
        assert fused(p, 5 * one, one, "T2w") > 0.9

    def test_what_is_bright_in_a_t1w_counts_where_the_network_speaks(self):
        z, one = np.array([6], np.float32), np.ones(1, np.float32)
        sure, silent = np.array([0.98], np.float32), np.array([0.02], np.float32)
        assert fused(sure, z, one, "T1w") > 0.5
        assert fused(silent, z, one, "T1w") < 0.1
        assert fused(silent, -z, one, "T1w") > 0.8

    def test_ventricles_that_the_anatomy_lacks_are_dark_in_a_flair_and_do_not_count(self):
        sure, one = np.array([0.98], np.float32), np.ones(1, np.float32)
        assert fused(sure, np.array([-6], np.float32), one, "FLAIR") < 0.5


class TestSigns:
    @pytest.mark.parametrize("contrast", ["T1w", "UNIT1"])
    def test_lesions_are_dark(self, contrast):
        assert lesion_signs(contrast) == (-1,)

    @pytest.mark.parametrize("contrast", ["T2w", "FLAIR", "PD", "DWI"])
    def test_lesions_are_bright(self, contrast):
        assert lesion_signs(contrast) == (1,)

    @pytest.mark.parametrize("contrast", ["T1wCE", "CT", "ADC", "unknown", None, "bold"])
    def test_lesions_are_either(self, contrast):
        assert lesion_signs(contrast) == (1, -1)

    def test_evidence_is_the_part_in_that_direction(self):
        z = np.array([-3, 0, 2], np.float32)
        assert evidence(z, "T1w").tolist() == [3, 0, 0]
        assert evidence(z, "T2w").tolist() == [0, 0, 2]
        assert evidence(z, None).tolist() == [3, 0, 2]


def maps_of(anatomy, image):  # noqa: F811
    """The scan, and a network that is unsure of everything on its grid."""
    t1w, brain = anatomy
    scan = Scan(image, np.diag([*SPACING, 1.0]))
    unsure = np.where(brain, np.float32(0.3), np.float32(0))
    none = np.zeros(brain.shape, np.uint8)
    return scan, ScanMaps(*(scan.with_voxels(x) for x in (t1w, unsure, none, unsure, brain.astype(np.uint8))))


class TestHearBoth:
    def test_what_the_network_does_not_see_the_scan_says(self, anatomy):  # noqa: F811
        heard = hear_both(*maps_of(anatomy, scanned(anatomy, lesion=1.5)), "T2w")
        core = np.zeros(anatomy[1].shape, bool)
        core[tuple(slice(s.start + 1, s.stop - 1) for s in LESION)] = True
        assert heard.mask.voxels[core].mean() > 0.8
        assert heard.mask.voxels.sum() < 3.5 * np.prod([s.stop - s.start for s in LESION])
        np.testing.assert_array_equal(heard.mask.voxels, heard.anomaly.voxels > THRESHOLD)
        assert heard.warnings == ()
        assert heard.how.startswith("network and own contrast")

    def test_the_wrong_direction_says_nothing(self, anatomy):  # noqa: F811
        heard = hear_both(*maps_of(anatomy, scanned(anatomy, lesion=1.5)), "T1w")
        assert heard.mask.voxels[LESION].sum() == 0

    def test_a_fit_that_fails_leaves_the_network_alone_and_says_so(self, anatomy):  # noqa: F811
        noise = np.exp(np.random.default_rng(3).normal(0, 1, anatomy[1].shape)).astype(np.float32)
        scan, maps = maps_of(anatomy, noise)
        heard = hear_both(scan, maps, "T2w")
        np.testing.assert_array_equal(heard.anomaly.voxels, maps.anomaly.voxels)
        assert not heard.parts.on_grid("residual", scan).voxels.any()
        assert len(heard.warnings) == 1
        assert heard.warnings[0].startswith(
            "the anomaly map is the network's alone: its intensities scatter by"
        )
        assert heard.how.startswith("network alone")

    def test_without_a_brain(self, anatomy):  # noqa: F811
        scan, maps = maps_of(anatomy, scanned(anatomy))
        heard = hear_both(scan, replace(maps, brain=maps.brain.with_voxels(0 * maps.brain.voxels)), "T2w")
        assert not heard.mask.voxels.any()

    def test_parts_are_back_in_their_place(self, anatomy):  # noqa: F811
        scan, maps = maps_of(anatomy, scanned(anatomy, lesion=1.5))
        parts = hear_both(scan, maps, "T2w").parts
        np.testing.assert_array_equal(parts.on_grid("network", scan).voxels, maps.anomaly.voxels)
        z = parts.on_grid("residual", scan)
        assert z.grid.same_as(scan.grid)
        assert z.voxels[LESION].mean() > 3

    def test_very_fine_voxels_go_by_way_of_coarser_ones(self, anatomy, monkeypatch):  # noqa: F811
        maps = maps_of(anatomy, scanned(anatomy, lesion=1.5))
        whole = hear_both(*maps, "T2w").parts
        monkeypatch.setattr(witness, "MANY", 1000)
        monkeypatch.setattr(witness, "FINEST_MM", 3.0)
        assert at_spacing(maps[0].grid, 3.0).shape < maps[0].voxels.shape
        coarse = hear_both(*maps, "T2w").parts
        assert coarse.residual.shape == whole.residual.shape
        assert (np.median(coarse.on_grid("residual", maps[0]).voxels[LESION])) > 3


@pytest.mark.usefixtures("rough_mirror")
def test_the_main_job_hears_both(phantom, phantom_predictor):
    assert phantom.voxels.size > FEWEST
    result = reconstruct(phantom, predictor=phantom_predictor)
    assert "mask above" in result.provenance["witnesses"]
    np.testing.assert_array_equal(result.anomaly_mask.voxels, result.anomaly.voxels > THRESHOLD)
    assert result.network.voxels.max() > 0.9
    assert result.residual.grid.same_as(phantom.grid)
