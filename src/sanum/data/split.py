"""Training and held-out subjects and masks, the same for every method."""

from pathlib import Path

from ..synth.anatomy import ixi_pairs, without_labels

HELD_OUT_SUBJECTS = 8
HELD_OUT_MASKS = range(90, 100)
LAYOUT = {
    "T1w": "ixi/sub-*/anat/*_T1w.nii.gz",
    "labels": "ixi/derivatives/dlmuse/sub-*/**/*_dseg.nii.gz",
    "lesion masks": "lesions/*_mask.nii.gz",
}


def split_subjects(data: Path) -> tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]]:
    """Training and validation subjects: the last 8 in sorted order are never trained on.

    Parameters
    ----------
    data : Path
        Folder with ixi/.
    """
    pairs = ixi_pairs(data / "ixi")
    return pairs[:-HELD_OUT_SUBJECTS], pairs[-HELD_OUT_SUBJECTS:]


def split_masks(data: Path) -> tuple[list[Path], list[Path]]:
    """Training and validation lesion masks: stroke-090 to stroke-099 are never trained on.

    Parameters
    ----------
    data : Path
        Folder with lesions/.
    """
    masks = sorted((data / "lesions").glob("*_mask.nii.gz"))
    held = {f"stroke-{n:03d}_mask.nii.gz" for n in HELD_OUT_MASKS}
    return [m for m in masks if m.name not in held], [m for m in masks if m.name in held]


def require_data(data: Path, *, masks: bool = True) -> list[str]:
    """Subjects without labels, who are left out.

    Parameters
    ----------
    data : Path
        Folder with the files of `LAYOUT`.
    masks : bool
        Whether lesion masks are needed.

    Raises
    ------
    ValueError
        What is missing, all of it; more than half of the subjects have no labels; too few of them have.
    """
    wanted = {k: v for k, v in LAYOUT.items() if masks or k != "lesion masks"}
    missing = [f"{what} ({files})" for what, files in wanted.items() if not any(data.glob(files))]
    if missing:
        raise ValueError(f"{data} is no folder to train on: it has no {', no '.join(missing)}")
    if not split_subjects(data)[0]:
        raise ValueError(
            f"too few subjects under {data / 'ixi'}: the last {HELD_OUT_SUBJECTS} are held out, so at least "
            f"{HELD_OUT_SUBJECTS + 1} are needed"
        )
    return without_labels(data / "ixi")
