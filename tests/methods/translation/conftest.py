"""Small pairs that every translator can learn from in a second."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sanum.data.pairs import ScanPair
from sanum.scan import Scan

TINY = ("loop.steps=2", "loop.warmup=0", "patch=32,32", "batch_size=1", "samples=2", "overlap=0")
NETS = {
    "regression": ("widths=4,4,4,4,8,4",),
    "pix2pix": ("widths=4,4,4,4,8,4", "judge=4,2"),
    "cut": ("design=4,2,1", "head=8", "judge=4,2", "places=16"),
    "ddim": ("widths=4,8", "sampler_steps=3"),
    "syndiff": ("widths=4,8", "translator=4,4,4,4,8,4", "judge=4,2"),
}


def made_pair(seed, shape=(40, 36, 6), affine=None):
    """A blob of texture, and the same with its intensities turned over."""
    texture = gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    texture = (texture - texture.min()) / np.ptp(texture)
    place = (np.indices(shape).T - np.array(shape) / 2) / (np.array(shape) / 2.2)
    inside = ((place**2).sum(-1) < 1).T
    source, target = np.where(inside, 200 + 800 * texture, 0), np.where(inside, 600 - 500 * texture, 0)
    affine = np.diag([2.0, 2, 5, 1]) if affine is None else affine
    scans = (
        Scan(x.astype(np.float32), affine, contrast=contrast, contrast_by="user")
        for x, contrast in ((source, "T1w"), (target, "FLAIR"))
    )
    return ScanPair(f"case {seed}", f"case {seed}", *scans)


@pytest.fixture(scope="session")
def pairs():
    """Two pairs."""
    return [made_pair(n) for n in range(2)]


@pytest.fixture(scope="session")
def fitted(pairs, tmp_path_factory):
    """A translator of a method after two steps."""
    import sanum

    made = {}

    def of(method):
        if method not in made:
            translator = sanum.load(method).with_settings(*TINY, *NETS[method])
            made[method] = translator.fit(pairs, folder=tmp_path_factory.mktemp(method))
        return made[method]

    return of
