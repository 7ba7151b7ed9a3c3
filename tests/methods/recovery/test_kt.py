"""The recoverer: every method on one small phantom, with maps, training and slices; and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sanum
from sanum.data.raw import RawMovie
from sanum.files import sha256
from sanum.kspace.coils import made_up
from sanum.kspace.fourier import fft
from sanum.kspace.sampling import lattice
from sanum.methods.recovery.kt.classical import CLASSICAL
from sanum.methods.recovery.kt.recipe import NETWORKS, RECIPES
from sanum.metrics.motion import movie_errors
from sanum.scan import ScanError
from sanum.synth.fetal import draw_fetal, fetal_movie, heart_region
from sanum.weights.file import load_weights
from sanum.weights.store import resolve

N, FRAMES = 32, 16
FOLDER = Path(sanum.__file__).parent / "methods/recovery/kt"


@pytest.fixture(scope="module")
def case():
    """A phantom, its raw data of acceleration 4 in two slices, and the region of its heart."""
    rng = np.random.default_rng(1)
    fetal = draw_fetal(rng)
    movie = fetal_movie(fetal, (N, N), FRAMES)
    maps = made_up(6, (N, N), rng=rng)
    full = fft(maps[:, None] * torch.from_numpy(movie), -2, -1)
    mask = lattice(FRAMES, N, 4)
    two = np.stack([(full * mask[:, :, None]).numpy()] * 2)
    middle = slice(N // 2 - 6, N // 2 + 6)
    raw = RawMovie(
        two,
        np.stack([mask.numpy()] * 2),
        0.072,
        np.eye(4),
        np.stack([maps.numpy()] * 2),
        np.stack([full[:, :, middle].numpy()] * 2),
    )
    return fetal, movie, raw, heart_region(fetal, (N, N))


def alone(raw):
    """Its first slice; the second is the same."""
    first = {name: getattr(raw, name)[:1] for name in ("kspace", "mask", "maps", "training")}
    return replace(raw, **first)


def test_every_method_gives_a_movie_and_kt_sense_the_beat(case):
    fetal, movie, raw, heart = case
    kt, got = sanum.load("kt"), {}
    for name in CLASSICAL:
        found = kt.recover(raw, name)
        assert found.movie.shape == (2, FRAMES, N, N)
        assert found.acceleration == 4
        np.testing.assert_allclose(found.movie[0], found.movie[1], atol=1e-5)
        got[name] = movie_errors(
            np.abs(found.movie[0]), np.abs(movie), heart, frame_s=0.072, beat_hz=fetal.heart_hz
        )
    assert got["kt-sense"].harmonic > 0.85
    assert got["view-sharing"].harmonic < 0.5
    assert got["view-sharing"].nrmse < 0.15  # the mother is all there
    assert min(got, key=lambda name: got[name].nrmse_moving) == "kt-sense"


def test_lines_of_the_centre_are_training_where_every_frame_has_them(case):
    raw = alone(case[2])
    mask = lattice(FRAMES, N, 4, always=8).numpy()
    assert sanum.load("kt").recover(raw).warnings == ()
    told = sanum.load("kt").recover(replace(raw, training=None)).warnings
    assert "k-t FOCUSS" in told[0]
    full = np.broadcast_to(raw.kspace.sum(2, keepdims=True) / 4, raw.kspace.shape)
    own = replace(raw, kspace=full * mask[:, :, None], mask=mask[None], training=None)
    assert sanum.load("kt").recover(own).warnings == ()
    assert "a network made this movie" in sanum.load("kt").recover(raw, "unet-xf").warnings[0]


def test_what_it_cannot_use_is_one_sentence(case):
    raw, kt = case[2], sanum.load("kt")
    with pytest.raises(ScanError, match=r"no coil maps for 6 coils: estimate them .* --estimate-maps"):
        kt.recover(replace(raw, maps=None))
    cut = {"kspace": raw.kspace[:, :, :, 1:], "mask": raw.mask[:, :, 1:], "maps": raw.maps[:, :, 1:]}
    with pytest.raises(ScanError, match="31 lines do not divide by 4"):
        kt.recover(replace(raw, **cut))
    with pytest.raises(ScanError, match="training is larger than the scan"):
        kt.recover(replace(raw, training=np.ones((2, 6, FRAMES, N + 1, N), np.complex64)))
    with pytest.raises(ValueError, match='unknown method "magic": known are zero-filled'):
        kt.recover(raw, "magic")
    with pytest.raises(ScanError, match=r"coil maps of slice 1 are 0: estimate them with --estimate-maps"):
        kt.recover(replace(raw, maps=0 * raw.maps))
    one = replace(raw, kspace=raw.kspace[:, :, :1], mask=raw.mask[:, :1], training=None)
    for method in ("kt-sense", "low-rank", "unet-xf", "view-sharing"):
        with pytest.raises(ScanError, match=f"there is one frame, and {method} .* choose sense"):
            kt.recover(one, method)
    assert kt.recover(one, "sense").movie.shape == (2, 1, N, N)
    wide = {"kspace": raw.kspace.repeat(2, 1), "maps": raw.maps.repeat(2, 1), "training": None}
    with pytest.raises(ScanError, match="at most 6 coils, got 12: choose one that sees the combined image"):
        kt.recover(replace(raw, **wide), "multicoil-xf")


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_ship_keep_the_mother(case, name):
    """And more of the beat than zero-filling; how much is measured by bench/recovery.py, not here."""
    fetal, movie, raw, heart = case
    found, zero = (
        movie_errors(
            np.abs(sanum.load("kt").recover(alone(raw), method).movie[0]),
            np.abs(movie),
            heart,
            frame_s=0.072,
            beat_hz=fetal.heart_hz,
        )
        for method in (name, "zero-filled")
    )
    assert found.nrmse < 0.2
    assert found.ssim > zero.ssim + 0.3
    assert found.nrmse_moving < zero.nrmse_moving / 3


def test_one_coil_needs_no_maps(case):
    raw = replace(case[2], kspace=case[2].kspace[:, :1], maps=None, training=None)
    found = sanum.load("kt").recover(raw, "view-sharing")
    assert np.isfinite(found.movie).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_numbers_are_of_the_weights_that_ship(name):
    """README and model card were written of these files: other weights need other numbers."""
    path = resolve(f"kt-{name}")
    assert f"| `{path.stem}` | `{sha256(path)[:12]}` |" in (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    assert path.stat().st_size < 1.5e6
    _, header = load_weights(path)
    assert header["steps"] == RECIPES[path.stem].loop.steps
