"""Make the pictures of the README and the docs: `python docs/make_pictures.py`."""

import io
from pathlib import Path

import stamp
from PIL import Image

from sanum.healthy import demo
from sanum.healthy.reconstruction import reconstruct
from sanum.report import ReportInputs
from sanum.report.figures import montage, to_png
from sanum.report.places import largest_component_centre_mm


def main() -> None:
    """Write docs/img/demo.png: the scan and lesion of `sanum demo`."""
    truth, brain = demo.icbm152()
    sick, _ = demo.grow_lesion(truth, brain, seed=7)
    result = reconstruct(truth.with_voxels(sick))
    point = largest_component_centre_mm(result.anomaly_mask)
    if point is None:
        raise SystemExit("no anomaly was found in the demo: there is nothing to show")
    figure = montage(ReportInputs.of(result), point)
    target = Path(__file__).parent / "img" / "demo.png"
    target.parent.mkdir(exist_ok=True)
    stamp.save(Image.open(io.BytesIO(to_png(figure))), target, result.provenance["weights_sha256"])


if __name__ == "__main__":
    main()
