"""An archive takes all objects into the study of the source, and shows them where they lie."""

import io
import json
import shutil
import socket
import subprocess
import time
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pydicom
import pytest
from PIL import Image

pytestmark = pytest.mark.full
PLACES = ("/usr/sbin/Orthanc", "Orthanc")


class Archive:
    """An Orthanc of this test."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path, data=None, kind="application/json"):
        with urlopen(Request(self.address + path, data, {"Accept": kind}), timeout=30) as answer:
            return answer.read()

    def get(self, path):
        return json.loads(self.ask(path))

    def picture(self, path):
        with Image.open(io.BytesIO(self.ask(path, kind="image/png"))) as image:
            return np.asarray(image.convert("L"))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def archive(tmp_path):
    program = next(filter(None, map(shutil.which, PLACES)), None)
    if program is None:
        pytest.skip("Orthanc is not installed: apt install orthanc")
    http, settings = free_port(), tmp_path / "orthanc.json"
    folder = str(tmp_path / "archive")
    settings.write_text(
        json.dumps(
            {
                **{"StorageDirectory": folder, "IndexDirectory": folder, "Plugins": []},
                **{"HttpPort": http, "DicomServerEnabled": False, "AuthenticationEnabled": False},
            }
        )
    )
    process = subprocess.Popen([program, settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    one = Archive(http)
    try:
        for _ in range(300):
            try:
                one.get("/system")
                break
            except (URLError, ConnectionError):
                assert process.poll() is None
                time.sleep(0.2)
        yield one
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_all_objects_are_of_one_study_and_a_left_lesion_stays_left(archive, made):
    one = made("axial")
    for path in (*one.paths.values(), *one.source.iterdir()):
        archive.ask("/instances", path.read_bytes())
    assert len(archive.get("/studies")) == 1
    series = {
        got["MainDicomTags"].get("SeriesDescription", ""): got["Instances"]
        for got in map(archive.get, (f"/series/{name}" for name in archive.get("/series")))
    }
    assert len(series) == 7
    pixels = pydicom.dcmread(one.paths["sanum-anomaly.dcm"]).pixel_array > 0
    frame = int(pixels.sum((1, 2)).argmax())
    (segmented,) = next(found for words, found in series.items() if "anomaly mask" in words)
    shown = archive.picture(f"/instances/{segmented}/frames/{frame}/preview") > 127
    np.testing.assert_array_equal(shown, pixels[frame])
    assert np.argwhere(shown)[:, 1].mean() > shown.shape[1] / 2
    images = next(found for words, found in series.items() if "healthy T1w" in words)
    numbers = {int(archive.get(f"/instances/{i}")["MainDicomTags"]["InstanceNumber"]): i for i in images}
    grey = archive.picture(f"/instances/{numbers[frame + 1]}/preview").astype(float)
    expected = np.asarray(one.result.anatomy.voxels)[..., frame].T
    assert np.corrcoef(grey.ravel(), expected.ravel())[0, 1] > 0.999
