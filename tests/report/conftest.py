from collections.abc import Callable

import numpy as np
import pytest
from nibabel import orientations
from nibabel.affines import apply_affine

from sanum.report import ReportInputs
from sanum.scan import Scan

Phantom = Callable[..., ReportInputs]


@pytest.fixture
def phantom() -> Phantom:
    """Ellipsoid brain around the world's origin with a spherical anomaly, on any voxel axes and spacing."""

    def make(
        centre_mm=(-30.0, 14.0, 10.0), radius_mm=16.0, spacing_mm=(4.0, 4.0, 4.0), axes="RAS", **changes
    ) -> ReportInputs:
        spacing = np.asarray(spacing_mm)
        shape = tuple(int(n) for n in np.array((180, 220, 160)) // spacing)
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = -spacing * (np.array(shape) // 2)
        world = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
        brain = np.linalg.norm(world / (70, 85, 60), axis=-1) < 1
        blob = (np.linalg.norm(world - np.asarray(centre_mm), axis=-1) < radius_mm) & brain

        turn = orientations.ornt_transform(
            orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(tuple(axes))
        )
        turned_affine = affine @ orientations.inv_ornt_aff(turn, shape)

        def scan(voxels: np.ndarray) -> Scan:
            return Scan(orientations.apply_orientation(voxels, turn), turned_affine)

        values = {
            "name": "phantom",
            "scan": scan(brain * 0.4 + blob * 0.4),
            "anatomy": scan(brain * 1.0),
            "anomaly": scan(blob * 1.0),
            "anomaly_mask": scan(blob),
            "uncertainty": scan(brain * 0.1),
            "brain": scan(brain),
            "contrast": "T2w",
            "warnings": (),
            "provenance": {"version": "0.1.0", "date": "2025-11-20"},
        }
        return ReportInputs(**(values | changes))

    return make
