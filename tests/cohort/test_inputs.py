"""Which scans are done, and where their results go."""

from pathlib import Path

import pytest

from sanum.cohort import Item, expand, names_of, names_one, shard_of, slurm_shard
from sanum.cohort.tsv import to_cell
from sanum.scan import ScanError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def dicom(folder, count=2):
    folder.mkdir(parents=True)
    for n in range(count):
        (folder / f"IM{n}").write_bytes(b"\0" * 128 + b"DICM")


def places(items, root):
    return [(item.path.relative_to(root).as_posix(), item.place.as_posix()) for item in items]


def test_files_go_into_the_output_folder_itself(tmp_path):
    paths = [tmp_path / "b" / "one.nii", tmp_path / "a" / "two.mgz", tmp_path / "gone.nii"]
    assert expand(paths, tmp_path / "out") == [Item(path) for path in paths]


def test_files_whose_names_clash_keep_their_folders(tmp_path):
    paths = [tmp_path / "a" / "scan.nii", tmp_path / "b" / "c" / "scan.mgz", tmp_path / "other.nii"]
    items = expand(paths, tmp_path / "out")
    assert [item.place for item in items] == [Path("a"), Path("b/c"), Path()]


def test_scans_whose_results_would_clash_are_not_done_and_others_are(tmp_path):
    names = ["scan.nii", "scan.mgz", "scan.nii.gz", "other.nii"]
    touch(tmp_path, *names)
    paths = [tmp_path / name for name in (*names, "scan.mha")]  # the last one is gone
    items = expand(paths, tmp_path / "out")
    assert [item.path for item in items] == paths
    assert [bool(item.problem) for item in items] == [True, True, True, False, False]
    assert items[0].problem == (
        f"{paths[0]} and {paths[1]} would give outputs of the same name; run them into different folders"
    )


def test_a_scan_that_is_named_twice_is_done_once(tmp_path, monkeypatch):
    touch(tmp_path, "in/a.nii")
    monkeypatch.chdir(tmp_path)
    given = [Path("in/a.nii"), tmp_path / "in" / "a.nii", Path("in")]
    assert [item.path.name for item in expand(given, tmp_path / "out")] == ["a.nii"]


def test_a_folder_is_searched_and_mirrored(tmp_path):
    touch(
        tmp_path,
        "b/x.nii.gz",
        "b/notes.txt",
        "b/x_mask.nii.gz",
        "b/x_dseg.mgz",
        "a/z/y.NRRD",
        ".hidden/x.nii",
        "top.mha",
        "out/earlier.nii",
        "made/x_desc-anatomy_T1w.nii.gz",
        "made/x_desc-anomaly_probseg.nii.gz",
    )
    dicom(tmp_path / "c" / "series")
    assert places(expand([tmp_path], tmp_path / "out"), tmp_path) == [
        ("top.mha", "."),
        ("a/z/y.NRRD", "a/z"),
        ("b/x.nii.gz", "b"),
        ("c/series", "c"),
    ]


def test_a_bids_folder_gives_its_anatomical_scans(tmp_path):
    touch(
        tmp_path,
        "dataset_description.json",
        "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz",
        "sub-1/ses-2/anat/sub-1_ses-2_T1w.nii.gz",
        "sub-1/ses-2/func/sub-1_ses-2_task-rest_bold.nii.gz",
        "derivatives/tool/sub-1/anat/sub-1_desc-x_T1w.nii.gz",
        "sub-2/anat/sub-2_FLAIR.nii.gz",
    )
    assert [place for _, place in places(expand([tmp_path], tmp_path / "out"), tmp_path)] == [
        "sub-1/ses-1/anat",
        "sub-1/ses-2/anat",
        "sub-2/anat",
    ]


def test_a_folder_with_dicom_files_is_one_scan(tmp_path):
    dicom(tmp_path / "series")
    touch(tmp_path / "series", "more/x.nii")
    assert expand([tmp_path / "series"], tmp_path / "out") == [Item(tmp_path / "series")]


def test_a_folder_without_scans_is_refused(tmp_path):
    touch(tmp_path, "in/x_mask.nii.gz", "in/deep/notes.txt")
    with pytest.raises(ScanError, match="in holds no scans: expected"):
        expand([tmp_path / "in"], tmp_path / "out")


