"""One table of outputs, which everything else follows."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from sanum.healthy.outputs import OUTPUTS, check_free, file_names
from sanum.healthy.result import Reconstruction
from sanum.methods.api import OutputSpec
from sanum.methods.common.saving import sidecar_of
from sanum.scan import ScanError, read


class TestFree:
    def test_a_folder_that_is_not_there_yet(self, tmp_path):
        check_free("scan", tmp_path / "a" / "b", overwrite=False)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", file_names("scan", maps="all").values())
    def test_any_output_that_exists(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(ScanError, match=f"{name} exists: pass --overwrite"):
            check_free("scan", tmp_path, overwrite=False)
        check_free("scan", tmp_path, overwrite=True)

    def test_what_is_not_ours_is_left_alone(self, tmp_path):
        for name in ("scan.nii.gz", "scan_desc-brain_T1w.nii.gz", "scan2_report.html", "run.json"):
            (tmp_path / name).touch()
        check_free("scan", tmp_path, overwrite=False)

    @pytest.mark.parametrize("place", ["file", "file/deeper"])
    def test_a_file_where_a_folder_should_be(self, tmp_path, place):
        (tmp_path / "file").touch()
        with pytest.raises(ScanError, match="file is not a folder; choose another folder"):
            check_free("scan", tmp_path / place, overwrite=True)

    def test_a_folder_where_a_file_should_be(self, tmp_path):
        (tmp_path / "scan_report.html").mkdir()
        with pytest.raises(ScanError, match="is a folder where a file should go"):
            check_free("scan", tmp_path, overwrite=True)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
    def test_no_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(ScanError, match="no permission"):
            check_free("scan", tmp_path / "out", overwrite=False)


README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_the_table():
    lines = [
        f"| `{name}` | `{file}` | {OUTPUTS[name].meaning} | {OUTPUTS[name].unit} |"
        for name, file in file_names("STEM").items()
    ]
    assert "\n".join(lines).replace("STEM", "<stem>") in README.read_text(encoding="utf-8")


def test_the_table_is_in_order_and_has_no_file_twice():
    names = [*OUTPUTS]
    assert names == [
        "anatomy",
        "anomaly",
        "anomaly_mask",
        "lesions",
        "lesion_columns",
        "uncertainty",
        "brain",
        "network",
        "residual",
        "report",
    ]
    assert all(spec.name == name for name, spec in OUTPUTS.items())
    assert len(set(file_names("scan", maps="all").values())) == len(OUTPUTS)


def test_a_sidecar_says_what_an_image_shows():
    assert sidecar_of(OUTPUTS["anatomy"]) == {
        "Description": "Predicted healthy anatomy, as T1w; not measured",
        "SkullStripped": True,
        "Units": "arbitrary (white matter is near 1)",
    }
    assert sidecar_of(OUTPUTS["brain"]) == {"Description": "Brain", "Type": "Brain"}


@dataclass(frozen=True, eq=False)
class WithThickness(Reconstruction):
    """A result with one more map."""

    @property
    def thickness(self):
        return self.brain.with_voxels(2.5 * self.brain.voxels.astype("f4"))


@pytest.fixture
def thickness():
    """One more line in the middle of the table."""
    before = dict(OUTPUTS)
    more = OutputSpec("thickness", "Thickness of the cortex", "thickness", "map", unit="mm")
    items = list(before.items())
    OUTPUTS.clear()
    OUTPUTS.update([*items[:2], ("thickness", more), *items[2:]])
    yield more
    OUTPUTS.clear()
    OUTPUTS.update(before)  # in its order


def test_one_more_output_shifts_nothing(small, tmp_path, monkeypatch, request):
    """It stands in the middle, and is written, named and described like the others."""
    monkeypatch.setattr(Reconstruction, "report", lambda _: "a page")
    small.save(tmp_path / "before", maps="all")
    request.getfixturevalue("thickness")
    result = WithThickness(**{f.name: getattr(small, f.name) for f in fields(small)})
    paths = result.save(tmp_path / "after", maps="all")
    assert [*result.outputs] == [*OUTPUTS]
    assert [p.name for p in paths] == [*file_names(small.name, maps="all").values()]
    for path in (tmp_path / "before").iterdir():
        assert (tmp_path / "after" / path.name).read_bytes() == path.read_bytes()
    thickness = tmp_path / "after" / "sub-1_acq-T2w_desc-thickness_map.nii.gz"
    assert read(thickness).voxels.max() == 2.5
    assert sidecar_of(result.outputs["thickness"].spec) == {
        "Description": "Thickness of the cortex",
        "Units": "mm",
    }
