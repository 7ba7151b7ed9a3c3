"""Outliers: values far from all others of their kind."""

import numpy as np
import numpy.typing as npt

LIMIT = 3.5
FEWEST = 5


def robust_z(values: npt.ArrayLike, *, smallest: float = 0.0) -> npt.NDArray[np.float64]:
    """Robust z = (x − median) / s, with a spread s that outliers hardly move.

    s = 1.4826 MAD, where MAD is the median of |x − median|; |z| above `LIMIT` is the usual rule. Where more
    than half of the values are the same, MAD is 0, and s = 1.2533 times the mean of |x − median|. Both have
    unit z for a normal sample (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).

    nan is left out and stays nan. Fewer than `FEWEST` values are not judged: all nan.

    Parameters
    ----------
    values : (n,) array
    smallest : float
        s is at least this, in the unit of `values`: a difference that does not matter. Among n − 1 equal
        values the last one has z = n / 1.25 however little it differs: an outlier from n = 5 on.

    Examples
    --------
    >>> robust_z([1, 2, 3, 4, 100]).round(1).tolist()
    [-1.3, -0.7, 0.0, 0.7, 65.4]
    >>> robust_z([0, 0, 0, 0, 0, 0, 0, 0, 0, 8]).round(1).tolist()[-2:]
    [0.0, 8.0]
    """
    x = np.asarray(values, dtype=np.float64)
    known = x[np.isfinite(x)]
    if known.size < FEWEST:
        return np.full_like(x, np.nan)
    deviation = np.abs(known - np.median(known))
    spread = max(1.482602 * np.median(deviation) or 1.253314 * deviation.mean(), smallest)
    distance = x - np.median(known)
    return distance / spread if spread > 0 else distance
