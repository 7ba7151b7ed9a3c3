"""The pages about more than one scan: their figure, and what is missing."""

import io

import numpy as np
import pytest
from PIL import Image

from sanum.report.group import ScanRow, distributions, render_group, render_subject


def row(n, ml, picture=b""):
    numbers = {"brain_ml": 1200.0 + n, "anomaly_ml": ml, "mean_uncertainty": 0.05}
    return ScanRow(f"sub-{n}_T1w", f"sub-{n}", f"sub-{n}.html", "", "T1w", numbers, picture)


@pytest.mark.parametrize("volumes", [[0.0, 0.0], [0.0, 180.0], [3.0, 4.0], [np.nan, 5.0]])
def test_the_axis_of_the_anomaly_begins_at_0_and_holds_every_scan(volumes):
    _, anomaly, _ = distributions([row(n, ml) for n, ml in enumerate(volumes)]).axes
    low, high = anomaly.get_ylim()
    assert low == 0
    assert high > np.nanmax(volumes)
    assert not any(points.get_clip_on() for points in anomaly.collections)  # those at 0 are whole


def test_pictures_keep_their_place_before_they_are_there():
    picture = io.BytesIO()
    Image.new("RGB", (70, 40)).save(picture, format="JPEG")
    rows = [row(1, 2.0, picture.getvalue()), row(2, 0.0)]
    for page in (render_group("Cohort", rows, [], "Rule."), render_subject("sub-1", rows)):
        assert page.count('<img loading="lazy" decoding="async" width="70" height="40"') == 1
        assert page.count("no picture") == 1
