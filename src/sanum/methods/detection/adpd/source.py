"""X-rays as endless batches of views, and the state that validation chooses."""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ....data.augment import PictureViewParams, apply_views, draw_view
from ....data.folds import hold_out
from ....data.xray_set import Xray, XrayDataError, XraySet
from ....scan.picture_conform import PictureConfig, SquarePlacement, conform
from ....scan.read_picture import PictureReading, read_picture
from ...common.recipe import Batch, Looks, TrainingSource
from .best import BestState

if TYPE_CHECKING:
    from .recipe import AdpdRecipe

LEAST_SIDE = 0.01
"""Of a box after a view, in shares of the side: smaller, and it is no longer there."""


def squares_of(size: int) -> PictureConfig:
    """How a picture becomes what the network sees.

    Parameters
    ----------
    size : int
        Rows and columns.
    """
    return PictureConfig(size=size, fit="pad", grey=True, low=0.5, high=99.5, signed=False)


def to_square(boxes: np.ndarray[Any, Any], place: SquarePlacement, size: int) -> np.ndarray[Any, Any]:
    """Boxes (…, 4) x, y, width, height in pixels of the picture as cx, cy, w, h in shares of the square.

    Parameters
    ----------
    boxes : (…, 4) float
        May be nan.
    place : SquarePlacement
        Where the picture lies in the square.
    size : int
        Of the square.
    """
    top, left, rows, columns = place.box
    scale = np.array([columns / place.shape[1], rows / place.shape[0]])
    corner = boxes[..., :2] * scale + np.array([left, top])
    extent = boxes[..., 2:] * scale
    return np.concatenate([corner + extent / 2, extent], axis=-1) / size


@dataclass(frozen=True, eq=False)
class XrayStack:
    """X-rays as a network learns from them.

    Parameters
    ----------
    pixels : (N, 1, S, S) uint8
        Squares.
    regions : (N, A, 4) float32
        cx, cy, w, h in shares of the square; 0 where there is none.
    present : (N, A) int64
        1, 0, or −1 where nobody says.
    in_region : (N, A, K) int64
        Likewise.
    labels : (N, K) int64
        Likewise.
    boxes : (N, M, 5) float32
        Finding, or −1 for none, and cx, cy, w, h.
    patients : tuple of str
        Whose each is.
    """

    pixels: torch.Tensor
    regions: torch.Tensor
    present: torch.Tensor
    in_region: torch.Tensor
    labels: torch.Tensor
    boxes: torch.Tensor
    patients: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, chosen: Sequence[int]) -> Batch:
        """Pictures and all that is known of them.

        Parameters
        ----------
        chosen : sequence of int
            Numbers of the pictures.
        """
        names = ("regions", "present", "in_region", "labels", "boxes")
        known = {name: getattr(self, name)[list(chosen)] for name in names}
        return {"pixels": self.pixels[list(chosen)].float() / 255, **known}


def stack_of(images: Sequence[Xray], size: int, on_image: Callable[[], None] | None = None) -> XrayStack:
    """Read images.

    Parameters
    ----------
    images : sequence of Xray
        At least one.
    size : int
        Of the squares.
    on_image : function, optional
        Called after each.

    Raises
    ------
    XrayDataError
        An image that cannot be read, or is of another size than its file says.
    """
    pixels, regions, boxes, problems = [], [], [], list[str]()
    for image in images:
        try:
            picture = read_picture(image.path, PictureReading())
        except ValueError as error:
            problems.append(str(error))
            continue
        if picture.valid.shape != image.size[::-1]:
            seen = f"{picture.valid.shape[1]} × {picture.valid.shape[0]}"
            problems.append(f"{picture.name} is {seen} pixels large, and the file says {image.size}")
            continue
        square = conform(picture, squares_of(size))
        pixels.append(torch.from_numpy(np.rint(square.pixels * 255).astype(np.uint8)))
        regions.append(torch.from_numpy(to_square(image.regions, square.placement, size)).float())
        own = np.array([box for _, box in image.boxes], dtype=np.float64).reshape(-1, 4)
        kinds = np.array([kind for kind, _ in image.boxes], dtype=np.float64).reshape(-1, 1)
        boxes.append(torch.from_numpy(np.hstack([kinds, to_square(own, square.placement, size)])).float())
        if on_image:
            on_image()
    if problems:
        raise XrayDataError("the images", problems)
    filled = torch.full((len(images), max(1, *(len(b) for b in boxes)), 5), -1.0)
    for row, own_boxes in zip(filled, boxes, strict=True):
        row[: len(own_boxes)] = own_boxes
    known = {
        name: torch.from_numpy(np.stack([getattr(i, name) for i in images])).long()
        for name in ("present", "in_region", "labels")
    }
    return XrayStack(
        torch.stack(pixels),
        torch.stack(regions).nan_to_num(0.0),
        boxes=filled,
        patients=tuple(image.patient for image in images),
        **known,
    )


