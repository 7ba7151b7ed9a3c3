"""T1w intensities of real heads by tissue, the source of the numbers in `sanum.synth.render`.

Over the training subjects of the data folder: the median over subjects of each group's median and robust
deviation (the white matter's median at 1), and of the percentiles outside of the brain. Prints Markdown.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from sanum.data.split import split_subjects
from sanum.synth.anatomy import Anatomy, prepare
from sanum.synth.labels import GROUPS, SCHEMES

PERCENTILES = (5, 25, 50, 75, 95, 99)


def tissues(anatomy: Anatomy) -> dict[str, tuple[float, float]]:
    """Median and robust standard deviation (1.4826 · MAD) of each tissue, borders left out."""
    scheme = SCHEMES[anatomy.scheme]
    masks = {"white matter": np.isin(anatomy.labels, list(scheme.white))}
    masks |= {name: anatomy.groups == n + 1 for n, name in enumerate(GROUPS)}
    found = {}
    for name, mask in masks.items():
        core = ndimage.binary_erosion(mask)
        values = anatomy.t1w[core if core.sum() > 50 else mask]
        middle = float(np.median(values))
        found[name] = (middle, 1.4826 * float(np.median(np.abs(values - middle))))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    options = parser.parse_args()
    rows, means, outside = [], [], []
    for pair in split_subjects(options.data)[0]:
        anatomy = prepare(*pair, options.cache)
        rows.append(tissues(anatomy))
        means.append(anatomy.tissue_means)
        outside.append(np.percentile(anatomy.t1w[~anatomy.brain & (anatomy.t1w > 0.05)], PERCENTILES))
    print("| tissue | median | deviation | between subjects |\n|---|---|---|---|")
    for name in rows[0]:
        middle, deviation = np.array([row[name] for row in rows]).T
        cells = (np.median(middle), np.median(deviation), middle.std())
        print(f"| {name} | " + " | ".join(f"{c:.3f}" for c in cells) + " |")
    fluid, cortex, _ = np.median(means, axis=0)
    print(f"\nfluid {fluid:.3f} (25th percentile), cortex {cortex:.3f} (mode)")
    line = ", ".join(f"{p}th {v:.2f}" for p, v in zip(PERCENTILES, np.median(outside, axis=0), strict=True))
    print(f"outside of the brain, percentiles: {line}")


if __name__ == "__main__":
    main()