def test_a_folder_without_scans_among_others_is_one_that_fails(tmp_path):
    touch(tmp_path, "a/x.nii", "b/notes.txt")
    good, bad = expand([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert good == Item(tmp_path / "a" / "x.nii")
    assert bad.path == tmp_path / "b"
    assert f"{tmp_path / 'b'} holds no scans" in bad.problem
    [bad] = expand([Path("-")], tmp_path / "out", bytes(tmp_path / "b"))
    assert "holds no scans" in bad.problem


def test_a_folder_that_cannot_be_listed_is_one_that_fails(tmp_path, forbid):
    touch(tmp_path, "a/x.nii", "b/c/x.nii", "lost+found/x.nii")
    forbid(tmp_path / "b" / "c")
    good, bad = expand([tmp_path], tmp_path / "out")
    assert good == Item(tmp_path / "a" / "x.nii", Path("a"))
    assert (bad.path, bad.place) == (tmp_path / "b" / "c", Path("b/c"))
    assert bad.problem == f"{bad.path} cannot be listed: Permission denied; check its permissions"
    with pytest.raises(ScanError, match="cannot be listed"):
        expand([tmp_path / "b" / "c"], tmp_path / "out")


def test_a_path_that_is_longer_than_paths_can_be_is_only_one_that_fails(tmp_path):
    long = "x" * 5000
    assert len(expand([Path("-")], tmp_path / "out", f"a.nii\n{long}.nii\n{long}\n".encode())) == 3


def test_a_list_says_where_results_go(tmp_path):
    touch(tmp_path, "data/a.nii", "data/more/deep/b.nii")
    rows = ["data/a.nii\tsub-1/anat", "data/more\tsub-2", "c.nii\t."]
    (tmp_path / "list.tsv").write_text("\n".join(["path\tresults_folder", *rows]))
    assert places(expand([tmp_path / "list.tsv"], tmp_path / "out"), tmp_path) == [
        ("data/a.nii", "sub-1/anat"),
        ("data/more/deep/b.nii", "sub-2/deep"),
        ("c.nii", "."),
    ]


@pytest.mark.parametrize("folder", ["/tmp", "../x", "a/../../x", ".sanum", "a\\tb"])
def test_results_of_a_list_stay_inside_the_output_folder(tmp_path, folder):
    (tmp_path / "list.tsv").write_text(f"path\tresults_folder\na.nii\t{folder}\nb.nii\tb\n")
    bad, good = expand([tmp_path / "list.tsv"], tmp_path / "out")
    assert bad.problem.endswith("as results_folder: expected one inside the output folder")
    assert bad.place == Path(folder.encode().decode("unicode_escape"))  # so failed.tsv tells it as it was
    assert good == Item(tmp_path / "b.nii", Path("b"))


def test_names_of_scans_tell_them_apart():
    paths = [Path("in/1/orig.mgz"), Path("in/2/orig.mgz"), Path("in/3/x.nii")]
    items = [Item(path, Path(path.parent.name)) for path in paths]
    assert list(names_of(items).values()) == ["1/orig.mgz", "2/orig.mgz", "x.nii"]


def test_the_folder_that_one_is_in_has_a_name(tmp_path, monkeypatch):
    dicom(tmp_path / "series")
    monkeypatch.chdir(tmp_path / "series")
    items = expand([Path(".")], tmp_path / "out")
    assert items == [Item(tmp_path / "series")]
    assert names_one([Path(".")], items)


def test_one_scan_is_one_that_was_given_itself(tmp_path):
    dicom(tmp_path / "series")
    touch(tmp_path, "in/a.nii")
    (tmp_path / "list.tsv").write_text("in/a.nii\n")
    for name in ("in/a.nii", "gone.nii", "series", "in", "list.tsv"):
        given = [tmp_path / name]
        assert names_one(given, expand(given, tmp_path / "out")) is (name not in ("in", "list.tsv"))
    given = [tmp_path / "in/a.nii"] * 2
    assert not names_one(given, expand(given, tmp_path / "out"))


HOSTILE = "tab\t line\n back\\slash é \udcff"


@pytest.mark.parametrize("header", ["id\tpath\n", ""])
def test_a_list_of_paths(tmp_path, header):
    rows = ["a.nii", f"/data/{to_cell(HOSTILE)}.nii", "b/c.mgz"]
    lines = [f"7\t{row}\n" for row in rows] if header else [f"{row}\t7\n" for row in rows]
    text = f"\ufeff{header}{lines[0]}\n{lines[1]}{lines[2]}"
    (tmp_path / "list.tsv").write_bytes(text.replace("\n", "\r\n").encode())
    items = expand([tmp_path / "list.tsv"], tmp_path / "out")
    assert [item.path for item in items] == [
        tmp_path / "a.nii",
        Path(f"/data/{HOSTILE}.nii"),
        tmp_path / "b" / "c.mgz",
    ]


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ScanError, match=r"list\.tsv cannot be read"):
        expand([tmp_path / "list.tsv"], tmp_path / "out")


def test_a_list_without_paths_is_refused(tmp_path):
    with pytest.raises(ScanError, match="nothing to do"):
        expand([Path("-")], tmp_path / "out", b"\n")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_paths_on_standard_input(tmp_path, end):
    named = [b"/d/a.nii", b"/d/\xff b.nii"]
    items = expand([Path("-")], tmp_path / "out", end.join([*named, b""]))
    assert [bytes(item.path) for item in items] == named


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_shards_share_everything_evenly(count):
    items = [Item(Path(f"{n}.nii")) for n in range(11)]
    parts = [shard_of(items, i, count) for i in range(1, count + 1)]
    assert sorted((item for part in parts for item in part), key=items.index) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def slurm(task, first, last, count):
    names = ("ID", "MIN", "MAX", "COUNT")
    values = zip(names, (task, first, last, count), strict=True)
    return slurm_shard({f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values})


def test_slurm_arrays():
    assert slurm_shard({}) is None
    assert slurm(5, 5, 5, 1) == (1, 1)
    assert [slurm(k, 0, 3, 4) for k in range(4)] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [slurm(k, 10, 20, 3) for k in (10, 15, 20)] == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(ValueError, match="gaps"):
        slurm(3, 1, 8, 3)
    with pytest.raises(ValueError, match="not set as expected"):
        slurm_shard({"SLURM_ARRAY_TASK_ID": "3"})
