"""Regions of chest x-rays: a table of boxes and findings, joined with what masks of organs say."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..scan.names import printable
from .xray_masks import SIDES, ZONES, masked_regions, masks_of, organs_in
from .xray_names import paired
from .xray_set import FILE, MASKS, TABLE, Xray, box_problems, listed, mark

COLUMNS = ("image", "region")
PLACE = ("x", "y", "width", "height")


@dataclass(frozen=True)
class RegionRow:
    """One row of the table.

    Parameters
    ----------
    image : str
        Its file name, with or without the folder and the ending.
    region : str
        Name.
    box : tuple of float or None
        x, y, width, height; None: not given.
    findings : tuple of str or None
        That are in it; None: the table has no such column.
    """

    image: str
    region: str
    box: tuple[float, ...] | None
    findings: tuple[str, ...] | None


def read_region_table(path: Path, problems: list[str]) -> list[RegionRow]:
    """Rows of `regions.csv`.

    Parameters
    ----------
    path : Path
        With the columns image and region, and x, y, width, height or findings or both; findings of one region
        are separated by semicolons.
    problems : list of str
        Gets what is wrong.
    """
    what = printable(path.name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        problems.append(f"{what} cannot be read: expected a table in UTF-8")
        return []
    table = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    names = {(name or "").strip().lower(): name for name in table.fieldnames or ()}
    if any(name not in names for name in COLUMNS):
        problems.append(f"{what} has no column image or region: expected {', '.join((*COLUMNS, *PLACE))}")
        return []
    found, seen = [], set()
    for number, row in enumerate(table, 2):
        cells = {name: (row.get(key) or "").strip() for name, key in names.items()}
        place = [cells.get(name, "") for name in PLACE]
        box: tuple[float, ...] | None
        try:
            box = tuple(float(cell) for cell in place) if any(place) else None
        except ValueError:
            problems.append(f"{what}, line {number}: the box {', '.join(place)} is no four numbers")
            continue
        key = cells["image"], cells["region"]
        if key in seen or not all(key):
            twice = "is there twice" if all(key) else "lacks an image or a region"
            problems.append(f"{what}, line {number}: {printable(' '.join(key))} {twice}")
            continue
        seen.add(key)
        told = tuple(f.strip() for f in cells.get("findings", "").split(";") if f.strip())
        found.append(RegionRow(*key, box, told if "findings" in names else None))
    return found


def add_regions(
    folder: Path, images: list[Xray], findings: tuple[str, ...], problems: list[str], notes: list[str]
) -> tuple[str, ...]:
    """Tell images their regions, of the table and of the masks; returns the regions' names.

    Parameters
    ----------
    folder : Path
        With `regions.csv` or `masks/` or both; neither: there are no regions.
    images : list of Xray
        Changed.
    findings : tuple of str
        Names of the categories.
    problems : list of str
        Gets what is wrong.
    notes : list of str
        Gets what a user should know.
    """
    table, organs = folder / TABLE, organs_in(folder / MASKS)
    rows = read_region_table(table, problems) if table.is_file() else []
    by_name = {image.name: image for image in images}
    meant, wrong = paired(list(by_name), [row.image for row in rows])
    problems += [f"{TABLE}: {one}" for one in wrong]
    masks = masks_of(organs, list(by_name), problems)
    is_clear = not problems
    made = {
        image.name: masked_regions(masks[image.name], image.name, image.size, problems) for image in images
    }
    if swapped := [name for name, one in made.items() if one.swapped]:
        notes.append(
            f"the right lung lies on the right of {listed(swapped)}: right is the patient's, "
            "which an x-ray shows on the left"
        )
    if unknown := sorted({row.image for row in rows if row.image not in meant}) if not wrong else []:
        problems.append(f"{TABLE} names {listed(unknown)}, which {FILE} has not")
    if organs and is_clear and not any(masks.values()):
        problems.append(f"no file in {MASKS} has the name of an image, such as {printable(images[0].name)}")
    of_masks = list(dict.fromkeys(name for one in made.values() for name in one.regions))
    names = tuple(dict.fromkeys([*(row.region for row in rows), *of_masks]))
    for image in images:
        image.regions = np.full((len(names), 4), np.nan)
        image.present = np.full(len(names), -1, np.int8)
        image.in_region = np.full((len(names), len(findings)), -1, np.int8)
        for name, box in made[image.name].regions.items():
            image.present[names.index(name)] = 0 if box is None else 1
            image.regions[names.index(name)] = np.nan if box is None else box
    known = [(row, by_name[meant[row.image]]) for row in rows if row.image in meant]
    _add_boxes(known, names, problems, masked=bool(of_masks))
    if bare := [
        f"{r.region} of {printable(r.image)}" for r, image in known if of_masks and _is_bare(r, image, names)
    ]:
        notes.append(
            f"{TABLE} has findings in {listed(bare)}, without a box or a mask of it: "
            "where it lies counts as unknown"
        )
    if any(row.findings is not None for row in rows):
        _add_findings(known, names, findings, problems, notes)
    for image in images:
        if (image.labels == 0).all():
            image.in_region[:] = 0
    absent = [n for k, n in enumerate(names) if not any(i.present[k] == 1 for i in images)]
    if absent and is_clear:
        which = "no image has a region" if len(absent) == len(names) else f"{listed(absent)} is in no image"
        problems.append(f"{which}: give boxes or masks, or leave it out")
    return names


def _add_boxes(
    rows: list[tuple[RegionRow, Xray]], names: tuple[str, ...], problems: list[str], *, masked: bool
) -> None:
    """Boxes of the table; without masks an image that it lists has no other regions."""
    called = [(f"{r.region} of {printable(r.image)}", image, r.box) for r, image in rows if r.box is not None]
    problems += box_problems(called)
    for _, image in () if masked else rows:
        image.present[image.present < 0] = 0
    for row, image in rows:
        if row.box is not None:
            place = names.index(row.region)
            image.regions[place], image.present[place] = row.box, 1
        elif not masked:
            problems.append(f"{row.region} of {printable(row.image)} has no box, and there are no masks")


def _is_bare(row: RegionRow, image: Xray, names: tuple[str, ...]) -> bool:
    return bool(row.findings) and image.present[names.index(row.region)] < 0


def _add_findings(
    rows: list[tuple[RegionRow, Xray]],
    names: tuple[str, ...],
    findings: tuple[str, ...],
    problems: list[str],
    notes: list[str],
) -> None:
    """Findings in regions; an image that is listed has no others. A lung has what its zones have.

    What an image has, and no region of it, may be anywhere.
    """
    nowhere = []
    listed_images = {id(image): image for _, image in rows}.values()
    for image in listed_images:
        image.in_region[:] = 0
    for row, image in rows:
        what = f"{TABLE}: {row.region} of {printable(row.image)}"
        mark(image.in_region[names.index(row.region)], row.findings or (), findings, what, problems)
    for image in listed_images:
        for side in SIDES:
            zones = [names.index(name) for zone in ZONES if (name := f"{side} {zone}") in names]
            if zones and f"{side} lung" in names:
                lung = image.in_region[names.index(f"{side} lung")]
                of_zones = image.in_region[zones]
                unsaid = (lung == 1) & (of_zones == 0).all(0)
                lung[:] = np.maximum(lung, of_zones.max(0))
                image.in_region[
                    np.ix_(np.array(zones), np.flatnonzero(unsaid))
                ] = -1  # in which zone nobody says
        there = (image.in_region == 1).any(0)
        if image.told and (denied := [findings[k] for k in np.flatnonzero(there & (image.labels == 0))]):
            problems.append(
                f"{TABLE} has {listed(denied)} in {printable(image.name)}, whose findings in {FILE} do not"
            )
        if (unplaced := (image.labels == 1) & ~there).any():
            image.in_region[:, unplaced] = -1
            nowhere.append(image.name)
        image.labels[image.labels < 0] = 0
        image.labels[there] = 1
    if nowhere:
        notes.append(
            f"no region in {TABLE} has some finding of {listed(nowhere)}: where it is counts as unknown"
        )
