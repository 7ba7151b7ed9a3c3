"""What tables and figure show of reconstructed anatomies, in the layout of the UNA paper's tables."""

from ...task import CaseTable, DotPanel, LargestTable, Layout, MeansTable, PairTable
from .detection import THRESHOLDS
from .example import COLUMNS
from .numbers import COVERAGES, HEAD_MM
from .published import DIFFERENCE_DICE, RECONSTRUCTION
from .validated import ON_OTHERS

_PARTS = {"f": "F", "h": "H", "d": "D"}
_ERRORS = {
    f"{m}_{p}": f"{title} {part}"
    for m, title in (("psnr", "PSNR"), ("ssim", "SSIM"), ("l1", "L1"))
    for p, part in _PARTS.items()
}
_VOLUME = " × ".join(f"{mm:.0f}" for mm in HEAD_MM)
_MEANS = (
    MeansTable(
        "Reconstruction, inside the brain",
        "Averages over the brain's voxels alone: all, those without lesion, those of the lesion.",
        {f"brain_{k}": v for k, v in _ERRORS.items()},
    ),
    MeansTable(
        "Reconstruction, averaged over the whole volume (as the paper)",
        f"The volume is a head's, {_VOLUME} mm, and most of it is air, which costs no error: see the table "
        'above first. The error of a part counts as 0 elsewhere. Rows "(paper)" are the paper\'s own, on its '
        "own data.",
        _ERRORS,
        published_with="l1_d",  # the paper's have a lesion
    ),
    MeansTable(
        "Anomaly probability",
        "Dice at the threshold of the results, 0.5, fixed beforehand; at one **estimated on validation** "
        f"(other subjects; the cases are named below); and the **oracle**, which takes of {THRESHOLDS.size} "
        "thresholds each scan's best, which nobody knows: an upper bound and no result. Soft Dice has no "
        "threshold. Lesion F1: parts of 26 neighbours, met where a tenth of their voxels is. ECE: expected "
        "calibration error in the brain, 15 bins. Score maps that are no probabilities have no Dice at 0.5; "
        "detectors of 2-D images are told where the brain is, and their maps, as difference maps, have the "
        "99.5th percentile there at 1.",
        {
            "dice": "Dice at 0.5",
            "dice_validated": "Dice, validated threshold",
            "dice_oracle": "oracle Dice",
            "dice_soft": "soft Dice",
            "lesion_f1": "lesion F1",
            "average_precision": "average precision",
            "ece": "ECE",
            "false_ml": "called beside the lesion, mL",
        },
    ),
    MeansTable(
        "Healthy scans: mL called anomaly, all of it false",
        "At the threshold of the results, and at the one estimated on the lesions of validation.",
        {
            "healthy_ml": "at 0.5, mL",
            "anomalous_percent": "at 0.5, % of the brain",
            "healthy_ml_validated": "at the validated threshold, mL",
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
        "Healthy scans: the largest call",
        "healthy_ml",
        ("mean, mL", "largest, mL"),
    ),
    pairs=PairTable(
        "One patient, several contrasts",
        "How alike the anatomies from aligned scans of one head are, in the union of their brains, and over "
        f"{_VOLUME} mm.",
        name="same_patient",
        cases_head="scans",
        columns={"brain_psnr": "PSNR in the brain", "psnr": "PSNR", "l1": "L1"},
    ),
    cases=CaseTable(
        {
            "true_ml": "true, mL",
            "found_ml": "found, mL",
            "false_ml": "beside the lesion, mL",
            "dice": "Dice at 0.5",
            "dice_validated": "Dice, validated threshold",
            "threshold": "that threshold",
            "dice_oracle": "oracle Dice",
            "average_precision": "average precision",
            "lesion_f1": "lesion F1",
        },
        requires="average_precision",
    ),
    dots=(
        DotPanel("brain_psnr_f", "PSNR in the brain, dB"),
        DotPanel("psnr_f", "PSNR F, dB"),
        DotPanel("dice", "Dice at 0.5", (-0.02, 1.02)),
        DotPanel("dice_validated", "Dice, validated", (-0.02, 1.02)),
        DotPanel("healthy_ml", "healthy, mL"),
    ),
    typical_by=("dice", "brain_psnr_f", "healthy_ml", "case"),
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
