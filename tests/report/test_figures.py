import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sanum.report.figures import intensity_window, montage, to_png
from sanum.scan import Scan

AXIAL, CORONAL, SAGITTAL = range(3)
MAPS = ("scan", "anatomy", "anomaly", "anomaly_mask", "uncertainty", "brain")


def draw(inputs, point_mm, **options):
    return montage(inputs, point_mm, **options)


def pixels(figure):
    return np.asarray(Image.open(io.BytesIO(to_png(figure)))).astype(int)


def anomaly_pixels(figure, row):
    """Where the picture shows the anomaly's colour in one row: ((left, right), (top, bottom)) in pixels."""
    image = pixels(figure)
    panel = figure.axes[4 * row + 2].get_window_extent()
    height = image.shape[0]
    left, right = round(panel.x0), round(panel.x1)
    top, bottom = height - round(panel.y1), height - round(panel.y0)
    inside = image[top:bottom, left:right]
    rows, columns = np.nonzero(inside[..., 0] - inside[..., 2] > 60)
    return (left + columns.min(), left + columns.max() + 1), (top + rows.min(), top + rows.max() + 1)


def letter_x(figure, row, letter):
    (text,) = [t for t in figure.axes[4 * row + 2].texts if t.get_text() == letter]
    box = text.get_window_extent()
    return (box.x0 + box.x1) / 2


@pytest.mark.parametrize(("axes", "convention"), [("PIR", "radiological"), ("LAS", "neurological")])
def test_anomaly_lies_on_the_side_its_letter_says(phantom, axes, convention):
    """For other orders of the axes the picture is the same: see below."""
    point = (-30.0, 14.0, 10.0)  # left, anterior
    figure = draw(phantom(point, axes=axes), point, convention=convention)
    for row, near, far in ((AXIAL, "L", "R"), (CORONAL, "L", "R"), (SAGITTAL, "A", "P")):
        middle = np.mean(anomaly_pixels(figure, row)[0])
        near_x, far_x = letter_x(figure, row, near), letter_x(figure, row, far)
        assert abs(middle - near_x) < abs(middle - far_x)
        if row != SAGITTAL:
            assert (near_x > far_x) == (convention == "radiological")


def test_up_is_anterior_in_axial_and_superior_in_the_others(phantom):
    point = (0.0, 40.0, 25.0)
    figure = draw(phantom(point), point)
    height = figure.get_size_inches()[1] * figure.dpi
    for row in range(3):
        panel = figure.axes[4 * row + 2].get_window_extent()
        assert np.mean(anomaly_pixels(figure, row)[1]) < height - (panel.y0 + panel.y1) / 2


def test_picture_does_not_depend_on_the_order_of_the_voxel_axes(phantom):
    point = (-30.0, 14.0, 10.0)
    reference = to_png(draw(phantom(point), point))
    assert to_png(draw(phantom(point, axes="LPI"), point)) == reference
    assert to_png(draw(phantom(point, axes="SRP"), point)) == reference


def test_sphere_stays_round_in_thick_slices(phantom):
    point = (-28.0, 0.0, 0.0)
    figure = draw(phantom(point, radius_mm=22.0, spacing_mm=(1.0, 2.0, 5.5), axes="LAS"), point)
    for row in range(3):
        (left, right), (top, bottom) = anomaly_pixels(figure, row)
        slack = 5.5 / 44 if row != AXIAL else 2.0 / 44  # a voxel of the sphere's 44 mm
        assert (right - left) / (bottom - top) == pytest.approx(1, abs=slack + 0.06)


def test_all_panels_share_one_scale(phantom):
    figure = draw(phantom(spacing_mm=(2.0, 3.0, 5.0)), (0.0, 0.0, 0.0))
    per_mm = []
    for ax in figure.axes[:12]:
        box = ax.get_window_extent()
        per_mm += [
            box.width / abs(np.subtract(*ax.get_xlim())),
            box.height / abs(np.subtract(*ax.get_ylim())),
        ]
    np.testing.assert_allclose(per_mm, per_mm[0], rtol=1e-6)


def test_mask_outline_is_drawn_only_where_there_is_a_mask(phantom):
    inputs = phantom()
    hit, missed = draw(inputs, (-30.0, 14.0, 10.0)), draw(inputs, (40.0, -40.0, -30.0))
    assert [len(hit.axes[4 * row + 2].collections) for row in range(3)] == [1, 1, 1]
    assert [len(missed.axes[4 * row + 2].collections) for row in range(3)] == [0, 0, 0]


def test_convention_and_tilt_are_told(phantom):
    inputs = phantom()
    (legend,) = draw(inputs, (0.0, 0.0, 0.0), convention="neurological").texts
    assert "Neurological convention: the patient's right (R) is on the right" in legend.get_text()
    assert "scanner's" not in legend.get_text()

    angle = np.radians(17)
    rotation = np.eye(4)
    rotation[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilted = {name: getattr(inputs, name) for name in MAPS}
    tilted = {name: Scan(s.voxels, rotation @ s.affine) for name, s in tilted.items()}
    (legend,) = montage(replace(inputs, **tilted), (0.0, 0.0, 0.0)).texts
    assert "up to 17° off" in legend.get_text()


def test_strange_names_of_contrasts_are_drawn_without_harm(phantom):
    figure = draw(phantom(contrast="$\\bad{$ \udcff\n脳" + 40 * "x"), (0.0, 0.0, 0.0))
    assert to_png(figure)[:4] == b"\x89PNG"
    assert figure.axes[0].get_title() == r"Input: $\bad{$ ???xxxxxxxx..."


def test_ct_has_the_brain_window_and_its_unit(phantom):
    inputs = phantom(contrast="CT (guessed)")
    assert intensity_window(inputs.scan, inputs.brain, contrast=inputs.contrast) == (0.0, 80.0)
    figure = draw(inputs, (0.0, 0.0, 0.0))
    for column in (0, 2):
        assert figure.axes[column].images[0].get_clim() == (0.0, 80.0)
    assert figure.axes[1].images[0].get_clim() != (0.0, 80.0)
    assert "HU" in figure.axes[12].get_xlabel()


def test_window_comes_from_the_brain_and_survives_bad_voxels():
    voxels = np.linspace(0, 1000, 1000).reshape(10, 10, 10)
    voxels[0, 0, 0], voxels[9] = np.nan, 1e9
    brain = np.ones_like(voxels, dtype=bool)
    brain[9] = False
    low, high = intensity_window(Scan(voxels, np.eye(4)), Scan(brain, np.eye(4)))
    assert 0 < low < 20
    assert 880 < high < 900
    flat = Scan(np.full((2, 2, 2), 7.0), np.eye(4))
    assert intensity_window(flat, flat.with_voxels(np.zeros((2, 2, 2)))) == (7.0, 8.0)


def test_wrong_requests_fail(phantom):
    inputs = phantom()
    with pytest.raises(ValueError, match="outside the scan"):
        draw(inputs, (500.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="convention"):
        draw(inputs, (0.0, 0.0, 0.0), convention="surgical")
