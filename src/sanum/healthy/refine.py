"""The second stage of the main job: a T1w's anatomy on voxels of 1 mm, where the scan has the detail.

It is there if its weights are, and were trained on the outputs of the very weights of the first stage. Its
anatomy, uncertainty and brain take the place of the first's; the anomaly stays the first's, for the second,
which sees patches, finds fewer made lesions; and the more likely an anomaly is, the more of the first's
anatomy stays. Of other contrasts than T1w its anatomies of real scans are no better (numbers in the recipe),
so they stay at 2 mm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..methods.common.anatomy import Maps, Predictor, Refiner
from ..scan import Scan
from ..scan.conform import Conformed, conform_finer
from ..scan.contrast import Decided
from ..space.grid import Grid
from ..space.resample import resample
from ..types import Affine, FloatArray
from .compose import is_t1w
from .filling import mirrored
from .mask import Lesion
from .network import second_stage
from .postprocess import postprocess

COARSEST_MM = 1.6  # the finest side of a scan's voxels, above which 1 mm would show nothing more
_OF_THE_FIRST = {"witnesses": "rule", "calibration": "calibration"}  # learned on its maps, used on finer ones


@dataclass(frozen=True, eq=False)
class FirstLook:
    """What the first stage saw of a scan, and what it made of it.

    Parameters
    ----------
    scan : Scan
        As it was conformed: its background at 0, and no finer than half the voxels of the model.
    conformed : Conformed
        The scan on the model grid.
    maps : Maps
        After `postprocess`.
    raw : Maps
        As the network gave them.
    pair : (2, X, Y, Z) float32
        The scan and its mirror image.
    across : (4, 4) float64
        The reflection in world mm.
    decided : Decided
        The contrast that the network was told.
    """

    scan: Scan
    conformed: Conformed
    maps: Maps
    raw: Maps
    pair: FloatArray
    across: Affine
    decided: Decided

    def with_warning(self, warning: str) -> "FirstLook":
        """The same with one more warning, before all others.

        Parameters
        ----------
        warning : str
            One sentence.
        """
        maps, raw = (replace(m, warnings=(warning, *m.warnings)) for m in (self.maps, self.raw))
        return replace(self, maps=maps, raw=raw)

    def turned_back(self, turn: Affine) -> "FirstLook":
        """The same in the world as it was before the head was turned upright.

        Parameters
        ----------
        turn : (4, 4) float64
            World map that turned it.
        """
        back, grid = np.linalg.inv(turn), self.conformed.grid
        return replace(
            self,
            scan=replace(self.scan, affine=back @ self.scan.affine),
            conformed=replace(self.conformed, grid=Grid(grid.shape, back @ grid.affine)),
            across=back @ self.across @ turn,
        )


def has_detail(scan: Scan) -> bool:
    """Whether a scan's voxels are finer than those of the first stage, along one axis at least.

    Parameters
    ----------
    scan : Scan
        As it was read.
    """
    return float(scan.grid.spacing_mm.min()) < COARSEST_MM


def finest(
    look: FirstLook,
    lesion: Lesion | None,
    predictor: Predictor,
    on_step: Callable[[str], object],
    *,
    fast: bool = False,
) -> tuple[Grid, Maps, dict[str, str]]:
    """The finest maps that there are, their grid, and what the record says of how they came about.

    Of a method without a second stage these are the maps of the first, and the record says nothing.

    Parameters
    ----------
    look : FirstLook
        Of the first stage.
    lesion : Lesion, optional
        What is not to be looked at.
    predictor : Predictor
        The first stage.
    on_step : function
        Called with the name of the step.
    fast : bool
        Stop at 2 mm; the second stage is not even loaded.
    """
    first = look.conformed.grid, look.maps
    if fast:
        return *first, {"stage": "first alone, as asked"}
    if (refiner := second_stage(predictor)) is None:
        return *first, {}
    about = {"second_weights": refiner.weights_name, "second_weights_sha256": refiner.weights_sha256}
    if not is_t1w(look.decided.contrast):
        return *first, {"stage": "first alone: the second is for T1w", **about}
    if not has_detail(look.scan):
        return *first, {"stage": f"first alone: no side of a voxel is below {COARSEST_MM:g} mm", **about}
    on_step("refine at 1 mm")
    fine, maps = refined(look, refiner, lesion)
    learned = [word for name, word in _OF_THE_FIRST.items() if getattr(predictor, name, None) is not None]
    beside = f"; the first stage's {' and '.join(learned)}" if learned else ""
    return fine.grid, maps, {"stage": f"second, at {refiner.box.spacing_mm:g} mm{beside}", **about}


def refined(look: FirstLook, refiner: Refiner, lesion: Lesion | None = None) -> tuple[Conformed, Maps]:
    """The scan on 1 mm, and its maps after `postprocess`; the anomaly is the first stage's, interpolated.

    Parameters
    ----------
    look : FirstLook
        Of the first stage.
    refiner : Refiner
        The second stage.
    lesion : Lesion, optional
        Filled as at first: what the scan shows in it has no say.
    """
    fine = conform_finer(look.scan, look.conformed, refiner.box)
    if lesion is not None:
        fine = mirrored(fine, look.across, lesion.mask)
    made = refiner(
        fine.image, fine.grid, look.conformed.image, look.raw, look.conformed.grid, contrast=look.decided.told
    )
    first, p = (resample(x, look.conformed.grid, fine.grid) for x in (look.raw.t1w, look.raw.anomaly))
    mixed = made.t1w + p * (first - made.t1w)  # what the scan shows of a lesion is no detail of the anatomy
    return fine, postprocess(replace(made, t1w=mixed, anomaly=p), fine)
