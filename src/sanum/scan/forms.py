"""`Forms`: both transforms of a NIfTI header; results keep them, so that any reader sees them in place."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.quaternions import quat2mat
from nibabel.spatialimages import HeaderDataError

LARGEST_SQUARE = 1.01
"""Of b² + c² + d²: what is above 1 by rounding is scaled to 1, and what is above this is no rotation."""


@dataclass(frozen=True)
class Quaternion:
    """A qform as a header stores it.

    Parameters
    ----------
    bcd : (3,) float
        The rotation; the first of its four numbers follows from them.
    offset_mm : (3,) float
        World position of the first voxel.
    pixdim : (4,) float
        −1 where the third axis is reversed, else 1; spacing in mm.
    """

    bcd: tuple[float, ...]
    offset_mm: tuple[float, ...]
    pixdim: tuple[float, ...]

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """Voxel index to world mm, (4, 4); NaN where the numbers are no rotation."""
        square = sum(x * x for x in self.bcd)
        out = np.eye(4)
        if not square <= LARGEST_SQUARE:
            return np.full((4, 4), np.nan)
        rotation = quat2mat([np.sqrt(max(1 - square, 0)), *self.bcd])
        qfac, *spacing = self.pixdim
        out[:3, :3] = rotation * np.array([*spacing[:2], spacing[2] * qfac])
        out[:3, 3] = self.offset_mm
        return out


@dataclass(frozen=True, eq=False)
class Forms:
    """Both transforms of a NIfTI header in mm, with their codes.

    Parameters
    ----------
    affine : (4, 4) float64
        The one that counts: the sform, without one the qform, without both what the spacing says.
    sform : (4, 4) float64 or None
        None where its code is 0.
    qform : Quaternion or None
        None where its code is 0.
    sform_code, qform_code : int
        What world each is about, as NIfTI numbers them.
    """

    affine: npt.NDArray[np.float64]
    sform: npt.NDArray[np.float64] | None = None
    qform: Quaternion | None = None
    sform_code: int = 0
    qform_code: int = 0

    def put_into(self, header: Any) -> None:
        """Write both transforms and codes into a header of nibabel; one without a code follows `affine`.

        Parameters
        ----------
        header : nibabel NIfTI header
            Of an image whose affine is `affine`.
        """
        put_one_form(header, self.affine, self.sform_code, self.qform_code)
        if self.sform is not None:
            header.set_sform(self.sform, self.sform_code)
        if self.qform is not None:
            header["qform_code"] = self.qform_code
            header["pixdim"][:4] = self.qform.pixdim
            header["quatern_b"], header["quatern_c"], header["quatern_d"] = self.qform.bcd
            header["qoffset_x"], header["qoffset_y"], header["qoffset_z"] = self.qform.offset_mm


def put_one_form(header: Any, affine: npt.NDArray[np.float64], sform_code: int, qform_code: int) -> None:
    """Write one affine as sform and qform; a sheared one, which no qform can hold, as sform alone.

    Parameters
    ----------
    header : nibabel NIfTI header
        Of the image.
    affine : (4, 4) float64
        Voxel index to world mm.
    sform_code, qform_code : int
        Of the two.
    """
    header.set_sform(affine, sform_code)
    try:
        header.set_qform(affine, qform_code, strip_shears=False)
    except HeaderDataError:
        header.set_qform(None, 0)


def disagree_about_sides(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    """Whether what is right by one affine is left by the other, or one shows the mirror image of the other.

    Parameters
    ----------
    one, other : (4, 4) float64
        Of the same voxels.
    """
    between = (other @ np.linalg.inv(one))[:3, :3]
    return bool(np.linalg.det(between) < 0 or between[0, 0] < 0)
