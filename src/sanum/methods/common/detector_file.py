"""A detector on disk: what it has learned; in the header its config, its threshold, what was chosen."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...files import sha256
from ...learn.overrides import flat, rebuilt
from ...weights.file import load_weights, save_weights, weights_of
from .findings import LABEL_FREE, Chosen
from .threshold import Threshold

if TYPE_CHECKING:
    from .scorer import PictureScorer


def save_detector(detector: "PictureScorer", path: Path) -> Path:
    """Write a detector that has learned, every bit of it; returns the path.

    Parameters
    ----------
    detector : PictureScorer
        Its present choice is written.
    path : Path
        Of the file; made whole or not at all.
    """
    chosen = detector.choices[detector.choice]
    detector.weights_sha256 = save_weights(
        path,
        chosen.state,
        half=False,
        method=detector.method,
        recipe=detector.config.name,
        config=flat(detector.config),
        channels=detector.channels,
        choice=detector.choice,
        threshold=None if chosen.threshold is None else chosen.threshold.as_json(),
        facts=dict(chosen.facts),
    )
    detector.weights_name = path.name
    return path


def restore_detector(detector: "PictureScorer", path: Path) -> None:
    """Let a detector be what a file says.

    Parameters
    ----------
    detector : PictureScorer
        Of the file's method, with any config.
    path : Path
        Written by `save_detector`, or by a training.

    Raises
    ------
    WeightsError
        Missing, damaged, of another method or version.
    """
    state, header = load_weights(path)
    with weights_of(path, header, detector.method):
        detector.config = rebuilt(detector.config, header["config"])
        detector.channels, given = int(header["channels"]), header.get("threshold")
        threshold = None if given is None else Threshold.from_json(given)
        choice = str(header.get("choice") or LABEL_FREE)
        detector.adopt(state)
        private = {"privacy": header["privacy"]} if "privacy" in header else {}
        detector.choices = {choice: Chosen(state, threshold, {**(header.get("facts") or {}), **private})}
        detector.choice = choice
    detector.weights_name, detector.weights_sha256 = path.name, sha256(path)
