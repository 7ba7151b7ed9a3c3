"""Where the anatomies and lesion masks of a generated data set come from."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .anatomy import Anatomy, at_spacing, prepare
from .subjects import ixi_pairs

Pair = tuple[Path | None, Path]


@dataclass(frozen=True)
class Source:
    """Where anatomies and lesions come from.

    Parameters
    ----------
    root : Path
        T1w with labels in one of the layouts of `subjects`; or a folder of whole heads' FreeSurfer labels
        (`*_dseg.nii.gz`) without T1w, or one such file.
    lesions : Path or None
        Folder of `*_mask.nii.gz` in MNI space; None: anomalies from noise alone.
    cache : Path
        Keeps prepared anatomies.
    ignore_unknown : bool
        Unknown labels go to their neighbours.
    only : tuple of Path
        Take these heads (by their T1w) and these masks alone; empty: all.
    labels : str
        As of `subjects.subjects_in`.
    """

    root: Path
    lesions: Path | None
    cache: Path
    ignore_unknown: bool = False
    only: tuple[Path, ...] = ()
    labels: str = ""

    def pairs(self) -> list[Pair]:
        """T1w, if there is one, and parcellation of each subject."""
        found = self._all_pairs()
        return [pair for pair in found if pair[0] in self.only] if self.only else found

    def _all_pairs(self) -> list[Pair]:
        if not self.root.exists():
            raise ValueError(f"{self.root} does not exist")
        if self.root.is_file():
            return [(None, self.root)]
        alone = sorted(self.root.glob("*_dseg.nii.gz"))
        if alone and not any(self.root.glob("*_T1w.*")):
            return [(None, labels) for labels in alone]
        return [*ixi_pairs(self.root, self.labels)]

    def bank(self) -> list[Path]:
        """Lesion masks, sorted; ValueError for a folder without any."""
        if self.lesions is None:
            return []
        masks = sorted(self.lesions.glob("*_mask.nii.gz"))
        if self.only:
            masks = [mask for mask in masks if mask in self.only]
        if not masks:
            raise ValueError(
                f"no *_mask.nii.gz in {self.lesions}: choose another folder, or leave --lesions out"
            )
        return masks

    def name_of(self, pair: Pair) -> str:
        """Name of an anatomy in records.

        Parameters
        ----------
        pair : (Path or None, Path)
            Of `pairs`.
        """
        base = self.root.parent if self.root.is_file() else self.root
        return (pair[0] or pair[1]).relative_to(base).as_posix()

    def anatomy(self, pair: Pair, spacing_mm: float) -> Anatomy:
        """Anatomy, prepared or read from the cache; on coarser voxels if the sample's are.

        Parameters
        ----------
        pair : (Path or None, Path)
            Of `pairs`.
        spacing_mm : float
            Edge of the sample's voxels in mm.
        """
        return _anatomy(*pair, self.cache, self.ignore_unknown, spacing_mm)


@lru_cache(maxsize=8)
def _anatomy(
    t1w: Path | None, parcellation: Path, cache: Path, ignore_unknown: bool, spacing_mm: float
) -> Anatomy:
    return at_spacing(prepare(t1w, parcellation, cache, ignore_unknown=ignore_unknown), spacing_mm)
