"""`sanum register`: the files of a pair, a batch that goes on, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from sanum.scan import Scan, write


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A block with a dark corner, the same somewhere else, and what is no partner of theirs."""
    folder = tmp_path_factory.mktemp("pair")
    block = np.zeros((20, 22, 18), np.float32)
    block[4:16, 5:17, 4:14] = 1
    block[4:9, 5:10, 4:9] = 0.4
    affine = np.diag([8.0, 8, 8, 1])
    shifted = affine.copy()
    shifted[:3, 3] = 9, -6, 4
    write(Scan(block, affine), folder / "fixed.nii.gz")
    write(Scan(block[2:], shifted), folder / "moving.nii.gz")
    write(Scan(np.ones_like(block), affine), folder / "flat.nii.gz")
    write(Scan(block[:, :, :1], affine), folder / "slice.nii.gz")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(folder / "picture.png")
    return folder


def test_the_files_of_a_pair(sanum, place, tmp_path):
    done = sanum("register", place / "fixed.nii.gz", place / "moving.nii.gz", "-o", tmp_path, "--rigid", "-q")
    assert done.code == 0, done
    assert "sure " in done.out
    endings = ("_image.nii.gz", "_transform.tfm", "_transform.txt", "_check.png")
    assert all(any(str(f).endswith(end) for f in tmp_path.iterdir()) for end in endings)
    world = np.loadtxt(next(tmp_path.glob("*_transform.txt")))
    np.testing.assert_allclose(world[:3, 3], [25 - 16 * 2, -6, 4], atol=1.5)
    again = sanum(
        "register", place / "fixed.nii.gz", place / "moving.nii.gz", "-o", tmp_path, "--rigid", "-q"
    )
    assert again.code == 0


@pytest.mark.parametrize(
    ("moving", "words"),
    [
        ("flat.nii.gz", "is constant, every voxel is 1"),
        ("slice.nii.gz", "expected a 3D volume"),
        ("picture.png", "picture.png"),
        ("absent.nii.gz", "absent.nii.gz"),
    ],
)
def test_what_is_refused_is_one_sentence(sanum, place, tmp_path, moving, words):
    said = sanum("register", place / "fixed.nii.gz", place / moving, "-o", tmp_path, "-q").refused()
    assert words in said
    assert not list(tmp_path.glob("**/*_image.nii.gz"))
