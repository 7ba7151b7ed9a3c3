"""The few numbers a reader looks for first."""

from dataclasses import dataclass

import numpy as np

from ..scan.scan import Scan
from .inputs import require_one_grid


@dataclass(frozen=True)
class KeyNumbers:
    """Volumes and the mean uncertainty of one scan.

    Parameters
    ----------
    anomaly_ml : float
        Volume of the anomaly mask, inside or outside the brain mask, in mL.
    brain_ml : float
        Volume of the brain mask in mL.
    anomaly_share : float
        Part of the brain mask that is marked as anomaly, in [0, 1]; nan if the brain mask is empty.
    mean_uncertainty : float
        Mean over the brain mask, in units where white matter is 1; nan if the brain mask is empty.
    """

    anomaly_ml: float
    brain_ml: float
    anomaly_share: float
    mean_uncertainty: float


def key_numbers(anomaly_mask: Scan, brain: Scan, uncertainty: Scan) -> KeyNumbers:
    """Volumes and the mean uncertainty; voxels of a mask count where they are above 0.5.

    Parameters
    ----------
    anomaly_mask, brain : Scan
        Masks.
    uncertainty : Scan
        Expected absolute error of the anatomy.

    Raises
    ------
    ValueError
        If the three do not lie on one grid.
    """
    require_one_grid(anomaly_mask=anomaly_mask, brain=brain, uncertainty=uncertainty)
    marked = anomaly_mask.voxels > 0.5
    inside = brain.voxels > 0.5
    n_inside = int(inside.sum())
    voxel_ml = brain.grid.voxel_volume_ml
    return KeyNumbers(
        anomaly_ml=int(marked.sum()) * voxel_ml,
        brain_ml=n_inside * voxel_ml,
        anomaly_share=int((marked & inside).sum()) / n_inside if n_inside else float("nan"),
        mean_uncertainty=float(uncertainty.voxels[inside].mean(dtype=np.float64))
        if n_inside
        else float("nan"),
    )
