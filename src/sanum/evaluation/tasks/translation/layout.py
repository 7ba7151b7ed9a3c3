"""What tables and figure show of translations."""

from ...task import CaseTable, DotPanel, Layout, MeansTable
from .example import COLUMNS

_ERRORS = {"psnr": "PSNR", "ssim": "SSIM", "mae": "MAE", "dice": "Dice", "dice_thin": "Dice, thin"}
LAYOUT = Layout(
    conventions="All is inside of the body: where the source shows something, and what that encloses. PSNR "
    "in dB; MAE in the target's unit, HU of a CT.",
    means=(
        MeansTable(
            "Translation against the scan that it should be",
            "PSNR and SSIM rise with blur, and blur loses what is thin. So Dice is of what the same "
            "threshold or segmenter finds in the translation and in the truth, and once more of thin parts, "
            "one or two voxels wide. `mean target` and `intensity table` learn from pairs too, and see each "
            "voxel by itself: a network should beat both.",
            {**_ERRORS, "seconds": "seconds a scan"},
        ),
    ),
    cases=CaseTable(_ERRORS, requires="psnr"),
    dots=(
        DotPanel("psnr", "PSNR, dB"),
        DotPanel("ssim", "SSIM"),
        DotPanel("dice", "Dice", (-0.02, 1.02)),
        DotPanel("dice_thin", "Dice, thin parts", (-0.02, 1.02)),
    ),
    typical_by=("dice_thin", "psnr", "case"),
    example_columns=COLUMNS,
)
