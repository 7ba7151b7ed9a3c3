"""The main job: one brain scan in; its healthy anatomy, an anomaly map and an uncertainty map out.

read → conform → localize the brain → pair with its mirror image → predict → back to the scan's own grid.
Each step is a function that can be called by itself.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

from .. import __version__
from ..methods.common.anatomy import Predictor
from ..scan import Scan
from ..scan.conform import conform
from ..scan.contrast import Decided
from ..scan.intensity import with_background_at_zero
from ..scan.mp2rage import without_noise_in_air
from ..scan.padding import with_dropped_slices, without_padding
from ..space.grid import covering
from ..space.mirror import find_mirror
from .acceptance import require_head, require_image
from .compose import COMPOSITIONS, Compose, require_t1w
from .contrast import guess_contrast
from .filling import mirrored
from .grids import coverage_warnings, on_grid, thinned
from .localize import (
    OnRefusal,
    find_brain,
    foreground_ml,
    pair_with_mirror,
    refuse,
    require_brain,
    require_symmetry,
)
from .mask import Given, Lesion, back_with, put_together, read_with_mask
from .network import network
from .orientation import is_better, lies_otherwise, may_lie_otherwise, turn_upright, turned
from .places import places_of
from .postprocess import postprocess
from .quality import judged
from .refine import FirstLook, finest
from .result import Reconstruction
from .rule import rule_of
from .slices import with_slices
from .void import void_in
from .witness import Testimony

Space = Literal["input", "1mm"]
SPACES: tuple[str, ...] = get_args(Space)
OnStep = Callable[[str], object]


def reconstruct(
    source: Any,
    *,
    device: str = "auto",
    space: Space = "input",
    weights: str | Path | None = None,
    predictor: Predictor | None = None,
    compose: Compose = "anatomy",
    on_step: OnStep | None = None,
    force: bool = False,
    **given: Unpack[Given],
) -> Reconstruction:
    """Healthy anatomy, anomaly and uncertainty of one scan; see `release_networks` for what stays loaded.

    Parameters
    ----------
    source : path, nibabel image or Scan
        Any modality, skull on or off. A folder is a DICOM series.
    device : str
        "auto", "cpu", "cuda", "cuda:n" or "mps".
    space : "input" or "1mm"
        Grid of the results: the scan's own, or 1 mm isotropic over the same field of view.
    weights : str or Path, optional
        A name that `sanum weights list` knows, or a file of `sanum train`; default the weights that ship.
    predictor : Predictor, optional
        A loaded method, in place of `weights` and `device`.
    compose : "anatomy", "keep-healthy" or "keep-lesion"
        As predicted; or, of a T1w, its own tissue with the anomaly replaced, or the anomaly put back.
    on_step : function, optional
        Called with the name of each step.
    force : bool
        Go on where a scan shows no head, with the reason as a warning.
    **given
        `volume`, `contrast`, as in `sanum.read`; `mask` (path, image, Scan, or array on the scan's grid): the
        lesion, if it is known, is not looked at; `fast`: stop at 2 mm, without a second stage at 1 mm.

    Raises
    ------
    ScanError
        No scan of a head or no mask that can be used, or no T1w whose tissue could be kept, in one sentence.
    ValueError
        An unknown choice; no such device; unusable weights; `predictor` beside `weights` or `device`.
    """
    _require_sense(compose, space, predictor, device, weights)
    note, began, doubts = on_step or (lambda _: None), time.monotonic(), list[str]()
    on_refusal = doubts.append if force else refuse
    note("read")
    raw, lesion = read_with_mask(source, given)
    scan = _prepared(raw)
    require_t1w(scan, scan.contrast or "T1w", compose)  # before the work, where the file says it
    require_image(raw, on_refusal)  # as it is: dropped slices that are filled are no whole numbers
    predictor = _loaded(predictor, weights, device, note)
    look = predict(_seen(scan, raw, lesion), predictor, note, on_refusal, lesion)
    if lesion is None and (void := void_in(scan, look.conformed, look.maps)):
        scan, lesion = void.warn(scan), void
        look = predict(_seen(scan, raw, void), predictor, note, lambda _: None, void)
    grid, maps, stage = finest(look, lesion, predictor, note, fast=given.get("fast", False))
    target = _target(scan, space, note)
    lesion, rule = lesion and lesion.on(target.grid), rule_of(predictor)
    there, heard = back_with(lesion, maps, grid, target, look.decided.contrast, rule, look.across)
    there, stage = with_slices(there, stage, maps, grid, look, target)
    quality, uncertainty = judged(look.maps, look.decided, there, heard.scatter, predictor)
    require_t1w(scan, look.decided.contrast, compose)
    return Reconstruction(
        scan=target,
        anatomy=put_together(compose, target, there, lesion),
        anomaly=there.anomaly,
        anomaly_mask=there.anomaly_mask,
        uncertainty=uncertainty,
        brain=there.brain,
        contrast=look.decided.contrast,
        contrast_by=look.decided.by,
        warnings=_warnings(doubts, scan, predictor, (*maps.warnings, *heard.warnings, *quality.warnings)),
        provenance=_provenance(predictor, scan, space, compose, heard, lesion, stage, began=began),
        witnesses=heard.parts,
        predicted=None if compose == "anatomy" else there.anatomy,
        lesion=lesion,
        quality=quality,
        places=places_of(look.maps.posture, predictor.box, look.conformed.grid, look.across),
    )


def _loaded(
    predictor: Predictor | None, weights: str | Path | None, device: str, on_step: OnStep
) -> Predictor:
    on_step("load the model")
    return predictor or network(weights=weights, device=device)


def _target(scan: Scan, space: Space, on_step: OnStep) -> Scan:
    """The scan on the grid of the results."""
    on_step("back to the scan's grid")
    return scan if space == "input" else on_grid(scan, covering(scan.grid, 1.0))


def _seen(scan: Scan, raw: Scan, lesion: Lesion | None) -> Scan:
    """What the first stage sees of a scan: not the lesion."""
    return scan if lesion is None else _prepared(lesion.hidden(raw))


def _prepared(scan: Scan) -> Scan:
    return with_dropped_slices(without_noise_in_air(scan))


def predict(
    scan: Scan,
    predictor: Predictor,
    on_step: OnStep,
    on_refusal: OnRefusal = refuse,
    lesion: Lesion | None = None,
) -> FirstLook:
    """What the first stage sees of a scan, and makes of it.

    A head that lies otherwise than heads do is turned upright and looked at again; so is then the grid.
    So there are two looks at most. Each has at most four quick passes, to find the brain, one search for the
    mirror plane, and one whole prediction.

    Parameters
    ----------
    scan : Scan
        As it was read.
    predictor : Predictor
        A loaded method.
    on_step : function
        Called with the name of each step.
    on_refusal : function
        Called with the reason if the scan shows no head, or too little of a brain; raises `ScanError` by
        default.
    lesion : Lesion, optional
        What is not to be looked at.
    """
    seen = with_background_at_zero(without_padding(scan))
    thin = thinned(seen, predictor.box.spacing_mm / 2)
    look = _look(thin, predictor, on_step, on_refusal, lesion)
    turn = turn_upright(look.maps.posture, look.conformed.grid.centre_mm)
    if turn is not None:
        on_step("turn the head upright")
        there = lesion and lesion.turned(turn)
        again = _look(turned(thin, turn), predictor, on_step, lambda _: None, there)
        if is_better(again.maps.posture, look.maps.posture):
            look = again.with_warning(lies_otherwise(scan, turn, on_refusal))
        else:
            look, turn = look.with_warning(may_lie_otherwise(turn)), None
    require_symmetry(scan, look.conformed, look.pair, look.across, on_refusal)
    require_brain(scan, ml := foreground_ml(look.maps.brain > 0, look.conformed), on_refusal)
    require_head(scan, look.maps.posture, ml, on_refusal)
    return look if turn is None else look.turned_back(turn)


def _look(
    thin: Scan, predictor: Predictor, on_step: OnStep, on_refusal: OnRefusal, lesion: Lesion | None
) -> FirstLook:
    """What the network makes of a scan as it lies."""
    on_step("find the brain")
    centre = find_brain(thin, predictor, on_refusal)
    conformed = conform(thin, centre, predictor.box)
    on_step("mirror")
    across = find_mirror(conformed.image, conformed.grid)
    if lesion is not None:
        conformed = mirrored(conformed, across, lesion.mask)
    pair = pair_with_mirror(conformed, across)
    decided = thin.decided
    if decided.is_open:
        on_step("guess the contrast")
        guess = guess_contrast(conformed.image, predictor(pair, quick=True), predictor.box.spacing_mm)
        decided = Decided(guess, "appearance")
    on_step("reconstruct")
    maps = predictor(pair, covered=conformed.covered, contrast=decided.told)
    return FirstLook(thin, conformed, postprocess(maps, conformed), maps, pair, across, decided)


def _warnings(
    doubts: list[str], scan: Scan, predictor: Predictor, others: tuple[str, ...]
) -> tuple[str, ...]:
    """All that is to be said, each once, the gravest first."""
    coverage = coverage_warnings(scan, predictor.box.spacing_mm)
    forced = (f"gone on by force: {why}" for why in doubts)
    return tuple(dict.fromkeys((*forced, *scan.warnings, *coverage, *others)))


def _provenance(
    predictor: Predictor,
    scan: Scan,
    space: str,
    composition: str,
    heard: Testimony,
    lesion: Lesion | None,
    stage: dict[str, str],
    *,
    began: float,
) -> dict[str, str]:
    """Version, weights, device, time, source and choices, in the order of the report."""
    return {
        "version": __version__,
        "weights": predictor.weights_name,
        "weights_sha256": predictor.weights_sha256,
        **stage,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "device": predictor.device,
        "seconds": f"{time.monotonic() - began:.1f}",
        "input": scan.path.name if scan.path else "(in memory)",
        "space": space,
        "composition": composition,
        "witnesses": heard.how,
        **({"mask": lesion.name} if lesion else {}),
    }


def _require_sense(
    compose: str, space: str, predictor: Predictor | None, device: str, weights: str | Path | None
) -> None:
    if compose not in COMPOSITIONS:
        raise ValueError(f'compose is {", ".join(COMPOSITIONS)}, not "{compose}"')
    if space not in SPACES:
        raise ValueError(f'space is "input" or "1mm", not "{space}"')
    if predictor is not None and (weights is not None or device != "auto"):
        other = "weights" if weights is not None else "device"
        raise ValueError(f"predictor has its own weights and device: leave out {other}, or predictor")
