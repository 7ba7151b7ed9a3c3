"""Who is trained on and who is not, the same for every method."""

from pathlib import Path

from ..synth.anatomy import ixi_pairs

HELD_OUT_SUBJECTS = 8
HELD_OUT_MASKS = range(90, 100)


def split_subjects(data: Path) -> tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]]:
    """Training and validation subjects: the last 8 in sorted order are never trained on."""
    pairs = ixi_pairs(data / "ixi")
    return pairs[:-HELD_OUT_SUBJECTS], pairs[-HELD_OUT_SUBJECTS:]


def split_masks(data: Path) -> tuple[list[Path], list[Path]]:
    """Training and validation lesion masks: stroke-090 to stroke-099 are never trained on."""
    masks = sorted((data / "lesions").glob("*_mask.nii.gz"))
    held = {f"stroke-{n:03d}_mask.nii.gz" for n in HELD_OUT_MASKS}
    return [m for m in masks if m.name not in held], [m for m in masks if m.name in held]
