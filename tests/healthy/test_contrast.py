"""Which contrast an input looks like."""

import numpy as np
import pytest

from sanum.healthy.contrast import guess_contrast, look_of
from sanum.methods.common.anatomy import Maps

SPACING_MM = 3.0
POINTS = (np.indices((60, 68, 60)) - np.array([30, 34, 30])[:, None, None, None]) * SPACING_MM
RADIUS = np.linalg.norm(POINTS / np.array([66, 80, 62])[:, None, None, None], axis=0)
VENTRICLES = np.linalg.norm(POINTS / np.array([14, 22, 12])[:, None, None, None], axis=0) < 1
BRAIN = RADIUS < 1
# by depth: a rim of half fluid, half cortex; cortex, white matter, and a nucleus around the ventricles
RIM = BRAIN & (RADIUS > 0.93)
GREY = BRAIN & ~VENTRICLES & ~RIM & ((RADIUS > 0.78) | (RADIUS < 0.45))
WHITE = BRAIN & ~VENTRICLES & ~RIM & ~GREY
TISSUES = [VENTRICLES, RIM, GREY, WHITE]


def head(fluid, grey, white, noise=0.03):
    """A scan of these tissues, and the maps that a network makes of it."""
    image = np.select(TISSUES, [fluid, (fluid + grey) / 2, grey, white], 0).astype(np.float32)
    image += BRAIN * np.random.default_rng(0).normal(0, noise, image.shape).astype(np.float32)
    t1w = np.select(TISSUES, [0.25, 0.5, 0.75, 1.0], 0).astype(np.float32)
    brain = BRAIN.astype(np.float32)
    return np.maximum(image, 1e-3 * brain), Maps(t1w, 0 * brain, brain, brain)


def guess(*tissues, **how):
    return guess_contrast(*head(*tissues, **how), SPACING_MM)


@pytest.mark.parametrize(
    ("tissues", "expected"),
    [
        ((0.2, 0.7, 1.0), "T1w"),
        ((1.0, 0.5, 0.35), "T2w"),
        ((0.1, 0.8, 0.7), "FLAIR"),
        ((0.15, 0.65, 0.7), "FLAIR"),  # as of old people, grey no brighter than white
    ],
)
def test_from_how_bright_the_tissues_are(tissues, expected):
    assert guess(*tissues) == expected


@pytest.mark.parametrize(
    ("name", "tissues"),
    [
        ("PD", (0.8, 0.85, 0.7)),
        ("ADC", (1.4, 0.42, 0.4)),
        ("CT in its window", (0.12, 0.47, 0.36)),
        ("all alike", (0.5, 0.5, 0.5)),
        ("fluid between", (0.45, 0.65, 0.7)),
    ],
)
def test_what_is_none_of_the_three_is_unknown(name, tissues):
    image, maps = head(*tissues)
    if name.startswith("CT"):  # its rim is bright by the skull
        image = np.where(BRAIN & (RADIUS > 0.9), 0.6, image).astype(np.float32)
    assert guess_contrast(image, maps, SPACING_MM) is None


def test_a_t1w_whose_tissues_are_not_apart_is_unknown():
    assert guess(0.6, 0.82, 0.95, noise=0.03) == "T1w"
    assert guess(0.6, 0.82, 0.95, noise=0.08) is None


def test_gain_does_not_matter_and_anomalies_do_not_count():
    image, maps = head(0.2, 0.7, 1.0)
    one, other = look_of(image, maps, SPACING_MM), look_of(image * 0.1, maps, SPACING_MM)
    assert [vars(other)[k] for k in vars(one)] == pytest.approx(list(vars(one).values()), rel=1e-4)
    lesion = WHITE & (POINTS[0] > 0)
    sick = np.where(lesion, 0.3, image).astype(np.float32)
    seen = Maps(maps.t1w, lesion.astype(np.float32), maps.brain, maps.uncertainty)
    assert look_of(sick, seen, SPACING_MM).ratio == pytest.approx(one.ratio, rel=0.02)
    assert look_of(sick, maps, SPACING_MM).apart < one.apart


def test_too_little_brain_or_tissue():
    image, maps = head(0.2, 0.7, 1.0)
    small = Maps(maps.t1w, maps.anomaly, maps.brain * (RADIUS < 0.3), maps.uncertainty)
    assert guess_contrast(image, small, SPACING_MM) is None
    flat = Maps(0 * maps.t1w, maps.anomaly, maps.brain, maps.uncertainty)
    assert guess_contrast(image, flat, SPACING_MM) is None
