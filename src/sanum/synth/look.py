"""How an anomaly looks: a shift of the intensity by the sign rule, and a texture; draw, then apply."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..scan.contrast import CT_WINDOW_HU
from ..types import FloatArray
from .box import DEFAULT_BOX
from .contrast import DARKER, Preset

Kind = Literal["textured", "voxelwise"]
# Ischaemia below healthy tissue, blood above it: least, and more by the shift. Brain has some 25 to 40 HU;
# infarcts 26 on average (acute), 18 (subacute), 9 (chronic; Aslam and Zulfikar 2025, Asian J Health Res 4:3),
# haemorrhages 57, with a deviation of 20 (Abd Basri et al. 2025, Healthscope 8:1).
HYPODENSE_HU, HYPERDENSE_HU = (4.0, 24.0), (10.0, 40.0)


@dataclass(frozen=True)
class LookParams:
    """One anomaly's appearance.

    Parameters
    ----------
    shift : float
        Mean shift in units of μw (of CT: where it lies within the ranges in HU).
    against_rule : bool
        Brighter where the rule says darker, or the other way round.
    texture : float
        Standard deviation of the texture, in units of the shift.
    smoothness_mm : float
        σ of its correlation in mm.
    seed : int
        Of the texture.
    kind : "textured" or "voxelwise"
        A correlated texture (ours), or the paper's independent N(±μw/2, (μw/2)²) in each voxel, for which
        only `against_rule` and `seed` matter.
    faint : float
        Factor of the shift in a T1w, where many lesions hardly show.
    replaced : float
        Share of the tissue behind whose place the anomaly takes: at 1 only white matter, shifted, is left.
    rim : float
        Brightness of an enhancing rim, in units of μw; only after contrast agent.
    """

    shift: float
    against_rule: bool
    texture: float
    smoothness_mm: float
    seed: int
    kind: Kind = "textured"
    faint: float = 1.0
    replaced: float = 0.0
    rim: float = 0.0


def draw_look(rng: np.random.Generator, *, kind: Kind = "textured") -> LookParams:
    """Appearance: |shift| near μw/2; the sign is random in 20 %, so against the rule in half of these.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    kind : Kind
        See `LookParams`.
    """
    return LookParams(
        shift=float(np.clip(rng.normal(0.5, 0.17), 0.18, 0.95)),
        against_rule=bool(rng.random() < 0.5 * 0.2),
        texture=float(rng.uniform(0.05, 0.4)),
        smoothness_mm=2 * float(rng.uniform(0.6, 2.5)),
        seed=int(rng.integers(2**31)),
        kind=kind,
    )


def apply_look(
    image: FloatArray,
    p: FloatArray,
    white: float,
    grey: float,
    params: LookParams,
    *,
    preset: Preset = "free",
    spacing_mm: npt.ArrayLike = DEFAULT_BOX.spacing_mm,
) -> FloatArray:
    """I = I0 + ΔI·P (UNA): darker where white > grey, else brighter; by what the modality is.

    Parameters
    ----------
    image, p : (X, Y[, Z]) float32
        Healthy image, anomaly probability. What was not negative does not become so.
    white, grey : float
        Mean intensities of the image, same scale.
    params : LookParams
        Of `draw_look`.
    preset : Preset
        The modality. "free": the sign rule decides; of others it is known (`contrast.DARKER`). A "ct" is
        HU / 80, and the shift one of the Hounsfield units of ischaemia or of blood.
    spacing_mm : float or one per axis
        Edges of a voxel in mm.
    """
    box = ndimage.find_objects((p > 1e-3).astype(np.uint8))
    if not box:
        return image
    cut = box[0]
    shift = shift_of(white, grey, params, preset)
    noise = np.random.default_rng(params.seed).standard_normal(p[cut].shape, dtype=np.float32)
    if params.kind == "voxelwise":
        noise *= abs(shift)
    else:
        noise = ndimage.gaussian_filter(noise, params.smoothness_mm / np.asarray(spacing_mm), truncate=2)
        noise *= params.texture * abs(shift) / max(float(noise.std()), 1e-6)
    out = image.copy()
    changed = out[cut] + (np.float32(shift) + noise) * p[cut]
    if params.replaced:
        changed += np.float32(params.replaced) * p[cut] * (np.float32(white) - out[cut])
    if params.rim and preset == "t1ce":
        changed += np.float32(params.rim * white) * (4 * p[cut] * (1 - p[cut])) ** 2
    out[cut] = np.maximum(changed, np.minimum(out[cut], 0))
    return out


def shift_of(white: float, grey: float, params: LookParams, preset: Preset) -> float:
    """Mean of ΔI, on the image's scale, by the sign rule.

    Parameters
    ----------
    white, grey : float
        Mean intensities of the image.
    params : LookParams
        Of `draw_look`.
    preset : Preset
        As of `apply_look`.
    """
    rule = DARKER.get(preset, white > grey)
    darker = rule != params.against_rule
    if preset == "ct":
        least, more = HYPODENSE_HU if darker else HYPERDENSE_HU
        size = (least + more * params.shift) / (CT_WINDOW_HU[1] - CT_WINDOW_HU[0])
    else:
        size = (0.5 if params.kind == "voxelwise" else params.shift) * max(white, 0.25)
        size *= params.faint if rule else 1.0
    return -size if darker else size
