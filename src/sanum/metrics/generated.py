"""How like real images those of a generator are, by features that a fixed network sees in both."""

import numpy as np

from ..types import FloatArray


def frechet_distance(real: FloatArray, made: FloatArray) -> float:
    """|m − m'|² + tr(S + S' − 2 (S S')^½) of Gaussians of two sets: FID (Heusel et al. 2017).

    The trace of the root is the sum of the singular values of A'ᵀ A, where S = A Aᵀ and S' = A' A'ᵀ; so no
    root of a large matrix without full rank is taken. Of few images it is too large, even of two halves of
    one set: compare only numbers that come from as many.

    Parameters
    ----------
    real : (N, F) float
        Features, one row an image; N ≥ 2.
    made : (M, F) float
        Of those of a generator; M ≥ 2.

    Examples
    --------
    >>> one = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 3.0]])
    >>> round(frechet_distance(one, one + np.array([3.0, 4.0])), 6)
    25.0
    """
    x, y = _as_rows(real), _as_rows(made)
    root_x, root_y = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    apart = np.square(x.mean(0) - y.mean(0)).sum()
    shared = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    return float(apart + np.square(root_x).sum() + np.square(root_y).sum() - 2 * shared)


def kernel_distance(real: FloatArray, made: FloatArray) -> float:
    """Unbiased squared MMD with the kernel (x · y / F + 1)³: KID (Bińkowski et al. 2018).

    Its expectation does not depend on how many images there are; it may be a little below 0.

    Parameters
    ----------
    real : (N, F) float
        Features, one row an image; N ≥ 2.
    made : (M, F) float
        Of those of a generator; M ≥ 2.

    Examples
    --------
    >>> kernel_distance(np.zeros((3, 1)), np.full((2, 1), 2.0))  # 1 + 5³ − 2
    124.0
    """
    x, y = _as_rows(real), _as_rows(made)
    return float(_within(x) + _within(y) - 2 * _kernel(x, y).mean())


def _as_rows(features: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"expected features of at least two images, one row each, got {rows.shape}")
    return rows


def _kernel(
    x: np.ndarray[tuple[int, ...], np.dtype[np.float64]], y: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (x @ y.T / x.shape[1] + 1) ** 3
    return values


def _within(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Mean of the kernel over pairs of two different rows."""
    values = _kernel(x, x)
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))
