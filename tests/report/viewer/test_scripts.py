"""The viewer's functions that need no browser, in Node: unpacking, and which way up a plane is."""

import base64
import gzip
import json
import shutil
import subprocess

import numpy as np
import pytest

from sanum.report.page import own_file

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node (Debian: nodejs)")


def run(script, *names):
    source = "\n".join(own_file(f"viewer/{name}.js") for name in names)
    ran = subprocess.run(
        ["node", "-e", source + script], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(ran.stdout)


def test_the_own_inflate_unpacks_every_kind_of_block():
    rng = np.random.default_rng(3)
    smooth = np.repeat(rng.integers(0, 60, 3000), 7).astype(np.uint8).tobytes()
    noise = rng.integers(0, 256, 70_000, dtype=np.uint8).tobytes()  # stored, in two blocks
    packed = [gzip.compress(data, 6, mtime=0) for data in (b"", b"abc" * 5, smooth, noise, bytes(300_000))]
    texts = json.dumps([base64.b64encode(one).decode() for one in packed])
    script = f"""
        const same = {texts}.map((text) => {{
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          return Buffer.from(inflateGzip(bytes)).equals(require("zlib").gunzipSync(bytes));
        }});
        console.log(JSON.stringify(same));"""
    assert run(script, "inflate") == [True] * len(packed)


def test_numbers_have_the_decimals_of_their_steps_and_a_sign_where_values_are_cut_off():
    ct, probability = (-100, 155, [True, True]), (0, 1, [False, False])
    cases = [
        (ct, 0, "≤ -100"),
        (ct, 1, "-99"),
        (ct, 100, "0"),
        (ct, 255, "≥ 155"),
        (probability, 0, "0.00"),
        (probability, 170, "0.67"),
        (probability, 255, "1.00"),
        ((0, 2000, [False, True]), 0, "0"),
        ((0, 2000, [False, True]), 157, "1231"),  # and not 1.23e+3
        ((0, 2000, [False, True]), 255, "≥ 2000"),
        ((-0.001, 1.5, [False, False]), 0, "0.00"),  # and not -0.00
        ((0, 0.0002, [False, True]), 100, "0.000078"),
    ]
    volumes = [[dict(zip(("low", "high", "beyond"), one, strict=True)), byte] for one, byte, _ in cases]
    script = f"console.log(JSON.stringify({json.dumps(volumes)}.map((one) => valueInWords(...one))));"
    assert run(script, "planes") == [words for _, _, words in cases]


@pytest.mark.parametrize("radiological", [True, False])
def test_letters_stand_where_the_cells_are(radiological):
    """A cell at the right, the front and the top is found under R, A and S, in every plane."""
    shape, marked = (3, 4, 5), (2, 3, 4)
    cells = np.zeros(shape, np.uint8)
    cells[marked] = 255
    script = f"""
        const cells = {cells.ravel(order="F").tolist()}, shape = {list(shape)}, at = {list(marked)};
        const side = {json.dumps(radiological)};
        console.log(JSON.stringify(PLANES.map((plane) => {{
          const bytes = cut(cells, shape, plane, at[plane.normal], side), wide = shape[plane.across];
          const found = bytes.indexOf(255), letters = lettersOf(plane, side);
          const lay = layOut(shape, plane, 300, 200, 1, [1, 1.5, 2], side);
          const pixel = toPixel(shape, plane, lay, at, side), column = found % wide;
          const across = column === 0 ? letters.left : letters.right;
          const end = found < wide ? letters.top : letters.bottom;
          const off = lay.left + (column + .5) * lay.scale - pixel[0];
          return [across, end, toCell(shape, plane, lay, ...pixel, side), off, outlineOf(bytes, wide).length];
        }})));"""
    for plane, (side, end, back, off, lines) in zip(
        ((0, 1), (0, 2), (1, 2)), run(script, "planes"), strict=True
    ):
        assert (side, end) == ("RAS"[plane[0]], "RAS"[plane[1]])
        assert back == pytest.approx([marked[plane[0]], marked[plane[1]]])
        assert (off, lines) == (pytest.approx(0), 4)
