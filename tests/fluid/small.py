"""A start and a flow for small domains."""

import numpy as np

from sanum.fluid import draw_flow, noise_shape

SPACING = (1.0, 1.3, 0.8)
PERIODS = (3.0, 3.0, 3.0)


def start(domain, dtype=np.float32, percentile=70.0):
    rng = np.random.default_rng(9)
    return noise_shape(domain, rng=rng, percentile=percentile, periods=PERIODS).astype(dtype)


def flow_in(domain, seed=1, **kwargs):
    return draw_flow(domain, rng=seed, spacing=SPACING, periods=PERIODS, **kwargs)
