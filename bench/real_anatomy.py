"""What a person's own T1w says of the anatomy that was predicted from any scan of theirs on its grid.

The T1w is corrected for its bias field (N4) and scaled so that white matter is 1; nothing is fitted to the
prediction. Lesions are left out, for there the two should differ; so is who has one that nobody drew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sanum.evaluation import Case
from sanum.evaluation.tasks.anatomy.kept import kept_path, result_of
from sanum.evaluation.tasks.anatomy.numbers import COVERAGES, read_truth
from sanum.evaluation.tasks.anatomy.task import heads
from sanum.files import whole_file
from sanum.healthy.result import Reconstruction
from sanum.methods.common.anatomy import Predictor
from sanum.metrics.calibration import coverage
from sanum.metrics.errors import errors_inside
from sanum.metrics.tissue import grey_and_white, grey_white_contrast
from sanum.scan import Scan, ScanError
from sanum.synth.bias import correct_bias
from sanum.types import FloatArray, Mask

Row = dict[str, str | float]


@dataclass(frozen=True, eq=False)
class Own:
    """A person's own T1w.

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        White matter 1.
    grey, white : (X, Y, Z) bool
        Its tissue, outside of the lesion.
    where : (X, Y, Z) bool
        Brain without lesion.
    """

    t1w: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    where: np.ndarray


def anatomy_rows(cases: Sequence[Case], method: Predictor, kept: Path) -> Iterator[Row]:
    """Grey/white contrast of every anatomy; its error and coverage where the person's own T1w is aligned.

    `tissue` is "own T1w" where grey and white matter are those of that T1w, and "itself" where they are told
    by the anatomy alone, which flatters one that is flat.

    Parameters
    ----------
    cases : sequence of Case
        Already measured.
    method : Predictor
        That they were measured with.
    kept : Path
        Folder of the results.
    """
    for head in heads(cases):
        found = {}
        for case in head:
            try:
                found[case.name] = result_of(case, method, kept)
            except ScanError:  # listed in the tables
                continue
        t1w = next((c for c in head if c.contrast == "T1w" and c.name in found), None)
        is_known = t1w is not None and (t1w.healthy or t1w.lesion is not None) and t1w.data != "old"
        own = _own(t1w, method, kept) if t1w is not None else None
        for case in head:
            if case.name in found:
                yield _row(case, found[case.name], own, is_known=is_known)


def _own(case: Case, method: Predictor, kept: Path) -> Own:
    result = result_of(case, method, kept)
    brain = np.asarray(result.brain.voxels) > 0
    t1w = _without_bias(result.scan, brain, kept / f"own_{kept_path(kept, case, method).name}")
    return own_t1w(case, brain, t1w)


def own_t1w(case: Case, brain: Mask, t1w: FloatArray) -> Own:
    """A person's own T1w, without its bias field, as the target of every contrast of theirs.

    Parameters
    ----------
    case : Case
        The T1w, with its lesion.
    brain : (X, Y, Z) bool
        On its grid.
    t1w : (X, Y, Z) float32
        Its voxels, corrected.
    """
    lesion = read_truth(case).lesion
    where = brain if lesion is None else brain & ~lesion
    grey, white = grey_and_white(t1w, where)
    scale = float(np.median(t1w[white])) if white.any() else 1.0
    return Own(np.clip(t1w / scale, 0, 3).astype(np.float32) * brain, grey, white, where)


def _without_bias(scan: Scan, brain: Mask, kept: Path) -> FloatArray:
    """The whole scan corrected: in the box of the brain alone N4 would take anatomy for a field."""
    if not kept.exists():
        corrected = correct_bias(np.asarray(scan.voxels, np.float32), scan.grid, brain)
        with whole_file(kept) as partial, partial.open("wb") as file:
            np.savez_compressed(file, t1w=corrected)
    with np.load(kept) as arrays:
        return arrays["t1w"]


def _row(case: Case, result: Reconstruction, own: Own | None, *, is_known: bool) -> Row:
    anatomy = np.asarray(result.anatomy.voxels, np.float32)
    brain = np.asarray(result.brain.voxels) > 0
    tissue = (own.grey, own.white) if own else grey_and_white(anatomy, brain)
    uncertainty = np.asarray(result.uncertainty.voxels)
    out: Row = {
        "data": case.data,
        "case": case.name,
        "subject": case.subject,
        "input": case.contrast,
        "tissue": "own T1w" if own else "itself",
        "grey_white": grey_white_contrast(anatomy, *(m & brain for m in tissue)),
        "mean_uncertainty": float(uncertainty[brain].mean()),
    }
    if own and is_known:
        where = own.where & brain
        error = errors_inside(anatomy, own.t1w, {"healthy": where})["healthy"]
        shares = coverage((anatomy - own.t1w)[where], uncertainty[where], COVERAGES)
        out |= {"brain_psnr": error.psnr, "brain_ssim": error.ssim, "brain_l1": error.l1}
        out |= {f"coverage_{100 * q:.0f}": s for q, s in zip(COVERAGES, shares, strict=True)}
    return out
