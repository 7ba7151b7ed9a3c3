"""The viewer as a reader meets it: in Chromium, from a file, without a network."""

from dataclasses import replace
from itertools import pairwise

import pytest

from sanum.healthy.lesions import LesionRow
from sanum.report import render

pytestmark = pytest.mark.full

LEFT, RIGHT = (-30.0, 14.0, 10.0), (36.0, -20.0, -12.0)
HOSTILE = "<img src=x onerror=document.title='hit'>"
SHOWN = "() => [...document.querySelectorAll('canvas')].map((canvas) => canvas.toDataURL('image/jpeg', 0.95))"
SETTLE_MS = 100
WARM = """() => {
  const canvas = document.querySelector("canvas"), {width, height} = canvas, sum = [0, 0];
  const copy = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
  copy.drawImage(canvas, 0, 0);
  const {data} = copy.getImageData(0, 0, width, height);
  for (let n = 0; n < data.length; n += 4) {
    if (data[n] > data[n + 2] + 40) sum[(n / 4) % width < width / 2 ? 0 : 1]++;
  }
  return sum;
}"""
"""Orange pixels of the axial plane, in its left and its right half."""


MADE = []  # the page, drawn once


def report(phantom):
    """HTML of a phantom with two lesions, and with names that are HTML."""
    lesions = (
        LesionRow(1, 17.0, *LEFT, side="left", lobe=HOSTILE, contrast=0.3),
        LesionRow(2, 1.0, *RIGHT, side="right", lobe="occipital"),
    )
    inputs = phantom(centre_mm=LEFT, name=HOSTILE, warnings=(HOSTILE,), lesions=lesions, title=HOSTILE)
    other = phantom(centre_mm=RIGHT, radius_mm=6.0)
    both = {
        name: scan.with_voxels(scan.voxels + getattr(other, name).voxels)
        for name, scan in (("anomaly", inputs.anomaly), ("anomaly_mask", inputs.anomaly_mask))
    }
    return render(replace(inputs, **both))


@pytest.fixture
def opened(browser, phantom, tmp_path):
    """Open that report; it asks for nothing, and complains of nothing."""
    requests, complaints, contexts = [], [], []
    path = tmp_path / "report.html"
    if not MADE:
        MADE.append(report(phantom))
    path.write_text(MADE[0], encoding="utf-8")

    def open_report(size=(900, 700), before="", **how):
        context = browser.new_context(viewport=dict(zip(("width", "height"), size, strict=True)), **how)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        if before:
            page.add_init_script(before)
        page.goto(path.as_uri())
        if how.get("java_script_enabled", True):
            page.wait_for_selector("#viewer:not([hidden])")
            page.wait_for_timeout(SETTLE_MS)
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert not [url for url in requests if not url.startswith(("file:", "data:"))]
    assert len(requests) == len(contexts) + sum(url.startswith("data:") for url in requests)
    assert not complaints


def shown(page):
    page.wait_for_timeout(SETTLE_MS)
    return page.evaluate(SHOWN)


def slide(page, name, value):
    page.locator(f"[name={name}]").evaluate(
        "(control, value) => { control.value = value; control.dispatchEvent(new Event('input')); }", value
    )


def test_planes_scroll_and_every_control_changes_what_is_seen(opened):
    page = opened()
    first = shown(page)
    axial = page.locator("canvas").first
    axial.hover(position={"x": 5, "y": 5})
    page.mouse.wheel(0, 120)
    scrolled = shown(page)
    assert scrolled[0] != first[0]
    assert "7 mm" not in page.locator(".viewer-place").inner_text()
    seen = [first, scrolled]
    steps = (
        ("level", 30),
        ("width", -100),
        ("opacity", 100),
        ("opacity", 0),
        ("healthy", 50),
        ("healthy", 100),
    )
    for name, value in steps:
        slide(page, name, value)
        seen.append(shown(page))
    for name in ("outline", "cross"):
        page.locator(f"[name={name}]").click()
        seen.append(shown(page))
    for overlay in ("uncertainty", "none"):
        slide(page, "opacity", 80)
        page.locator(f"[name=overlay][value={overlay}]").click()
        seen.append(shown(page))
    page.locator(".viewer-in").click()
    seen.append(shown(page))
    for n, (one, two) in enumerate(pairwise(seen)):
        assert one[0] != two[0], f"step {n} changed nothing"
    page.locator(".viewer-reset").click()
    assert shown(page) == first


