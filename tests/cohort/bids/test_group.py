"""The subjects' pages, the cohort's page and its table, as `sanum bids` writes them."""

import base64
import csv
import hashlib
import re
import shutil
from urllib.parse import unquote

import numpy as np
import pytest

from sanum.cohort.bids import pages
from sanum.cohort.bids.group import judged, write_group
from sanum.cohort.bids.pages import write_subjects
from sanum.cohort.bids.participants import joined
from sanum.cohort.failures import STATE
from sanum.report.group import ScanRow
from sanum.scan import atomic_path, write

from ..stand_in import NOISE, nifti, raw, small_scan

SUBJECTS = [f"sub-{n:03d}" for n in range(1, 8)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for what `done` makes: it is kept, and always put in the same place, whose path pages keep."""
    return tmp_path_factory.mktemp("seven")


@pytest.fixture
def done(place, bids):
    """Seven subjects in the shape of IXI, done: the first healthy, the last with a far larger anomaly."""
    root, kept = place / "data", place / "kept"
    shutil.rmtree(root, ignore_errors=True)
    if not kept.exists():
        _seven_subjects(root, bids)
        shutil.copytree(root, kept, symlinks=True)
    else:
        shutil.copytree(kept, root, symlinks=True)
    return root


def _seven_subjects(root, bids):
    paths = [f"{subject}/anat/{subject}_T1w.nii.gz" for subject in SUBJECTS]
    raw(root, *paths)
    nifti(root / paths[0], NOISE // 2)
    nifti(root / paths[-1], np.full_like(NOISE, 900) - NOISE % 50)
    (root / "participants.tsv").write_text("participant_id\tage\tsex\nsub-002\t41.5\tF\nsub-099\t7\tM\n")
    assert bids(root, root / "derivatives" / "sanum", "participant", "-q")[0] == 0


@pytest.fixture
def group(done, bids):
    """Run `group`; its page, its table, and what it said."""
    out = done / "derivatives" / "sanum"

    def ran():
        code, told, said = bids(done, out, "group")
        assert code == 0
        assert told.split() == [str(out / "group.tsv"), str(out / "group.html")]
        with (out / "group.tsv").open(newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        return (out / "group.html").read_text(), rows, said

    return ran


def test_the_cohort_s_page_and_table(done, group, require_valid):
    out = done / "derivatives" / "sanum"
    page, rows, said = group()
    assert said.count("\n") == 2
    assert "Subjects without a line in participants.tsv: 6 (sub-001, sub-003, sub-004" in said
    assert "Lines of participants.tsv that match no subject, or several: 1 (sub-099)" in said
    assert [row["participant_id"] for row in rows] == SUBJECTS
    assert [row["age"] for row in rows] == ["n/a", "41.5", *["n/a"] * 5]
    assert float(rows[0]["anomaly_ml"]) == 0
    assert "anomaly_ml" in rows[-1]["outlier"]
    assert "default-src 'none'" in page
    assert not re.search(r"<script[^>]|https?://|<link|@import", page)
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in page  # no other may run
    assert "sub-" not in script
    assert page.count("data:image/jpeg") == page.count('loading="lazy"') == 7
    assert re.search("outlier: [^<]*anomaly", page)
    assert "Not judged" not in page
    for link in re.findall(r'href="([^"]+)"', page):
        assert (out / unquote(link)).is_file(), link
    subject = (out / "sub-003.html").read_text()
    assert subject.count("data:image/jpeg") == 1
    assert all((out / unquote(x)).is_file() for x in re.findall(r'href="([^"]+)"', subject))
    require_valid(out)


class TestOutliers:
    def rows(self, volumes, contrast="T1w", uncertainty=0.05):
        numbers = [
            {"brain_ml": 1200 + n, "anomaly_ml": ml, "mean_uncertainty": uncertainty}
            for n, ml in enumerate(volumes)
        ]
        return [ScanRow("", "", "", "", contrast, told, b"") for told in numbers]

    def apart(self, volumes):
        return [n for n, row in enumerate(judged(self.rows(volumes))[0]) if row.outlier]

    def test_a_large_anomaly_in_a_healthy_cohort_stands_apart_and_a_trifle_does_not(self):
        assert self.apart([0.0] * 199 + [180.0]) == [199]
        assert self.apart([0.0] * 6 + [180.0]) == [6]
        assert self.apart([0.0] * 199 + [0.1]) == []
        assert self.apart([0.0] * 199 + [1.0]) == []
        assert self.apart([0.0] * 199 + [1.1]) == [199]

    def test_what_is_not_judged_is_told(self):
        rows = [*self.rows([1, 2, 3, 4, 5]), *self.rows([1, 2], "FLAIR"), *self.rows([7] * 5, None, np.nan)]
        told, unjudged = judged(rows)
        assert not any(row.outlier for row in told)
        assert unjudged == [
            "Brain of FLAIR",
            "Anomaly of FLAIR",
            "Mean uncertainty of FLAIR",
            "Mean uncertainty of unknown contrast",
        ]

    def test_the_page_tells_it_too(self, tmp_path, bids):
        root = raw(tmp_path / "data", "sub-1/anat/sub-1_T1w.nii.gz")
        assert [bids(root, tmp_path / "out", level, "-q")[0] for level in ("participant", "group")] == [0, 0]
        page = (tmp_path / "out" / "group.html").read_text()
        assert "Not judged, for want of scans: Brain of T1w, Anomaly of T1w" in page
        assert "where more than half of the values are the same" in page


class TestParticipants:
    @pytest.mark.parametrize(
        ("content", "ages", "note"),
        [
            (b"Participant_ID\tage\nsub-002\t41\n", "41", ""),
            (b"participant_id\tage\n002\t41\n", "41", ""),
            ("age\tparticipant_id\r\n41\tsub-002\r\n".encode("utf-8-sig"), "41", ""),
            ("participant_id\tage\nsub-002\t41 ± 1\n".encode("latin-1"), "41 ± 1", "read as Latin-1"),
            ("participant_id\tage\nsub-002\t41 ± 1\n".encode("utf-16"), "41 ± 1", ""),
            (b"participant_id\tage\nsub-99\t41\n", None, "has no line of any subject here"),
            (b"subject\tage\nsub-002\t41\n", None, "has no column participant_id, and is left out"),
            (b"", None, "has no column participant_id, and is left out"),
            (b"participant_id\tage\nsub-002\t" + b"9" * 200_000, None, "cannot be read, and is left out"),
        ],
        ids=["case", "no prefix", "mark", "Latin-1", "UTF-16", "others", "no key", "empty", "too long"],
    )
    def test_the_table_is_joined_or_a_note_says_why_not(self, done, group, content, ages, note):
        (done / "participants.tsv").write_bytes(content)
        page, rows, said = group()
        assert rows[1].get("age") == ages
        assert len(rows) == 7
        assert note in said
        assert note in page
        assert said.count("\n") == bool(note) + bool(ages)  # the others have no line

    @pytest.mark.parametrize("zeros", ["", ".0"])
    def test_leading_zeros_that_a_spreadsheet_took_are_put_back(self, done, group, zeros):
        lines = "".join(f"{n}{zeros}\t{20 + n}\r\n" for n in (*range(1, 8), 2))
        (done / "participants.tsv").write_bytes(f"\ufeffparticipant_id\tage\r\n{lines}".encode())
        page, rows, said = group()
        assert [row["age"] for row in rows] == [str(20 + n) for n in range(1, 8)]
        for text in (page, said):
            assert f"lost leading zeros: 7 lines were matched (1{zeros} for sub-001, 2{zeros} for" in text
            assert f"several lines of sub-2{zeros}: the last counts" in text
            assert "without a line" not in text

    def test_a_number_that_several_subjects_have_is_nobody_s(self):
        table = {
            "sub-1": {"age": "41"},
            "sub-02": {"age": "7"},
            "sub-2.0": {"age": "8"},
            "sub-x": {"age": "9"},
        }
        found, notes = joined(table, ["sub-01", "sub-02", "sub-x"], ["sub-001", "sub-02"])
        assert (found["sub-02"], found["sub-x"]) == ({"age": "7"}, {"age": "9"})
        assert not found.keys() & {"sub-01", "sub-001"}
        assert notes == [
            "Subjects without a line in participants.tsv: 1 (sub-01).",
            "Lines of participants.tsv that match no subject, or several: 2 (sub-1, sub-2.0).",
        ]

    def test_names_that_we_have_get_a_prefix(self, done, group):
        """In any case: on the page they could not be told apart."""
        head = "participant_id\tbrain_ml\tContrast\tage\toutlier\tparticipants_outlier"
        (done / "participants.tsv").write_text(f"{head}\nsub-002\t1\tno\t41\tyes\tmaybe\n")
        page, rows, said = group()
        assert len(rows[1]) == len(set(map(str.casefold, rows[1]))) == 13
        told = {name: rows[1][f"participants_{name}"] for name in ("brain_ml", "Contrast", "outlier")}
        assert told == {"brain_ml": "1", "Contrast": "no", "outlier": "yes"}
        assert rows[1]["participants_participants_outlier"] == "maybe"
        assert float(rows[1]["brain_ml"]) > 1000
        assert "brain_ml as participants_brain_ml" in said
        assert "brain_ml as participants_brain_ml" in page


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def scrambled(path):
    content = bytearray(path.read_bytes())
    content[20:60] = bytes(40)
    path.write_bytes(content)


def on_another_grid(path):
    nifti(path, np.ones((3, 3, 3), np.float32))


@pytest.mark.parametrize("damage", [truncated, scrambled, on_another_grid, lambda path: path.unlink()])
def test_a_result_that_cannot_be_read_is_shown_without_its_picture(done, bids, group, damage):
    out = done / "derivatives" / "sanum"
    image = out / "sub-003/anat/sub-003_acq-T1w_desc-anomaly_probseg.nii.gz"
    whole = image.read_bytes()
    (out / "sub-003.html").unlink()  # made before the damage
    damage(image)
    page, rows, said = group()
    assert page.count("data:image/jpeg") == 6
    assert len(rows) == 7
    assert rows[2]["brain_ml"] != "n/a"
    assert "sub-003_acq-T1w" in rows[2]["warnings"]
    for told in (page, said, (out / "sub-003.html").read_text()):
        assert re.search("sub-003_acq-T1w.* is not shown: delete it, and run sanum bids", told)
    image.write_bytes(whole)
    page, _, said = group()
    assert page.count("data:image/jpeg") == 7
    assert "shown" not in said


def test_a_run_tells_of_what_it_cannot_show(done, bids):
    out = done / "derivatives" / "sanum"
    truncated(next((out / "sub-003").rglob("*_mask.nii.gz")))
    (out / "sub-003.html").unlink()
    code, _, said = bids(done, out, "participant", "-q")
    assert (code, said.count("\n"), said.count(" is not shown: ")) == (0, 1, 1)


def test_a_page_that_cannot_be_written_does_not_end_the_others(done, bids):
    out = done / "derivatives" / "sanum"
    for subject in ("sub-001", "sub-003"):
        (out / f"{subject}.html").unlink()
    (out / "sub-001.html").mkdir()
    code, _, said = bids(done, out, "participant", "-q")
    assert code == 1
    assert "sub-001.html is a folder" in said
    assert (out / "sub-003.html").is_file()


def test_pictures_are_drawn_once(done, group, monkeypatch):
    """The cohort's page takes those that the subjects' pages keep."""
    monkeypatch.setattr(pages, "thumbnail", None)
    page, _, said = group()
    assert page.count("data:image/jpeg") == 7
    assert "shown" not in said


def test_a_page_is_made_again_when_its_results_are(done, bids):
    out = done / "derivatives" / "sanum"
    assert write_subjects(out) == []
    before = (out / "sub-002.html").read_text()
    write(small_scan(99), done / "sub-002/anat/sub-002_T1w.nii.gz", overwrite=True)
    assert bids(done, out, "participant", "-q")[0] == 0
    after = (out / "sub-002.html").read_text()
    assert after != before
    (out / "sub-002.html").write_text(before)  # newer than the results, and not true
    assert write_subjects(out) == [out / "sub-002.html"]
    assert (out / "sub-002.html").read_text() == after
    (done / "sub-002/anat/sub-002_T1w.nii.gz").unlink()
    assert write_subjects(out) == [out / "sub-002.html"]
    assert "the scan itself is not where it was" in (out / "sub-002.html").read_text()


@pytest.fixture
def two_scans(tmp_path):
    return raw(tmp_path / "in", "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_T2w.nii.gz")


def test_a_page_shows_what_another_run_did_while_it_was_drawn(two_scans, tmp_path, bids, monkeypatch):
    """Both runs find their own scan done; the slower one must not leave a page without the other's."""
    out, draw, inside = tmp_path / "out", pages._draw, []
    (tmp_path / "filter.json").write_text('{"t2w": {}}')

    def slow(*words):
        drawn = draw(*words)
        if not inside:
            inside.append(True)
            filtered = ("--bids-filter-file", tmp_path / "filter.json")
            assert bids(two_scans, out, "participant", "-q", *filtered)[0] == 0
            assert (out / "sub-1.html").read_text().count("data:image/jpeg") == 2
        return drawn

    (tmp_path / "first.json").write_text('{"t1w": {}}')
    monkeypatch.setattr(pages, "_draw", slow)
    first = ("--bids-filter-file", tmp_path / "first.json")
    assert bids(two_scans, out, "participant", "-q", *first)[0] == 0
    page = (out / "sub-1.html").read_text()
    assert page.count("data:image/jpeg") == 2
    assert "sub-1_acq-T1w" in page
    assert "sub-1_acq-T2w" in page
    monkeypatch.setattr(pages, "_draw", None)
    assert write_subjects(out) == []


def test_files_of_all_scans_are_written_alone_and_what_was_left_goes(done, bids, monkeypatch):
    """Whoever has the lock removes temporaries: while one lives, its maker must have it."""
    out, written = done / "derivatives" / "sanum", []

    def watched(path, **how):
        assert (out / STATE / "tables.lock").exists()
        written.append(path.name)
        return atomic_path(path, **how)

    for module in ("bids.pages", "bids.group", "bids.derivative", "tables"):
        monkeypatch.setattr(f"sanum.cohort.{module}.atomic_path", watched)
    left = [out / f".sanum-0123456789ab{suffix}" for suffix in ("", ".html", ".tsv", ".json")]
    for path in left:
        path.touch()
    (out / ".sanum-scan.part").mkdir()
    for name in ("dataset_description.json", "sub-001.html"):
        (out / name).unlink()
    assert bids(done, out, "participant", "-q")[0] == 0
    write_group(done, out)
    assert {"dataset_description.json", "sub-001.html", "group.tsv", "group.html"} <= set(written)
    assert {path.name for path in out.glob(".sanum*")} == {".sanum-scan.part"}
