"""What files that are handed on do not say: in which folders, of whom, the scans lie on this machine."""

import os
from pathlib import Path

from ..scan.names import printable


def without_folders(reason: str, *paths: Path) -> str:
    """First line of a reason, without the folders that hold these paths; a list of DICOM series follows it.

    Parameters
    ----------
    reason : str
        Why an item failed.
    *paths : Path
        Of the item and of the output folder.

    Examples
    --------
    >>> without_folders("/data/Jane Doe/scan.nii.gz is empty", Path("/data/Jane Doe/scan.nii.gz"))
    'scan.nii.gz is empty'
    """
    line = reason.partition("\n")[0]
    both = [one for path in paths for one in (path, Path(os.path.abspath(path)))]
    above = {folder for one in both for folder in one.parents if folder.name}
    for folder in sorted(above, key=lambda folder: len(folder.parts), reverse=True):
        line = line.replace(f"{printable(folder)}/", "")
    return line