def test_keys_do_what_the_mouse_does(opened):
    page = opened()
    first = shown(page)
    page.locator("canvas").first.focus()
    words = page.locator(".viewer-place")
    place = words.inner_text()
    page.keyboard.press("ArrowUp")
    assert words.inner_text() != place
    page.keyboard.press("ArrowDown")
    assert words.inner_text() == place
    assert shown(page) == first
    for key in (" ", "o", "+", "c"):
        page.keyboard.press(key)
        assert shown(page)[0] != first[0]
    page.keyboard.press("0")
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert "right" in words.inner_text()
    label = page.locator("canvas").first.get_attribute("aria-label")
    assert label.startswith("Axial plane, 1")
    assert label.endswith("mm inferior")
    page.wait_for_timeout(500)
    assert page.locator("[role=status]").inner_text() == words.inner_text()


def test_a_row_of_the_table_leads_to_its_lesion(opened):
    page = opened()
    first = shown(page)
    page.locator("button.part").nth(1).click()
    assert page.locator("tr[data-part='2']").get_attribute("aria-current") == "true"
    after = shown(page)
    assert all(one != two for one, two in zip(first, after, strict=True))
    words = page.locator(".viewer-place").inner_text().split(", ")
    found = [
        int(part.split()[0]) * (1 if part.split()[2] in ("right", "anterior", "superior") else -1)
        for part in words
    ]
    assert found == pytest.approx(RIGHT, abs=3)
    assert "(marked)" in page.locator(".viewer-values").inner_text()
    # and text of the data is shown as text
    assert page.title().startswith(HOSTILE)
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator("tr[data-part='1'] td").nth(3).inner_text() == HOSTILE
    assert page.locator("img:not([src^='data:'])").count() == 0


def test_the_side_is_right_in_both_conventions(opened):
    """The lesion is on the patient's left."""
    page = opened()
    left, right = page.evaluate(WARM)
    assert right > 300
    assert left == 0
    page.locator("[name=side]").select_option("neurological")
    page.wait_for_timeout(SETTLE_MS)
    assert page.evaluate(WARM) == pytest.approx([right, 0], rel=0.02)


def test_a_phone_can_use_it(opened):
    page = opened((400, 700), has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    sizes = [page.locator("canvas").nth(n).bounding_box() for n in range(3)]
    assert sizes[0]["width"] > 340
    assert all(min(size["width"], size["height"]) > 150 for size in sizes)
    first = shown(page)
    page.touchscreen.tap(sizes[0]["x"] + 120, sizes[0]["y"] + 100)
    assert all(one != two for one, two in zip(first, shown(page), strict=True))
    assert page.locator("[name=healthy]").bounding_box()["width"] > 200
    page.locator("button.part").nth(1).tap()
    assert " mm right" in page.locator(".viewer-place").inner_text()


def test_it_unpacks_without_the_browsers_help(opened):
    expected = shown(opened())
    assert shown(opened(before="delete window.DecompressionStream;")) == expected


def test_without_scripts_and_on_paper_the_pictures_are_there(opened):
    page = opened(java_script_enabled=False)
    assert not page.locator("#viewer").is_visible()
    assert page.locator("figure img").count() == 2
    page = opened()
    page.emulate_media(media="print")
    assert not page.locator("#viewer").is_visible()
    assert page.locator("figure img").first.is_visible()
    assert page.locator("table.lesions").is_visible()
