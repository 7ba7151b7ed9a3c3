"""An average anatomy in the model's box: what is likely where, before any scan is seen."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..scan.conform import MODEL_SHAPE
from .anatomy import Anatomy
from .generator import apply_sample, draw_sample


def average_anatomy(anatomies: Sequence[Anatomy], *, seed: int, repeats: int = 3) -> npt.NDArray[np.float32]:
    """(2, X, Y, Z): mean T1w over the brains that reach a voxel, and the share of brains that do.

    Over `repeats` drawn poses of each anatomy, so that it is as blurred as poses differ.
    """
    if not anatomies:
        raise ValueError("an average needs at least one anatomy")
    total, count = np.zeros(MODEL_SHAPE), np.zeros(MODEL_SHAPE)
    for repeat in range(repeats):
        for number, anatomy in enumerate(anatomies):
            rng = np.random.default_rng([seed, repeat, number])
            params = draw_sample(rng, anatomy, (), preset="t1w", level="none", healthy=1.0)
            sample = apply_sample(anatomy, replace(params, skull="on"))
            total += sample.t1w
            count += sample.brain
    poses = repeats * len(anatomies)
    mean = total / np.maximum(count, 0.02 * poses)  # hardly any brain there: towards 0
    return np.stack([mean, count / poses]).astype(np.float32)
