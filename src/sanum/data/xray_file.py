"""A COCO file of x-rays with labels, for who has a table of labels and a folder of images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import whole_file
from ..scan.names import printable
from ..scan.read_picture import read_picture
from .xray_set import FILE, IMAGES, XrayDataError, listed


def write_findings(
    folder: str | Path,
    labels: Mapping[str, Sequence[str]],
    *,
    patients: Mapping[str, str] | None = None,
    splits: Mapping[str, str] | None = None,
) -> Path:
    """Write `findings.json` into a folder with `images/`; returns its path. A file that is there is replaced.

    Parameters
    ----------
    folder : str or Path
        With the images.
    labels : mapping of sequence of str
        Names of the findings of each image, by its file name; none: nothing is found in it.
    patients : mapping of str, optional
        Whose each image is.
    splits : mapping of str, optional
        "train", "val" or "test" of each image.

    Raises
    ------
    XrayDataError
        Images that are not there or cannot be read; no image has a finding.
    """
    folder, problems, images = Path(folder), list[str](), list[dict[str, Any]]()
    names = sorted({finding for own in labels.values() for finding in own})
    if not names:
        problems.append("no image has a finding: expected names of findings")
    if missing := [name for name in labels if not (folder / IMAGES / name).is_file()]:
        problems.append(f"{listed(missing)} is not in {IMAGES}")
    for name, own in labels.items():
        if name in missing:
            continue
        try:
            high, wide = read_picture(folder / IMAGES / name).valid.shape
        except ValueError as error:
            problems.append(str(error))
            continue
        more = {"patient": (patients or {}).get(name), "split": (splits or {}).get(name)}
        image = {"id": len(images) + 1, "file_name": name, "width": wide, "height": high}
        images.append(
            {**image, **{key: v for key, v in more.items() if v not in (None, "")}, "findings": list(own)}
        )
    if problems:
        raise XrayDataError(printable(str(folder)), problems)
    categories = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    file = {"images": images, "categories": categories, "annotations": []}
    with whole_file(folder / FILE) as partial:
        partial.write_text(json.dumps(file, indent=1) + "\n", encoding="utf-8")
    return folder / FILE
