"""Facts about contrasts that reading, simulating, predicting and displaying share."""

from dataclasses import dataclass
from typing import Literal, get_args

from .contrast_words import contrast_named

Contrast = Literal["T1w", "T1wCE", "T2w", "FLAIR", "PD", "DWI", "ADC", "CT", "unknown"]
CONTRASTS: tuple[Contrast, ...] = get_args(Contrast)
"""What a network can be told that a scan is; their order is that of its weights, so new ones come last."""

DecidedBy = Literal["user", "file name", "sidecar", "DICOM header", "values", "appearance", "nobody"]
"""Who said what a scan is."""

CT_WINDOW_HU = (0.0, 80.0)
"""The usual brain window of CT: level 40, width 80 Hounsfield units. Fluid is near 10, grey matter 37."""

ASKS_USER = "say with --contrast what it is"
"""How a warning ends that nobody needs who has said it."""

_IN_WORDS: dict[DecidedBy, str] = {
    "user": "as you said",
    "file name": "from the file name",
    "sidecar": "from the JSON file beside it",
    "DICOM header": "from the DICOM header",
    "values": "from the values",
    "appearance": "guessed from its looks",
}


@dataclass(frozen=True)
class Decided:
    """What a scan is, and who said so.

    Parameters
    ----------
    contrast : str or None
        One of `CONTRASTS`, or the BIDS suffix of another kind of scan, such as "T2starw"; None if not known.
    by : str
        One of `DecidedBy`. Without a contrast only a user, and values that belie a name, are kept: then
        nobody else is asked.

    Examples
    --------
    >>> str(Decided("T2w", "file name")), str(Decided()), Decided("T2starw", "file name").told
    ('T2w, from the file name', 'not known', 'unknown')
    """

    contrast: str | None = None
    by: DecidedBy = "nobody"

    def __post_init__(self) -> None:
        if self.contrast is None and self.by not in ("user", "values"):
            object.__setattr__(self, "by", "nobody")

    @property
    def is_open(self) -> bool:
        """Whether nobody has said anything yet."""
        return self.contrast is None and self.by == "nobody"

    @property
    def told(self) -> Contrast:
        """What a network is told: "unknown" for whatever it has no word for."""
        word = contrast_named(self.contrast or "")
        return next((known for known in CONTRASTS if known == word), "unknown")

    def __str__(self) -> str:
        if self.contrast is None:
            return "not told, as you said" if self.by == "user" else "not known"
        return f"{self.contrast}, {_IN_WORDS[self.by]}" if self.by in _IN_WORDS else self.contrast
