"""Where the places of a scan's world are in the head: the way to MNI space, the mid-plane, the regions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..methods import registry
from ..methods.common.anatomy import Posture
from ..metrics.lesion_places import Normal, Region, Regions, midplane_of
from ..space.box import Box
from ..space.grid import Grid
from ..types import Affine, FloatArray, Mask

AVERAGE_MM = (0.0, -18.0, 14.0)
"""The middle of the average brain in MNI space; of `synth.anatomy.ATLAS_GRID`, which it was made on."""


LEAST_SPREAD = 0.05
"""Of white matter: people are not more alike than noise and registration let them be."""


@dataclass(frozen=True, eq=False)
class Places:
    """What is known of where a scan's voxels lie; None: not known.

    Parameters
    ----------
    to_mni : (4, 4) float64 or None
        World mm of the scan → MNI mm, affine.
    midplane : (4,) float64 or None
        How far to the right a world point lies: see `midplane_of`.
    regions : Regions or None
        An atlas in the scan's world.
    normal : Normal or None
        How healthy people look, there.
    """

    to_mni: Affine | None = None
    midplane: npt.NDArray[np.float64] | None = None
    regions: Regions | None = None
    normal: Normal | None = None


IN_MNI = Places(np.eye(4), np.array([1.0, 0, 0, 0]))
"""Of a scan that lies in MNI space itself."""


def places_of(posture: Posture | None, box: Box, grid: Grid, across: Affine | None) -> Places:
    """What the first stage of the main job knows.

    Parameters
    ----------
    posture : Posture or None
        How the brain lies in the box.
    box : Box
        Of the method.
    grid : Grid
        Where that box is in the scan's world.
    across : (4, 4) float64 or None
        The reflection that was found, world mm.
    """
    if posture is None or posture.pose is None:
        return Places(None, None if across is None else midplane_of(across))
    to_mni = posture.pose @ box.grid().affine @ np.linalg.inv(grid.affine)
    to_mni[:3, 3] += AVERAGE_MM
    right = to_mni[0, :3] / np.linalg.norm(to_mni[0, :3])
    if across is not None:
        return Places(to_mni, midplane_of(across, right))
    return Places(to_mni, np.append(right, to_mni[0, 3] / np.linalg.norm(to_mni[0, :3])))


class NormalAtlas(Protocol):
    """What is asked of an atlas of healthy people, as `methods.atlas.population` gives it."""

    @property
    def grid(self) -> Grid:
        """Of its maps."""

    @property
    def template(self) -> FloatArray:
        """Mean brightness of a T1w, (X, Y, Z)."""

    @property
    def spread(self) -> FloatArray:
        """Standard deviation over people, of the same unit."""

    @property
    def region(self) -> Mask:
        """Where both mean something."""

    @property
    def labels(self) -> npt.NDArray[np.int32] | None:
        """The label of most people."""

    @property
    def names(self) -> Mapping[int, str]:
        """Of the labels."""

    @property
    def to_reference(self) -> Affine:
        """Its mm → MNI mm."""


@cache
def adults() -> NormalAtlas:
    """The atlas that ships, read once."""
    atlas: NormalAtlas = registry.part_of(registry.find("population"), "predict").load()
    return atlas


def with_atlas(places: Places, atlas: NormalAtlas | None = None) -> Places:
    """Places that know regions and normal brightness as well, by the affine way to MNI space alone.

    Parameters
    ----------
    places : Places
        Come back unchanged where the way to MNI space is not known.
    atlas : NormalAtlas, optional
        Whose labels are named as DLMUSE's; others are no region. Default: the one that ships.
    """
    if places.to_mni is None or (atlas := atlas or adults()).labels is None:
        return places
    world = np.linalg.inv(places.to_mni) @ atlas.to_reference
    grid = Grid(atlas.grid.shape, world @ atlas.grid.affine)
    known = {region.name: region for region in dlmuse().values()}
    table = {code: known[name] for code, name in atlas.names.items() if name in known}
    white = [code for code, region in table.items() if region.tissue == "white"]
    level = atlas.template[np.isin(atlas.labels, white) & atlas.region]
    regions = Regions(atlas.labels, grid, table)
    if not level.size or (scale := float(np.median(level))) <= 0:
        return replace(places, regions=regions)
    spread = np.where(atlas.region, np.maximum(atlas.spread / scale, LEAST_SPREAD), 0)
    normal = Normal(atlas.template / np.float32(scale), spread.astype(np.float32), grid)
    return replace(places, regions=regions, normal=normal)


@cache
def dlmuse() -> Mapping[int, Region]:
    """Side, lobe and tissue of DLMUSE's labels, from `dlmuse.tsv`.

    Labels and names are those of NiChart's DLMUSE (`dseg.tsv` of its parcellations). Lobes follow the names:
    opercula belong to the lobe that they are named after, the central one to the frontal lobe; amygdala,
    hippocampus, entorhinal area and parahippocampal gyrus to the temporal lobe; the cingulate gyrus is a
    lobe of its own; nuclei, internal capsule, fornix and callosum are "deep".
    """
    text = (files(__package__) / "dlmuse.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    blank = {"n/a": ""}
    return {
        int(label): Region(name, *(blank.get(word, word) for word in words)) for label, name, *words in rows
    }
