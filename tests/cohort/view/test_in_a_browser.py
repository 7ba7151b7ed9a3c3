"""`sanum view` in Chromium: next and previous, a verdict, and NiiVue in software, judged by its pixels."""

import threading

import numpy as np
import pytest
from PIL import Image

from sanum.cohort.verdicts import Verdict, read_verdicts
from sanum.cohort.view.server import ResultsServer
from sanum.scan import Scan, write

from ...browser import SOFTWARE_GL, launched

pytestmark = pytest.mark.full


@pytest.fixture
def served(tmp_path):
    """Two results with images: a ball, and an anomaly in it at the left."""
    place = np.stack(np.meshgrid(*[np.arange(32.0) - 15.5] * 3, indexing="ij"))
    ball = (np.linalg.norm(place, axis=0) < 13).astype(np.float32)
    left = (np.linalg.norm(place - np.reshape((-7, 0, 0), (3, 1, 1, 1)), axis=0) < 4).astype(np.float32)
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -62
    for name in ("one", "two"):
        write(Scan(ball, affine), tmp_path / f"{name}_desc-anatomy_T1w.nii.gz")
        write(Scan(left, affine), tmp_path / f"{name}_desc-anomaly_probseg.nii.gz")
        (tmp_path / f"{name}_report.html").write_text(
            f"<h1>report of {name}</h1>"
            "<script>document.body.append(`and its script: ${document.referrer}.`)</script>"
        )
    with ResultsServer(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_result_after_the_other_with_verdicts_and_at_full_resolution(served, tmp_path):
    with launched(*SOFTWARE_GL) as browser:
        page = browser.new_page(viewport={"width": 560, "height": 640})
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(served.address)
        page.get_by_role("link", name="one").click()
        report = page.frame_locator("iframe")
        report.get_by_text("report of one").wait_for()
        report.get_by_text("and its script: .").wait_for()  # it does not learn where verdicts are saved
        with page.expect_popup() as alone:
            page.get_by_role("link", name="the report by itself").click()
        alone.value.get_by_text("and its script: .").wait_for()
        page.get_by_role("link", name="the report by itself").evaluate("link => link.removeAttribute('rel')")
        with page.expect_popup() as alone:
            page.get_by_role("link", name="the report by itself").click()
        alone.value.get_by_text(f"and its script: http://{served.hosts[0]}/.").wait_for()  # and no more
        page.get_by_role("link", name="next").click()
        page.frame_locator("iframe").get_by_text("report of two").wait_for()
        page.get_by_label("fail").check()
        page.get_by_label("Note").fill("it\u3000moved\u200d <b>")
        page.get_by_role("button", name="Save").click()
        page.wait_for_load_state()
        assert page.get_by_label("fail").is_checked()
        page.get_by_role("button", name="Save").click()  # the note that it shows
        page.wait_for_load_state()
        assert read_verdicts(tmp_path / "qc.tsv") == {"two": Verdict("fail", "it\u3000moved\u200d <b>")}
        assert not any("niivue" in url for url in asked)  # only when somebody asks for it
        page.get_by_role("link", name="full resolution").click()
        page.get_by_text("Shown: ").wait_for(timeout=60_000)
        page.wait_for_timeout(500)
        shot = tmp_path / "shot.png"
        page.locator("#full").screenshot(path=shot)
        assert all(url.startswith((f"http://{served.hosts[0]}/", "blob:", "data:")) for url in asked)
    seen = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    axial = seen[seen.shape[0] // 2 :, : seen.shape[1] // 2]  # below and left of the others
    grey = (np.ptp(axial, axis=2) < 12) & (axial[..., 0] > 60)
    pink = (axial[..., 0] > 180) & (np.abs(axial[..., 1:] - 127) < 40).all(-1)
    assert grey.sum() > 5_000
    assert pink.sum() > 500
    assert np.nonzero(pink)[1].mean() > np.nonzero(grey)[1].mean() + 20  # the patient's left is on the right
