"""`sanum detect-findings`: from x-rays to COCO, tables, pictures and a page; DICOM shows the same as PNG."""

import json

import numpy as np
import pytest
from PIL import Image

from sanum.cli.main import main
from sanum.synth.chest_set import write_chests

QUICK = ("backbone=small", "size=32", "width=8", "batch_size=4", "validate_every=2", "loop.warmup=0")
SETTINGS = [word for value in QUICK for word in ("--set", value)]


@pytest.fixture
def sanum(monkeypatch, capfd):
    """Run a command; its exit code, what it printed and what it said."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["sanum", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return (left.value.code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("findings")
    write_chests(place / "data", 6, size=40)
    return place


@pytest.fixture
def weights(sanum, folder):
    """Weights of a training of two steps, by the command."""
    path = folder / "run" / "adpd.safetensors"
    if not path.exists():
        code, out, err = sanum(
            "train", "adpd", "--data", folder / "data", "-o", path.parent, "--steps", 2, *SETTINGS
        )
        assert (code, out) == (0, f"{path}\n"), err
    return path


def test_files_of_a_folder(sanum, folder, weights, tmp_path):
    words = ["detect-findings", folder / "data" / "images", "--weights", weights, "-o", tmp_path]
    code, out, err = sanum(*words, "--truth", folder / "data", "--top", 0)
    assert code == 0, err
    assert len(out.splitlines()) == 6
    file = json.loads((tmp_path / "findings.json").read_text())
    truth = json.loads((folder / "data" / "findings.json").read_text())
    assert [one["id"] for one in file["images"]] == [one["id"] for one in truth["images"]]
    assert file["categories"] == truth["categories"]
    for one in file["annotations"]:
        x, y, width, height = one["bbox"]
        assert 0 <= x <= x + width <= 40.01
        assert 0 <= y <= y + height <= 40.01
        assert 0.5 < one["score"] <= 1
        assert one["regions"]
    lines = (tmp_path / "metrics.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        "finding",
        "opacity",
        "effusion",
        "mass",
        "enlarged heart",
        "mean",
    ]
    with Image.open(tmp_path / "chest0000_boxes.png") as picture:
        assert picture.size == (512, 512)
    rows = (tmp_path / "findings.tsv").read_text().splitlines()
    assert rows[0].split("\t")[-6:] == ["boxes", *rows[0].split("\t")[-5:-1], "warnings"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg") == 6
    assert "How good the boxes are" in page
    assert "Research use only" in page
    code, out, err = sanum(*words, "--truth", folder / "data", "--top", 0)
    assert code == 0
    assert "written" in err


def test_dicom_whose_white_is_black_shows_the_same(sanum, folder, weights, tmp_path):
    """A MONOCHROME1 file of the inverted pixels has the findings of the PNG."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

    pixels = np.asarray(Image.open(folder / "data" / "images" / "chest0001.png"))
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = ComputedRadiographyImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
    header.Modality, header.PhotometricInterpretation = "CR", "MONOCHROME1"
    header.Rows, header.Columns = pixels.shape
    header.SamplesPerPixel, header.PixelRepresentation = 1, 0
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit = 7
    header.PixelData = (255 - pixels).tobytes()
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    (tmp_path / "x.png").symlink_to(folder / "data" / "images" / "chest0001.png")
    made = []
    for name in ("x.dcm", "x.png"):
        out = tmp_path / f"out-{name}"
        code, _, err = sanum("detect-findings", tmp_path / name, "--weights", weights, "-o", out, "--top", 0)
        assert code == 0, err
        made.append(json.loads((out / "x_boxes.json").read_text()))
    assert made[0]["findings"] == made[1]["findings"]
    assert made[0]["regions"] == made[1]["regions"]


