"""`sanum recover`: the files of a movie, a batch that goes on, and what is refused."""

import nibabel as nib
import numpy as np
import pytest
import torch

from sanum.kspace.coils import made_up
from sanum.kspace.fourier import fft
from sanum.kspace.sampling import lattice
from sanum.synth.fetal import draw_fetal, fetal_movie


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Raw data that are right, and some that are not."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(1)
    maps = made_up(4, (24, 20), rng=rng)
    movie = torch.from_numpy(fetal_movie(draw_fetal(rng), (24, 20), 16))
    full = fft(maps[:, None] * movie, -2, -1)
    right = {
        "kspace": (full * lattice(16, 24, 4)[:, :, None]).numpy(),
        "axes": "coil time ky kx",
        "maps": maps.numpy(),
        "frame_ms": 72,
        "spacing_mm": (2, 3, 6),
    }
    np.savez(folder / "right.npz", **right)
    np.savez(
        folder / "training.npz", **{**right, "kspace": full[:, :, 6:18].numpy()} | {"maps": maps[:, 6:18]}
    )
    for name, without in (("nomaps", "maps"), ("untimed", "frame_ms"), ("unnamed", "axes")):
        np.savez(folder / f"{name}.npz", **{k: v for k, v in right.items() if k != without})
    (folder / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n and nothing")
    return folder


def test_the_files_of_a_movie(sanum, place, tmp_path):
    words = ("recover", place / "right.npz", "-o", tmp_path, "--training", place / "training.npz", "-q")
    done = sanum(*words)
    assert done.code == 0, done
    assert done.out == "right.npz\t16 frames\tacceleration 4.0\n"
    image = nib.load(tmp_path / "right_cine.nii.gz")
    assert image.shape == (20, 24, 1, 16)
    np.testing.assert_allclose(image.header.get_zooms(), (2, 3, 6, 0.072), rtol=1e-6)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert "x-t" in (tmp_path / "right_cine.html").read_text(encoding="utf-8")
    assert (tmp_path / "right_cine.gif").read_bytes().startswith(b"GIF")
    assert sanum(*words).code == 0  # it was finished


def test_a_batch_goes_on(sanum, place, tmp_path):
    done = sanum("recover", place, "-o", tmp_path, "--method", "view-sharing", "-q")
    assert done.code == 1
    assert len(list(tmp_path.glob("*_cine.nii.gz"))) == 2
    assert "4 of 6 files failed" in done.err


def test_a_file_in_the_place_of_the_output_folder_is_said(sanum, place, tmp_path):
    (tmp_path / "taken").touch()
    words = ("recover", "-o", tmp_path / "taken", "--method", "view-sharing", "-q")
    for given in ([place / "right.npz"], [place / "right.npz", place / "training.npz"]):
        assert "taken is not a folder" in sanum(*words, *given).refused()


def test_a_network_that_ships_or_is_given(sanum, place, tmp_path):
    for words in (("--method", "unet-xf"), ("--weights", "kt-unet-xf")):
        done = sanum("recover", place / "right.npz", "-o", tmp_path / words[0], *words, "-q")
        assert done.code == 0, done
        assert "kt-unet-xf.safetensors" in (tmp_path / words[0] / "right_cine.html").read_text(
            encoding="utf-8"
        )
    one, other = ((tmp_path / name / "right_cine.nii.gz").read_bytes() for name in ("--method", "--weights"))
    assert one == other


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (("nomaps.npz",), "no coil maps for 4 coils: estimate them"),
        (("untimed.npz",), "say it with --frame-ms"),
        (("unnamed.npz",), "does not name the axes"),
        (("absent.npz",), "absent.npz"),
        (("cut.h5",), "as HDF5"),
        (("right.npz", "--training", "unnamed.npz"), "does not name the axes"),
        (
            ("right.npz", "--weights", "kt-unet-xf", "--method", "sense"),
            "holds the network unet-xf: leave --method",
        ),
        (("right.npz", "--weights", "mad"), "holds weights of mad, expected kt"),
        (("right.npz", "--weights", "none"), "weights not found: none"),
    ],
)
def test_what_is_refused_is_one_sentence(sanum, place, tmp_path, words, about):
    paths = [place / word if "." in word else word for word in words]
    assert about in sanum("recover", *paths, "-o", tmp_path, "-q").refused()
    assert not list(tmp_path.glob("**/*_cine.nii.gz"))
