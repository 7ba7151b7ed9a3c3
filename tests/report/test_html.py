import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from sanum.report import render
from sanum.scan import Scan


class Page(HTMLParser):
    """Tags, addresses and visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self._hidden = False
        self.scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._hidden = tag in ("style", "script")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        if not self._hidden:
            self.text += data
        elif self.tags[-1] == "script":
            self.scripts[-1] += data


HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>.nii.gz"


def test_report_says_what_a_reader_needs(phantom):
    html = render(
        phantom(
            centre_mm=(-28.0, 12.0, 8.0),
            name="sub-01_T2w.nii.gz",
            warnings=("Slices are thick.",),
            provenance={"version": "0.1.0", "weights_sha256": "ab12", "date": "2025-11-20", "operator": "me"},
        )
    )
    page = Page(html)
    for phrase in (
        "sub-01_T2w.nii.gz",
        "Research use only. Not a medical device.",
        "Slices are thick.",
        "4.00 × 4.00 × 4.00 mm",
        "45 × 55 × 40",
        "Weights, SHA-256ab12",
        "operatorme",
        "2025-11-20",
        "not a diagnosis",
        "predicted, not measured",
        "white matter is 1",
        "0.100",
    ):
        assert phrase in page.text
    alts = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == 2
    assert "largest marked anomaly (28 mm left, 12 mm anterior, 8 mm superior" in alts[0]
    assert len(html.encode()) < 3_000_000


def test_page_loads_nothing_from_outside_and_runs_its_own_script_alone(phantom):
    html = render(phantom())
    page = Page(html)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert [v for tag, name, v in page.attributes if (tag, name) == ("script", "type")] == [
        "application/json",
        "text/plain",
    ]
    script = page.scripts[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in html
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\b|fetch\(|XMLHttp", script)
    addresses = [v for _, name, v in page.attributes if name in {"src", "href", "srcset", "action", "poster"}]
    assert len(addresses) == 2
    for address in addresses:
        assert address.startswith("data:image/jpeg;base64,")
        assert base64.b64decode(address.split(",")[1], validate=True)[:3] == b"\xff\xd8\xff"
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import|src=['\"]?//", html)
    assert "default-src 'none'" in html


def test_hostile_text_shows_as_text(phantom):
    inputs = phantom(
        name=HOSTILE,
        contrast=HOSTILE,
        warnings=(HOSTILE, "bad byte \udcff and \u202egpj.exe"),
        provenance={HOSTILE: HOSTILE, "date": HOSTILE},
    )
    html = render(replace(inputs, title=HOSTILE))
    page = Page(html)
    assert page.tags.count("script") == html.count("<script") == 3  # facts, volumes, the viewer
    assert page.tags.count("img") == 2
    assert json.loads(page.scripts[0])["volumes"][1]["title"] == HOSTILE
    # title, heading, date twice, contrast, warning, key, value; and two captions
    assert page.text.count(HOSTILE) == 10
    assert r"bad byte \udcff and \u202egpj.exe" in page.text
    html.encode("utf-8")


def test_without_anomaly_there_is_one_picture_and_no_promise(phantom):
    healthy = phantom(radius_mm=0.0)
    page = Page(render(healthy))
    assert page.tags.count("img") == 1
    assert "Through the largest anomaly" not in page.text
    assert "0 mL (no voxel was marked; this does not rule out disease)" in page.text
    assert "0.00 %" in page.text
    assert "Warnings" not in page.text


def test_without_a_brain_the_report_warns(phantom):
    inputs = phantom(radius_mm=0.0)
    nothing = inputs.brain.with_voxels(np.zeros_like(inputs.brain.voxels))
    page = Page(render(phantom(radius_mm=0.0, brain=nothing)))
    assert "No brain was found" in page.text
    assert page.text.count("not available") == 2


def test_warnings_of_the_scan_are_shown_once(phantom):
    scan = phantom().scan.warn("The field of view is cut.")
    text = Page(render(phantom(scan=scan, warnings=("The field of view is cut.",)))).text
    assert text.count("The field of view is cut.") == 1


def test_maps_on_another_grid_are_refused(phantom):
    with pytest.raises(ValueError, match=r"anatomy .* does not lie on the grid of scan"):
        phantom(anatomy=Scan(np.zeros((2, 2, 2)), np.eye(4)))