def test_what_fails_is_told(sanum, folder, weights, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "in" / "good.png").symlink_to(folder / "data" / "images" / "chest0000.png")
    words = ["detect-findings", tmp_path / "in", "--weights", weights, "-o", tmp_path / "out"]
    code, _, err = sanum(*words, "--no-report")
    assert code == 1
    assert "bad.png is damaged or no image" in err
    assert "1 of 2 images failed" in err
    assert not (tmp_path / "out" / "report.html").exists()
    code, _, err = sanum(*words, "--truth", folder / "data")
    assert code == 2
    assert "the truth has no image in common with what was found" in err
    for option, value, told in (
        ("--weights", tmp_path / "none.safetensors", "none.safetensors"),
        ("--truth", tmp_path / "none.json", "there is no findings.json"),
    ):
        code, _, err = sanum(*words, option, value)
        assert code == 2
        assert told in err


def test_a_truth_of_folders_is_measured_without_another_search(sanum, folder, weights, tmp_path):
    file = json.loads((folder / "data" / "findings.json").read_text())
    for n, one in enumerate(file["images"][:2]):
        (tmp_path / "images" / f"p{n}").mkdir(parents=True)
        (tmp_path / "images" / f"p{n}" / "a.png").symlink_to(folder / "data" / "images" / one["file_name"])
        one["file_name"] = f"p{n}/a.png"
    file["images"] = file["images"][:2]
    file["annotations"] = [one for one in file["annotations"] if one["image_id"] < 3]
    (tmp_path / "findings.json").write_text(json.dumps(file))
    out = tmp_path / "out"
    words = ["detect-findings", tmp_path / "images", "--weights", weights, "-o", out]
    assert sanum(*words)[0] == 0
    seen = {path: path.stat().st_mtime_ns for path in out.rglob("*_boxes.*")}
    assert len(seen) == 4
    assert not (out / "metrics.tsv").exists()
    plain = (out / "report.html").read_text()
    code, _, err = sanum(*words, "--truth", tmp_path)
    assert code == 0, err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*_boxes.*")} == seen
    made = json.loads((out / "findings.json").read_text())
    assert [(i["id"], i["file_name"]) for i in made["images"]] == [(1, "p0/a.png"), (2, "p1/a.png")]
    assert (out / "metrics.tsv").exists()
    assert "White and dashed: true boxes" in (out / "report.html").read_text()
    assert "White and dashed: true boxes" not in plain
    code, _, err = sanum(*[*words[:1], tmp_path / "images" / "p0" / "a.png", *words[2:]], "--truth", tmp_path)
    assert code == 2
    assert "a.png may be p0/a.png, p1/a.png" in err


def test_what_cannot_be_measured_is_written(sanum, folder, weights, tmp_path):
    file = json.loads((folder / "data" / "findings.json").read_text())
    for one in file["images"]:
        one["width"] = one["height"] = 80
    (tmp_path / "findings.json").write_text(json.dumps(file))
    (tmp_path / "images").symlink_to(folder / "data" / "images")
    words = ["--weights", weights, "-o", tmp_path / "out", "--truth", tmp_path]
    code, _, err = sanum("detect-findings", folder / "data" / "images" / "chest0000.png", *words)
    assert code == 2
    assert "chest0000.png has another size in the truth" in err
    assert (tmp_path / "out" / "findings.json").exists()
    assert "White and dashed" not in (tmp_path / "out" / "report.html").read_text()


def test_data_that_cannot_be_trained_on(sanum, folder, tmp_path):
    file = json.loads((folder / "data" / "findings.json").read_text())
    for n, one in enumerate(file["images"]):
        one["split"] = ("train", "test")[n % 2]
    (tmp_path / "findings.json").write_text(json.dumps(file))
    (tmp_path / "images").symlink_to(folder / "data" / "images")
    code, _, err = sanum("train", "adpd-cam", "--data", tmp_path, "-o", tmp_path / "run", *SETTINGS)
    assert code == 2
    assert (
        "findings.json has one problem: patient made-up-0 is in test and train, patient made-up-1 is in"
        in err
    )
