"""A lesion that the user has drawn: what the scan shows in it has no say, and the rest stays its own."""

import nibabel as nib
import numpy as np
import pytest

from sanum.cli.main import main
from sanum.healthy.job import ReconstructJob
from sanum.healthy.mask import Lesion, lesion_in, put_together
from sanum.healthy.reconstruction import reconstruct
from sanum.scan import Scan, ScanError
from sanum.space.grid import apply_affine, covering

pytestmark = pytest.mark.usefixtures("rough_mirror", "no_pictures")


def ball(scan, centre, radius):
    points = apply_affine(scan.affine, np.moveaxis(np.indices(scan.voxels.shape), 0, -1))
    return np.linalg.norm(points - centre, axis=-1) < radius


@pytest.fixture
def drawn(phantom):
    return ball(phantom, (-20, -10, 10), 14)


class TestWithAMask:
    def test_what_the_scan_shows_in_it_has_no_say(self, phantom, phantom_predictor, drawn):
        made = [
            reconstruct(
                phantom.with_voxels(np.where(drawn, values, phantom.voxels).astype(np.float32)),
                predictor=phantom_predictor,
                mask=drawn,
                contrast="T1w",
                compose="keep-healthy",
            )
            for values in (0.0, 7.0, np.random.default_rng(0).random(drawn.shape))
        ]
        for other in made[1:]:
            for name in ("anatomy", "anomaly", "anomaly_mask", "uncertainty", "brain"):
                np.testing.assert_array_equal(getattr(other, name).voxels, getattr(made[0], name).voxels)
        assert made[1].scan.voxels[drawn].max() == 7  # and the result shows the scan as it is

    def test_the_anomaly_is_certain_in_it_and_what_is_found_elsewhere_stays(
        self, phantom, phantom_predictor_2mm, drawn
    ):
        alone = reconstruct(phantom, predictor=phantom_predictor_2mm)
        result = reconstruct(phantom, predictor=phantom_predictor_2mm, mask=drawn)
        assert (result.anomaly.voxels[drawn] == 1).all()
        assert alone.anomaly_mask.voxels.any()
        np.testing.assert_array_equal(result.anomaly_mask.voxels, alone.anomaly_mask.voxels | drawn)
        assert result.provenance["mask"] == "the mask"
        assert "mask" not in alone.provenance

    def test_the_network_sees_it_filled(self, phantom, phantom_predictor, drawn):
        seen, ask = [], type(phantom_predictor).__call__

        class Watched(type(phantom_predictor)):
            def __call__(self, pair, **how):
                seen.append((pair, how))
                return ask(self, pair, **how)

        void = phantom.with_voxels(np.where(drawn, 0, phantom.voxels))
        reconstruct(void, predictor=Watched(), mask=drawn)
        whole = [pair for pair, how in seen if "covered" in how]
        assert len(whole) == 1
        seen.clear()
        reconstruct(phantom, predictor=Watched())
        (asked,) = [pair for pair, how in seen if "covered" in how]
        for pair in whole:
            assert np.abs(pair[0] - asked[0]).max() < 0.5
            assert np.abs(pair[0] - asked[0]).mean() < 0.01

    def test_at_one_millimetre_and_on_turned_axes(self, phantom, phantom_predictor, drawn):
        turned = Scan(
            drawn[::-1].transpose(1, 0, 2),
            phantom.affine
            @ np.array([[0, -1, 0, len(drawn) - 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
        )
        result = reconstruct(phantom, predictor=phantom_predictor, mask=turned, space="1mm")
        grid = covering(phantom.grid, 1.0)
        assert result.anomaly.grid.same_as(grid)
        inner = ball(result.anomaly, (-20, -10, 10), 11)
        assert inner.sum() > 1000
        assert (result.anomaly.voxels[inner] == 1).all()

    def test_a_file_an_image_and_an_array_are_the_same(self, phantom, drawn, tmp_path):
        image = nib.Nifti1Image(drawn.astype(np.uint8), phantom.affine)
        nib.save(image, tmp_path / "lesion.nii.gz")
        for source in (tmp_path / "lesion.nii.gz", str(tmp_path / "lesion.nii.gz"), image, drawn * 0.9):
            np.testing.assert_array_equal(lesion_in(source, phantom).mask.voxels, drawn)
        assert lesion_in(tmp_path / "lesion.nii.gz", phantom).name == "lesion.nii.gz"

    def test_the_record_tells_masks_apart(self, phantom_predictor, phantom_file, tmp_path):
        one, other = tmp_path / "one", tmp_path / "other"
        one.write_bytes(b"1")
        other.write_bytes(b"2")
        settings = [ReconstructJob(phantom_predictor, mask=m).settings for m in (None, one, other)]
        assert settings[0]["mask_sha256"] is None
        assert settings[1]["mask_sha256"] != settings[2]["mask_sha256"]


class TestAMaskThatCannotBeUsed:
    @pytest.mark.parametrize(
        ("mask", "why"),
        [
            (
                lambda s, m: Scan(m, s.affine @ np.diag([1.1, 1, 1, 1])),
                "not on the grid of the scan: its vox",
            ),
            (lambda s, m: Scan(m[:-2], s.affine), "not on the grid of the scan: it has"),
            (lambda s, m: m[:-2], "has the shape"),
            (lambda s, m: m * 0, "is empty: a mask has"),
            (lambda s, m: np.full(m.shape, np.nan), "is empty: a mask has"),
            (
                lambda s, m: np.ones(m.shape),
                "covers .* of what the scan shows: a mask marks the lesion alone",
            ),
        ],
    )
    def test_gets_one_sentence(self, phantom, drawn, phantom_predictor, mask, why):
        with pytest.raises(ScanError, match=why) as caught:
            reconstruct(phantom, predictor=phantom_predictor, mask=mask(phantom, drawn.astype(float)))
        assert "\n" not in str(caught.value)

    def test_half_of_the_brain_is_too_much(self, phantom, phantom_predictor):
        there = reconstruct(phantom, predictor=phantom_predictor)
        most = Lesion(Scan(ball(phantom, (6, -10, 4), 56), phantom.affine), "most.nii.gz")
        with pytest.raises(ScanError, match=r"most.nii.gz covers 5\d% of the brain"):
            most.marked(there)


class TestPutTogether:
    """The seam follows the mask."""

    @pytest.fixture
    def result(self, phantom, phantom_predictor, drawn):
        texture = 0.1 * np.random.default_rng(0).standard_normal(drawn.shape)
        scan = phantom.with_voxels(
            (phantom.voxels * (1 + texture) * np.where(drawn, 0.2, 1)).astype(np.float32)
        )
        return reconstruct(scan, predictor=phantom_predictor, mask=drawn, contrast="T1w")

    def test_only_the_mask_is_replaced(self, result, drawn, phantom):
        (title, kept), *none = result.others.items()
        assert title == "Own tissue, anomaly replaced"
        assert not none
        np.testing.assert_allclose(kept.voxels[drawn], result.anatomy.voxels[drawn], atol=0.3)
        assert np.abs(kept.voxels - result.anatomy.voxels)[drawn].mean() < 0.06
        far = (result.brain.voxels > 0) & ~ball(phantom, (-20, -10, 10), 14 + 3)
        core = far & ball(phantom, (6, -10, 4), 45)  # its own, even where the network finds an anomaly
        assert (result.anomaly_mask.voxels[core] > 0).any()
        assert np.corrcoef(kept.voxels[core], result.scan.voxels[core])[0, 1] > 0.95

    def test_the_seam_is_no_edge(self, result, drawn, phantom, phantom_predictor):
        """Steps across it are no larger than those that the same tissue has without a lesion."""
        texture = 1 + 0.1 * np.random.default_rng(0).standard_normal(drawn.shape)
        healthy = phantom.with_voxels((phantom.voxels * texture).astype(np.float32))
        whole = reconstruct(healthy, predictor=phantom_predictor, contrast="T1w")
        rim = ball(phantom, (-20, -10, 10), 22) & ~ball(phantom, (-20, -10, 10), 11)
        ours, own = (
            np.linalg.norm(np.gradient(next(iter(r.others.values())).voxels.astype(float)), axis=0)[rim]
            for r in (result, whole)
        )
        assert ours.mean() < 1.05 * own.mean()
        assert np.percentile(ours, 95) < 1.05 * np.percentile(own, 95)

    def test_the_lesion_is_put_back_as_it_was_scanned(self, result, phantom, drawn):
        lesion = Lesion(Scan(drawn, phantom.affine), "mask")
        back = put_together("keep-lesion", result.scan, result, lesion)
        inner = ball(phantom, (-20, -10, 10), 9)
        assert back.voxels[inner].mean() < 0.5 * result.anatomy.voxels[inner].mean()

    def test_the_picture_is_of_what_would_be_written(self, result, phantom_predictor, drawn):
        written = reconstruct(
            result.scan, predictor=phantom_predictor, mask=drawn, contrast="T1w", compose="keep-healthy"
        )
        (kept,) = result.others.values()
        np.testing.assert_allclose(kept.voxels, written.anatomy.voxels, atol=0.02)
        (predicted,) = written.others.values()
        np.testing.assert_array_equal(predicted.voxels, result.anatomy.voxels)

    def test_both_are_in_the_report(self, result):
        page = " ".join(result.report().split())
        assert "the input; healthy anatomy (predicted); own tissue, anomaly replaced; the anomaly" in page
        assert "Lesion mask given" in page


class TestTheCommand:
    def test_a_mask_goes_with_one_scan_and_must_be_there(self, phantom_file, tmp_path, monkeypatch, capsys):
        for name in ("a.nii.gz", "b.nii.gz"):
            (tmp_path / name).write_bytes(phantom_file.read_bytes())
        one, two = str(tmp_path / "a.nii.gz"), str(tmp_path / "b.nii.gz")
        for scans, mask, why in (
            ((one, two), one, "--mask goes with one scan: start sanum once for each"),
            ((one,), "nowhere.nii.gz", "nowhere.nii.gz does not exist"),
        ):
            words = ["sanum", "reconstruct", *scans, "-o", str(tmp_path / "out"), "--mask", mask]
            monkeypatch.setattr("sys.argv", words)
            with pytest.raises(SystemExit) as left:
                main()
            assert left.value.code == 2
            assert why in " ".join(capsys.readouterr().err.split())
