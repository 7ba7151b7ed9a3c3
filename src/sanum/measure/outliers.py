"""Values that stand apart from the others."""

import numpy as np
import numpy.typing as npt

LIMIT = 3.5
FEWEST = 5


def robust_z(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Robust z = 0.6745 (x − median) / MAD, where MAD is the median of |x − median|.

    |z| above `LIMIT` is the usual rule (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
    nan is left out and stays nan. Fewer than `FEWEST` values, or values of which more than half are the
    same, are not judged: all nan.

    >>> robust_z([1, 2, 3, 4, 100]).round(1).tolist()
    [-1.3, -0.7, 0.0, 0.7, 65.4]
    """
    x = np.asarray(values, dtype=np.float64)
    known = x[np.isfinite(x)]
    if known.size < FEWEST:
        return np.full_like(x, np.nan)
    median = np.median(known)
    mad = np.median(np.abs(known - median))
    return 0.6745 * (x - median) / mad if mad > 0 else np.full_like(x, np.nan)
