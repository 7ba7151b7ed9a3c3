"""How much of a movement a reconstruction has kept: error where it moves, and the harmonic of the heartbeat.

A movie may be almost right everywhere and have lost a small heart; numbers of the whole image do not tell.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import Mask

Movie = npt.NDArray[np.floating]
"""(T, Y, X): magnitude of each frame."""


@dataclass(frozen=True)
class MovieErrors:
    """How a movie departs from the truth.

    Parameters
    ----------
    nrmse, nrmse_moving : float
        ‖x − truth‖ / ‖truth‖, over all pixels and over those that move.
    ssim, ssim_moving : float
        Mean structural similarity of the frames; where it moves, the mean of the map there.
    harmonic : float
        Share of the heartbeat's harmonic that is there, in phase with the true one: 1 is right, 0 is lost.
    amplitude : float
        Its amplitude over the true one, whatever its phase, so that noise and aliases count as well.
    """

    nrmse: float
    nrmse_moving: float
    ssim: float
    ssim_moving: float
    harmonic: float
    amplitude: float


def movie_errors(
    movie: Movie, truth: Movie, moving: Mask, *, frame_s: float, beat_hz: float, drift: int = 2
) -> MovieErrors:
    """Errors of a movie on the whole image, where it moves, and of the beat.

    Parameters
    ----------
    movie, truth : (T, Y, X) float
        Magnitudes on one scale.
    moving : (Y, X) bool
        Where it moves, such as the heart.
    frame_s : float
        Seconds from frame to frame.
    beat_hz : float
        Frequency of the true beat.
    drift : int
        As of `harmonic`.
    """
    from skimage.metrics import structural_similarity

    if movie.shape != truth.shape or movie.shape[1:] != moving.shape:
        raise ValueError(
            f"movie, truth and moving differ in shape: {movie.shape}, {truth.shape}, {moving.shape}"
        )
    peak = float(truth.max())
    maps = [
        structural_similarity(
            b,
            a,
            data_range=peak,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        for a, b in zip(movie.astype(np.float64), truth.astype(np.float64), strict=True)
    ]
    of_beat, of_truth = (
        harmonic(x[:, moving], frame_s=frame_s, hz=beat_hz, drift=drift) for x in (movie, truth)
    )
    power = float((of_truth.conj() * of_truth).real.sum())
    return MovieErrors(
        nrmse(movie, truth),
        nrmse(movie[:, moving], truth[:, moving]),
        float(np.mean([mean for mean, _ in maps])),
        float(np.mean([full[moving].mean() for _, full in maps])),
        float((of_truth.conj() * of_beat).real.sum()) / power,
        float(np.sqrt((of_beat.conj() * of_beat).real.sum() / power)),
    )


def nrmse(image: npt.NDArray[np.inexact], truth: npt.NDArray[np.inexact]) -> float:
    """‖image − truth‖ / ‖truth‖.

    Parameters
    ----------
    image, truth : array
        Of one shape; complex ones too.
    """
    return float(np.linalg.norm((image - truth).ravel()) / np.linalg.norm(truth.ravel()))


def harmonic(
    series: npt.NDArray[np.floating], *, frame_s: float, hz: float, drift: int = 2
) -> npt.NDArray[np.complex128]:
    """Complex amplitude a of a frequency: the least-squares fit of p(t) + Re(a exp(2πi hz t)).

    The polynomial p stands for what is slow, such as a part of a breath: frames need not be whole cycles.

    Parameters
    ----------
    series : (T, …) float
        Values over time.
    frame_s : float
        Seconds from frame to frame.
    hz : float
        The frequency; more cycles of it than half of `drift` are to be in the series.
    drift : int
        Degree of p.

    Examples
    --------
    >>> t = np.arange(32) * 0.072
    >>> a = harmonic(1 + 0.1 * t + 0.5 * np.cos(2 * np.pi * 2.3 * t), frame_s=0.072, hz=2.3)
    >>> round(abs(complex(a)), 6)
    0.5
    """
    t = np.arange(len(series)) * frame_s
    slow = np.polynomial.legendre.legvander(np.linspace(-1, 1, len(t)), drift)
    turn = 2 * np.pi * hz * t
    columns = np.concatenate([slow, np.cos(turn)[:, None], np.sin(turn)[:, None]], 1)
    fitted = np.linalg.lstsq(columns, series.reshape(len(series), -1).astype(np.float64), rcond=None)[0]
    found: npt.NDArray[np.complex128] = (fitted[-2] - 1j * fitted[-1]).reshape(series.shape[1:])
    return found


def fast_movement(movie: Movie) -> npt.NDArray[np.floating]:
    """How far each pixel moves from frame to frame, (Y, X): a heart stands out, and a breath does not.

    Parameters
    ----------
    movie : (T, Y, X) float
        Magnitudes of at least two frames.
    """
    found: npt.NDArray[np.floating] = np.sqrt((np.diff(movie, axis=0) ** 2).mean(0))
    return found


def beat_of(
    series: npt.NDArray[np.floating], *, frame_s: float, low_hz: float = 0.7, high_hz: float = 4.0
) -> float:
    """Frequency of the highest peak in a band, Hz; nan if there is none, or the frames are too few.

    What only falls from the lower end of the band on, as a breath's skirt does, is no peak.

    Parameters
    ----------
    series : (T, N) float
        Values over time of pixels that move.
    frame_s : float
        Seconds from frame to frame.
    low_hz, high_hz : float
        The band: of hearts, above breathing.
    """
    longest = len(series) * frame_s
    highest = min(high_hz, 0.45 / frame_s)
    lowest = max(low_hz, 2.5 / longest)  # what is slower is drift
    if lowest >= highest or len(series) < 8:
        return float("nan")
    tried = np.arange(lowest, highest, 0.1 / longest)
    power = np.array([(np.abs(harmonic(series, frame_s=frame_s, hz=hz, drift=4)) ** 2).sum() for hz in tried])
    inside = power[1:-1]
    peaks = np.flatnonzero((inside > power[:-2]) & (inside >= power[2:])) + 1
    return float(tried[peaks[power[peaks].argmax()]]) if len(peaks) else float("nan")
