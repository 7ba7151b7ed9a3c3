"""Saving any result: by its outputs alone, all whole or none."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from sanum.methods.api import LateOutput, Output, OutputSpec
from sanum.methods.common.saving import FolderContent, file_names, record_name, save_result
from sanum.scan import Scan, ScanError, read
from sanum.scan.write import settle


def spec(name, extension):
    return OutputSpec(name, f"A {name}", None, name, extension)


@dataclass(frozen=True)
class Toy:
    """A result of another job: a map, a page, a picture and a table."""

    outputs: dict[str, Output]
    name: str = "scan"
    numbers: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def toy():
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    contents = {
        "map": (".nii.gz", Scan(voxels, np.eye(4))),
        "page": (".html", "Größe"),
        "picture": (".png", b"\x89PNG"),
        "table": (".json", {"a": [1, 2]}),
    }
    return Toy({name: Output(spec(name, ending), content) for name, (ending, content) in contents.items()})


def test_every_kind_of_content_is_written_as_what_it_is(toy, tmp_path):
    paths = save_result(toy, tmp_path / "out", record={"made": "now"}, beside={"note.txt": "beside"})
    names = ["scan_map.nii.gz", "scan_page.html", "scan_picture.png", "scan_table.json"]
    assert [p.name for p in paths] == [*names, "note.txt", record_name("scan")]
    assert sorted(paths) == sorted((tmp_path / "out").iterdir())
    np.testing.assert_array_equal(read(paths[0]).voxels, toy.outputs["map"].content.voxels)
    assert paths[1].read_text(encoding="utf-8") == "Größe"
    assert paths[2].read_bytes() == b"\x89PNG"
    assert json.loads(paths[3].read_text()) == {"a": [1, 2]}
    assert json.loads(paths[-1].read_text()) == {"made": "now"}


def test_what_is_left_out_is_not_made(toy, tmp_path):
    late = LateOutput(spec("page", ".html"), lambda: 1 / 0)
    with_late = Toy({**toy.outputs, "page": late})
    assert len(save_result(with_late, tmp_path, without=["page"])) == 3
    with pytest.raises(ZeroDivisionError):
        save_result(with_late, tmp_path, overwrite=True)
    assert len([*tmp_path.iterdir()]) == 3


def test_nothing_is_replaced_unasked(toy, tmp_path):
    save_result(toy, tmp_path)
    with pytest.raises(ScanError, match="exists: pass --overwrite"):
        save_result(toy, tmp_path)
    specs = {name: output.spec for name, output in toy.outputs.items()}
    assert len(save_result(toy, tmp_path, overwrite=True)) == len(file_names("scan", specs)) == 4


@pytest.mark.parametrize("content", [np.zeros(3), None, {"a": np.zeros(3)}])
def test_content_that_cannot_be_written_is_named(toy, tmp_path, content):
    bad = Toy({**toy.outputs, "twice": Output(spec("twice", ".nii.gz"), content)})
    kind = "None" if content is None else type(content).__name__
    with pytest.raises(ScanError, match=f"output twice: expected a Scan, text, bytes or JSON, got {kind}"):
        save_result(bad, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_no_two_files_have_one_name():
    one = spec("map", ".nii.gz")
    with pytest.raises(ValueError, match="output b and output a have the same file name, scan_map"):
        file_names("scan", {"a": one, "b": one})
    with pytest.raises(ValueError, match="output c and the record have the same file name"):
        file_names("scan", {"c": spec("record", ".json")})


class TestFolder:
    """An output that is a folder of files."""

    def result(self, *names):
        def write(folder):
            for name in names:
                (folder / name).write_text(name)

        return Toy({"all": Output(OutputSpec("all", "All", None, "all", ""), FolderContent(write))})

    def test_it_is_replaced_as_a_whole(self, tmp_path):
        save_result(self.result("sanum-1", "sanum-2"), tmp_path, record={})
        save_result(self.result("sanum-3"), tmp_path, record={}, overwrite=True)
        assert [p.name for p in (tmp_path / "scan_all").iterdir()] == ["sanum-3"]
        with pytest.raises(ScanError, match="scan_all exists: pass --overwrite"):
            save_result(self.result("sanum-1"), tmp_path)

    @pytest.mark.parametrize("name", ["notes.txt", "sanum-1/letter", ""])
    def test_a_folder_of_other_things_is_left_alone(self, tmp_path, name):
        there = tmp_path / "scan_all" / name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text("precious") if name else there.mkdir(exist_ok=True)
        with pytest.raises(ScanError, match="scan_all is a folder where a file should go: move it away"):
            save_result(self.result("sanum-1"), tmp_path, overwrite=True)
        assert [p.name for p in tmp_path.iterdir()] == ["scan_all"]
        assert not name or there.read_text() == "precious"

    def test_what_a_killed_run_left_is_put_in_its_place(self, tmp_path):
        ready = tmp_path / ".sanum-scan.ready" / "scan_all"
        ready.mkdir(parents=True)
        (ready / "sanum-2").write_text("new")
        (tmp_path / "scan_all").mkdir()
        (tmp_path / "scan_all" / "sanum-1").write_text("old")
        settle(tmp_path, "scan", last="scan_record.json")
        assert [p.name for p in (tmp_path / "scan_all").iterdir()] == ["sanum-2"]
        assert [p.name for p in tmp_path.iterdir()] == ["scan_all"]

    def test_what_file_managers_leave_does_not_make_it_somebody_elses(self, tmp_path):
        save_result(self.result("sanum-1"), tmp_path, record={})
        for name in (".DS_Store", "._sanum-1", "Thumbs.db", "DICOMDIR"):
            (tmp_path / "scan_all" / name).write_text("")
        save_result(self.result("sanum-2"), tmp_path, record={}, overwrite=True)
        assert [p.name for p in (tmp_path / "scan_all").iterdir()] == ["sanum-2"]

    @pytest.mark.parametrize("kept", [[], ["notes.txt"]])
    def test_it_goes_with_a_result_that_has_none(self, toy, tmp_path, kept):
        """As of a run with --dicom, then one without: nothing may tell of the earlier result."""
        record = {"outputs": {"all": "scan_all", "x": "..", "y": "../mine", "z": "mine"}}
        save_result(self.result("sanum-1"), tmp_path / "out", record=record)
        for mine in (tmp_path / "mine", tmp_path / "out" / "mine"):
            mine.mkdir()
            (mine / "letter").write_text("precious")
        for name in kept:
            (tmp_path / "out" / "scan_all" / name).write_text("precious")
        save_result(toy, tmp_path / "out", overwrite=True, record={})
        assert left(tmp_path / "out" / "scan_all") == kept
        assert left(tmp_path / "mine") == left(tmp_path / "out" / "mine") == ["letter"]


def left(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
