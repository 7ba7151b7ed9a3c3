"""Settings of the study of head CT that several detectors share, exactly as published."""

from dataclasses import replace

from ...data.augment import AugmentConfig
from ...learn.schedule import LoopConfig
from ...scan.picture_conform import PictureConfig

PUBLISHED_LOOP = LoopConfig(
    optimizer="adam",
    betas=(0.5, 0.999),
    learning_rate=2e-4,
    warmup=0,
    schedule="step",
    step_factor=1.0,
    weight_decay=0.0,
    clip=1e9,
    steps=10_000,
    ema=0.0,
    save_every=500,
    sheet_every=0,
)
"""5000 epochs of 60 images in batches of 30; no decay, no clipping, no averaging of the weights."""

SHORT_LOOP = replace(PUBLISHED_LOOP, steps=2_500)
"""A quarter of it: minutes on one core."""

PUBLISHED_VIEWS = AugmentConfig(
    flip=0.5, rotate_deg=15, shift=0.01, zoom=0.02, shear_deg=5, brightness=0.05, contrast=0.05
)
"""Saturation and hue, which the study changes too, do nothing to one channel."""

PUBLISHED_PICTURE = PictureConfig(size=64, fit="stretch", signed=False)
"""Each picture to [0, 1] by its own range."""
