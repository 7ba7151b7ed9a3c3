"""ADPD as a predictor: findings of an x-ray, each with a box, a score and the regions that it is in."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....files import sha256
from ....learn.draws import drawn_from
from ....learn.overrides import rebuilt
from ....learn.threads import one_thread
from ....scan.picture import Picture
from ....scan.picture_conform import SquarePlacement, conform
from ....scan.read_picture import PictureSource, read_picture
from ....weights.file import load_weights, weights_of
from .answers import InferenceConfig, answers
from .recipe import ADPD, AdpdRecipe
from .source import squares_of


@dataclass(frozen=True, eq=False)
class ChestFindings:
    """What was found in one x-ray.

    Parameters
    ----------
    names : tuple of str
        Of the findings, the most certain first.
    boxes : (n, 4) float64
        x, y, width, height in pixels of the picture.
    scores : (n,) float64
        Probability of each, in [0, 1].
    inside : tuple of tuple of str
        The regions that each was found in; none of a baseline.
    regions : dict
        Box of every region that is there, by name.
    """

    names: tuple[str, ...]
    boxes: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]
    inside: tuple[tuple[str, ...], ...]
    regions: dict[str, tuple[float, ...]]


def load(*, weights: Path, device: str = "cpu", room: int | None = None) -> "FindingDetector":
    """The detector of a file.

    Parameters
    ----------
    weights : Path
        That `sanum train adpd`, or a training of a baseline, wrote.
    device : str
        A torch device.
    room : int, optional
        Not needed: pictures are small.

    Raises
    ------
    WeightsError
        Missing, damaged, or of another method.
    """
    return FindingDetector(weights, device=device)


class FindingDetector:
    """Finds what it has learned, in one x-ray at a time.

    Parameters
    ----------
    weights : Path
        Of a training.
    device : str
        A torch device.
    """

    def __init__(self, weights: Path, *, device: str = "cpu") -> None:
        state, header = load_weights(weights)
        with weights_of(weights, header, ADPD.method):
            self.config: AdpdRecipe = rebuilt(ADPD, header["config"])
            self.findings = tuple(map(str, header["findings"]))
            self.categories = tuple(map(int, header["categories"]))
            self.regions = tuple(map(str, header["regions"]))
            with drawn_from(0):  # what is drawn is replaced
                net = self.config.build(len(self.regions), len(self.findings), fresh=False)
            net.load_state_dict(state)
        self.net, self.device = net.to(device).eval().requires_grad_(False), device
        self.images = int(header.get("images", 0))
        self.weights_name, self.weights_sha256 = weights.name, sha256(weights)

    @property
    def inference(self) -> InferenceConfig:
        """How answers become boxes."""
        return self.config.inference

    def use(self, **inference: Any) -> "FindingDetector":
        """Another way to make boxes, such as top=0; returns itself.

        Parameters
        ----------
        **inference
            Fields of `InferenceConfig`.
        """
        self.config = replace(self.config, inference=replace(self.config.inference, **inference))
        return self

    def __call__(self, source: PictureSource) -> ChestFindings:
        """Findings of one x-ray.

        Parameters
        ----------
        source : str, Path, array or Picture
            PNG, JPEG, TIFF or DICOM, of any size.

        Raises
        ------
        ScanError
            It cannot be read.
        """
        picture: Picture = read_picture(source)
        square = conform(picture, squares_of(self.config.size))
        pixels = torch.from_numpy(np.rint(square.pixels * 255) / 255).float()[None]  # as it was learned
        with one_thread():
            (said,) = answers(self.net, pixels.to(self.device), self.inference)
        place, size = square.placement, self.config.size
        boxes = np.array([from_square(one.box, place, size) for one in said.spotted], dtype=np.float64)
        return ChestFindings(
            tuple(self.findings[one.finding] for one in said.spotted),
            boxes.reshape(-1, 4),
            np.array([one.score for one in said.spotted], dtype=np.float64),
            tuple(tuple(self.regions[a] for a in one.regions) for one in said.spotted),
            {self.regions[a]: from_square(box, place, size) for a, box in said.regions.items()},
        )


def from_square(box: tuple[float, ...], place: SquarePlacement, size: int) -> tuple[float, ...]:
    """A box in shares of the square as x, y, width, height in pixels of the picture, cut at its edge.

    Parameters
    ----------
    box : (4,) float
        x, y, width, height.
    place : SquarePlacement
        Where the picture lies in the square.
    size : int
        Of the square.
    """
    top, left, rows, columns = place.box
    high, wide = place.shape
    ends = []
    for at, first, count, full in ((0, left, columns, wide), (1, top, rows, high)):
        low, end = box[at] * size - first, (box[at] + box[at + 2]) * size - first
        ends.append([float(np.clip(v / count, 0, 1)) * full for v in (low, end)])
    (x0, x1), (y0, y1) = ends
    return x0, y0, x1 - x0, y1 - y0
