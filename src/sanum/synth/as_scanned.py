"""A drawn sample put back into the pose in which its subject was scanned, for test sets."""

from dataclasses import replace

from .anatomy import Anatomy
from .contrast import own_contrast
from .geometry import identity_geometry
from .params import SampleParams, Skull


def as_scanned(params: SampleParams, anatomy: Anatomy, skull: Skull) -> SampleParams:
    """Parameters of the same lesion in the subject's own pose; a T1w keeps its own contrast too.

    Corruption stays as drawn: level "none" leaves a T1w in which only the lesion is made.

    Parameters
    ----------
    params : SampleParams
        As drawn.
    anatomy : Anatomy
        Of the subject.
    skull : "on" or "off"
        Whole head, or stripped.
    """
    contrast = own_contrast(anatomy.tissue_means) if params.contrast.preset == "t1w" else params.contrast
    return replace(params, geometry=identity_geometry(), contrast=contrast, skull=skull, skull_erosion=0)
