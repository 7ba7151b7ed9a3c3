"""Who made an object, and of what: version, weights, day; and identifiers that follow from them."""

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from .. import __version__
from ..healthy.result import Reconstruction

NAME = "sanum"
RESEARCH = "RESEARCH USE ONLY"
_MIDNIGHT = "000000"
_NOT_IDENTITY = ("seconds", "device")  # of provenance: they change from run to run


@dataclass(frozen=True)
class Maker:
    """What all objects of one result say of how they were made.

    Parameters
    ----------
    version : str
        Of sanum.
    weights, second_weights : str
        Names; "" without a second stage.
    sha256, second_sha256 : str
        Of the weights.
    date, time : str
        As DICOM writes them; the time is midnight, so that a result is the same at any time of a day.
    root : str
        A digest of source and result, from which identifiers follow.
    is_told : bool
        Whether a user drew the lesion.
    """

    version: str
    weights: str
    sha256: str
    second_weights: str
    second_sha256: str
    date: str
    time: str
    root: str
    is_told: bool

    def uid(self, *words: object) -> str:
        """An identifier that is the same for the same source and result.

        Parameters
        ----------
        *words : object
            What it is of.
        """
        return uid_of(self.root, *words)

    @property
    def sentence(self) -> str:
        """Algorithm, version and weights, in words."""
        second = ""
        if self.second_weights:
            second = f"; second stage {self.second_weights}, SHA-256 {self.second_sha256}"
        return (
            f"{RESEARCH}. {NAME} {self.version}, weights {self.weights}, SHA-256 {self.sha256}{second}. "
            "Predicted by a network, not measured."
        )


def uid_of(*words: object) -> str:
    """An identifier (2.25, PS3.5 B.2) that follows from words.

    Parameters
    ----------
    *words : object
        What it is of.

    Examples
    --------
    >>> uid_of("a", 1) == uid_of("a", 1) != uid_of("a", 2)
    True
    """
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '|'.join(map(str, words))).int}"


def maker_of(result: Reconstruction, source_uids: Iterable[str], *choices: object) -> Maker:
    """The maker of a result's objects.

    Parameters
    ----------
    result : Reconstruction
        Of the main job.
    source_uids : iterable of str
        Of the series and its instances.
    *choices : object
        What else changes the objects.
    """
    said = {**result.provenance, "date": _day(result.provenance.get("date", ""))}
    digest = hashlib.sha256()
    for word in (*source_uids, *(f"{k}={v}" for k, v in sorted(said.items()) if k not in _NOT_IDENTITY)):
        digest.update(f"{word}|".encode())
    for image in (result.anatomy, result.anomaly, result.anomaly_mask, result.uncertainty):
        digest.update(np.ascontiguousarray(image.voxels).data)
    digest.update("|".join(map(str, choices)).encode())
    return Maker(
        version=said.get("version", __version__),
        weights=said.get("weights", "none"),
        sha256=said.get("weights_sha256", "unknown"),
        second_weights=said.get("second_weights", ""),
        second_sha256=said.get("second_weights_sha256", "unknown"),
        date=said["date"],
        time=_MIDNIGHT,
        root=digest.hexdigest(),
        is_told="mask" in said,
    )


def _day(written: str) -> str:
    """Day of a result as DICOM writes it; of one that does not say, today."""
    try:
        then = datetime.strptime(written[:10], "%Y-%m-%d")
    except ValueError:
        then = datetime.now(UTC)
    return then.strftime("%Y%m%d")