def seen_as(batch: Batch, views: Sequence[PictureViewParams]) -> Batch:
    """A batch as views show it: pixels, and the boxes around what becomes of each box, cut at the edge.

    Parameters
    ----------
    batch : dict of tensor
        Of `XrayStack.batch`.
    views : sequence of PictureViewParams
        One for each picture.
    """
    ones = torch.ones_like(batch["pixels"])
    pixels, _ = apply_views(batch["pixels"], ones, views)
    matrices = np.array([view.matrix for view in views])
    regions = moved(batch["regions"], matrices)
    gone = (regions[..., 2:] < LEAST_SIDE).any(-1)
    present = torch.where(gone & (batch["present"] == 1), 0, batch["present"])
    boxes = moved(batch["boxes"][..., 1:], matrices)
    kinds = torch.where((boxes[..., 2:] < LEAST_SIDE).any(-1), -1.0, batch["boxes"][..., 0])
    boxes = torch.cat([kinds[..., None], boxes], -1)
    return {**batch, "pixels": pixels, "regions": regions, "present": present, "boxes": boxes}


def moved(boxes: torch.Tensor, matrices: np.ndarray[Any, Any]) -> torch.Tensor:
    """Boxes (B, n, 4) cx, cy, w, h in views.

    Parameters
    ----------
    boxes : (B, n, 4) tensor
        In the pictures, in shares of the side.
    matrices : (B, 2, 3) float
        From a place in the view to the place in the picture, both from −1 to 1 (`PictureViewParams.matrix`).
    """
    back = np.linalg.inv(matrices[:, :, :2])
    turn = torch.from_numpy(back).float()
    shift = torch.from_numpy(matrices[:, :, 2]).float()
    signs = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
    corners = boxes[..., None, :2] + boxes[..., None, 2:] * signs / 2  # (B, n, 4, 2)
    there = torch.einsum("bij,bncj->bnci", turn, 2 * corners - 1 - shift[:, None, None])
    there = ((there + 1) / 2).clamp(0, 1)
    low, high = there.amin(2), there.amax(2)
    return torch.cat([(low + high) / 2, high - low], -1)


class XraySource(TrainingSource):
    """X-rays to learn from; the test split is never looked at.

    Parameters
    ----------
    recipe : AdpdRecipe
        Everything else that decides the weights.
    data : XraySet
        Of a folder.
    on_prepare : function, optional
        Called with how many of how many images are read.

    Raises
    ------
    ValueError
        Too little to learn from; images that cannot be read.
    """

    def __init__(
        self,
        recipe: "AdpdRecipe",
        data: XraySet,
        on_prepare: Callable[[int, int], None] | None = None,
    ) -> None:
        recipe.require(data)
        self.recipe, self.data = recipe, data
        train, held = parted(data, recipe.hold_out, recipe.seed)
        count, total = 0, len(train) + len(held)

        def step() -> None:
            nonlocal count
            count += 1
            if on_prepare:
                on_prepare(count, total)

        self.train, self.held = (stack_of(part, recipe.size, step) for part in (train, held))
        self.best = BestState(recipe, self.held)

    def build(self) -> nn.Module:
        """The recipe's network."""
        return self.recipe.build(len(self.data.regions), len(self.data.findings))

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers: pictures in endless shuffled rounds, each as a view.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each batch.
        """
        for samples in numbers:
            chosen, views = [], []
            for n in samples:
                turn, place = divmod(n, len(self.train))
                order = np.random.default_rng([self.recipe.seed, 0, turn]).permutation(len(self.train))
                chosen.append(int(order[place]))
                views.append(draw_view(np.random.default_rng([self.recipe.seed, 1, n]), self.recipe.augment))
            seed = torch.tensor([samples.start + self.recipe.seed * 10**9])
            yield {**seen_as(self.train.batch(chosen), views), "seed": seed}

    def looks(self) -> Looks:
        """At validation, every so many steps."""
        return Looks(self.best.look, self.recipe.validate_every, self.best)

    def finish(self, model: nn.Module) -> None:
        """Take the state that validation chose.

        Parameters
        ----------
        model : Module
            Of the recipe.
        """
        assert self.best.state is not None  # the last step is always looked at
        model.load_state_dict(self.best.state)

    def describe(self) -> dict[str, Any]:
        """Names of findings and regions, counts, and a digest of the data; no names of patients."""
        digest = hashlib.sha256()
        for part in (self.train, self.held):
            for name in ("pixels", "regions", "present", "in_region", "labels", "boxes"):
                digest.update(getattr(part, name).numpy().tobytes())
        return {
            "findings": list(self.data.findings),
            "categories": list(self.data.categories),
            "regions": list(self.data.regions),
            "images": len(self.train),
            "held_out": len(self.held),
            "data_sha256": digest.hexdigest(),
        }


def parted(data: XraySet, share: float, seed: int) -> tuple[list[Xray], list[Xray]]:
    """Images to learn from and to validate with; without a split a share of the patients is held out.

    Parameters
    ----------
    data : XraySet
        Its test split is left aside.
    share : float
        Of the patients.
    seed : int
        Of the draw.

    Raises
    ------
    ValueError
        One of the two is empty.
    """
    train, held = data.of_split("train", ""), data.of_split("val")
    if not held and train:
        kept, out = hold_out([image.patient for image in train], share, seed=seed)
        train, held = [train[n] for n in kept], [train[n] for n in out]
    if not train:
        raise ValueError("no image is in the split train: expected some to learn from")
    return train, held
