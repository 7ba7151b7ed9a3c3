"""Pictures of the README and the tutorial, from the report of `make demo`, by a Chromium browser.

`python docs/make_pictures.py demo/icbm152_T1w_report.html [CHROMIUM]` writes `docs/img/demo.jpg` and
`docs/img/tutorial-*.jpg`.
"""

import argparse
import base64
import io
import re
import subprocess
import tempfile
from pathlib import Path

import stamp
from PIL import Image

IMAGES = Path(__file__).parent / "img"
WIDTH, HEIGHT = 1120, 870  # of the page, down to the end of the viewer
ROW = (0.0, 0.0, 1.0, 0.355)  # of the figure: titles and the axial planes


def save(image: Image.Image, name: str, width: int, weights_sha256: str) -> None:
    """Write a picture of this width."""
    size = (width, round(width * image.height / image.width))
    small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    stamp.save(small, IMAGES / name, weights_sha256)


def weights(report: Path) -> str:
    """SHA-256 of the weights that the report names."""
    found = re.search(r"Weights, SHA-256.*?\b([0-9a-f]{64})\b", report.read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise SystemExit(f"{report} names no weights: expected a report of sanum demo")
    return found[1]


def page(report: Path, browser: str) -> Image.Image:
    """What a browser shows of the upper part of the report."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--virtual-time-budget=3000",
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={shot}",
                report.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
        )
        return Image.open(io.BytesIO(shot.read_bytes()))


def figure(report: Path) -> Image.Image:
    """The report's first figure, which goes through the lesion."""
    data = re.search(r'src="data:image/jpeg;base64,([^"]+)"', report.read_text(encoding="utf-8"))
    if data is None:
        raise SystemExit(f"{report} has no figure: expected a report of sanum demo")
    return Image.open(io.BytesIO(base64.b64decode(data[1])))


def axial_row(whole: Image.Image) -> Image.Image:
    """The first row of that figure."""
    return whole.crop(tuple(round(f * n) for f, n in zip(ROW, 2 * whole.size, strict=True)))


def main() -> None:
    """Write all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("browser", nargs="?", default="chromium")
    options = parser.parse_args()
    made_by = weights(options.report)
    save(page(options.report, options.browser), "tutorial-report.jpg", 900, made_by)
    whole = figure(options.report)
    save(whole, "demo.jpg", 1400, made_by)
    save(axial_row(whole), "tutorial-lesion.jpg", 1200, made_by)


if __name__ == "__main__":
    main()
