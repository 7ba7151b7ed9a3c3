"""What tables and figure show of reconstructed anatomies, in the layout of the UNA paper's tables."""

from ...task import CaseTable, DotPanel, LargestTable, Layout, MeansTable, PairTable
from .example import COLUMNS
from .numbers import COVERAGES, HEAD_MM
from .published import DIFFERENCE_DICE, RECONSTRUCTION

ON_OTHERS = "difference_dice"
"""Dice of the difference map at the threshold that is best on the *other* subjects' mean."""
_PARTS = {"f": "F", "h": "H", "d": "D"}
_ERRORS = {
    f"{m}_{p}": f"{title} {part}"
    for m, title in (("l1", "L1"), ("psnr", "PSNR"), ("ssim", "SSIM"))
    for p, part in _PARTS.items()
}
_VOLUME = " × ".join(f"{mm:.0f}" for mm in HEAD_MM)
_MEANS = (
    MeansTable(
        "Reconstruction, averaged over the whole volume (as the paper)",
        f"The volume is a head's, {_VOLUME} mm; the error of a part counts as 0 elsewhere. Rows "
        '"(paper)" are the paper\'s own, on its own data.',
        _ERRORS,
        published_with="l1_d",  # the paper's have a lesion
    ),
    MeansTable(
        "Reconstruction, inside the brain alone",
        "Averages over the brain's voxels: all, those without lesion, those of the lesion.",
        {f"brain_{k}": v for k, v in _ERRORS.items()},
    ),
    MeansTable(
        "Anomaly probability",
        "Dice at the threshold of the results, fixed beforehand; soft Dice without one; the **oracle** "
        "takes each scan's best threshold, which nobody knows. Lesion F1: parts of 26 neighbours, met "
        "where a tenth of their voxels is. ECE: expected calibration error in the brain, 15 bins.",
        {
            "dice": "Dice",
            "dice_soft": "soft Dice",
            "dice_oracle": "oracle Dice",
            "lesion_f1": "lesion F1",
            "average_precision": "average precision",
            "ece": "ECE",
        },
    ),
    MeansTable(
        "Difference map |input − reconstruction|",
        "Input matched by a gain and an offset over the predicted brain; divided by the 99.5th "
        "percentile there. Dice at the threshold that is best on the other subjects. The paper, "
        "simulated lesions, T1w: " + "; ".join(f"{k} {v}" for k, v in DIFFERENCE_DICE.items()) + ".",
        {
            ON_OTHERS: "Dice",
            "difference_dice_soft": "soft Dice",
            "difference_dice_oracle": "oracle Dice",
        },
    ),
    MeansTable(
        "Uncertainty and brain mask",
        "",
        {
            **{f"coverage_{100 * q:.0f}": f"within the {100 * q:.0f} % bound, share" for q in COVERAGES},
            "dice_brain": "Dice brain",
        },
    ),
)
LAYOUT = Layout(
    conventions="F whole, H healthy part, D diseased part. White matter is 1; PSNR in dB with peak 1.",
    means=_MEANS,
    largest=LargestTable(
        "Healthy scans: share of the brain called anomalous",
        "anomalous_percent",
        ("mean, % of the brain", "largest, %"),
    ),
    pairs=PairTable(
        "One patient, several contrasts",
        f"How alike the anatomies from aligned scans of one head are, over {_VOLUME} mm and in the brain.",
        name="same_patient",
        cases_head="scans",
        columns={"psnr": "PSNR", "brain_psnr": "PSNR in the brain", "l1": "L1"},
    ),
    cases=CaseTable(
        {
            "true_ml": "true, mL",
            "found_ml": "found, mL",
            "dice": "Dice",
            "average_precision": "average precision",
            "lesion_f1": "lesion F1",
        },
        requires="true_ml",
    ),
    dots=(
        DotPanel("psnr_f", "PSNR F, dB"),
        DotPanel("psnr_d", "PSNR D, dB"),
        DotPanel("dice", "Dice anomaly", (-0.02, 1.02)),
        DotPanel("anomalous_percent", "healthy, %"),
    ),
    typical_by=("dice", "psnr_f", "anomalous_percent", "case"),
    example_columns=COLUMNS,
    input_titles={
        "t1w": "T1w",
        "t2w": "T2w",
        "flair": "FLAIR",
        "pd": "PD",
        "pdw": "PD",
        "dwi": "DWI",
        "ct": "CT",
    },
    published=RECONSTRUCTION,
    published_samples="1000 samples",
    published_dot="UNA (paper)",
)
