import numpy as np
import pytest
from PIL import Image

from sanum.data.duplicates import fingerprint, joined, near_pairs
from sanum.data.pictures import find_pictures, load_pictures
from sanum.scan import ScanError
from sanum.scan.picture import picture_of

RNG = np.random.default_rng(0)


def save(path, pixels=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 255, (24, 20), dtype=np.uint8) if pixels is None else pixels
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folders(tmp_path):
    for name in ("b", "a/deep", "c"):
        save(tmp_path / "well" / f"{name}.png")
    save(tmp_path / "ill" / "a.png")
    (tmp_path / "well" / "notes.txt").write_text("no picture")
    (tmp_path / "well" / ".hidden.png").write_bytes(b"")
    return tmp_path / "well", tmp_path / "ill"


def test_two_folders_are_normals_and_abnormals_in_the_order_of_their_paths(folders):
    found = find_pictures(folders)
    assert [(e.id, e.label) for e in found] == [
        ("well/a/deep.png", 0),
        ("well/b.png", 0),
        ("well/c.png", 0),
        ("ill/a.png", 1),
    ]
    assert [e.id for e in find_pictures(folders[:1])] == ["a/deep.png", "b.png", "c.png"]


def test_a_table_with_labels_in_words_and_groups(folders):
    table = folders[0].parent / "list.csv"
    table.write_text(
        "path, label, group\nwell/b.png, Normal, p1\nill/a.png, bleeding, p2\nwell/c.png, normal, p1\n"
    )
    found = find_pictures([table])
    assert [(e.id, e.label, e.group) for e in found] == [
        ("ill/a.png", 1, "p2"),
        ("well/b.png", 0, "p1"),
        ("well/c.png", 0, "p1"),
    ]
    assert load_pictures(found).groups == ["p2", "p1", "p1"]


@pytest.mark.parametrize("divider", [",", ";", "\t"])
@pytest.mark.parametrize("numbers", ["01", ("0.0", "1.0")])
def test_tables_as_spreadsheets_write_them(tmp_path, divider, numbers):
    rows = [
        ("Path", "Label", "Group"),
        ("a, b.png", numbers[1], "p1"),
        ("b.png", numbers[0], ""),
        ("c.png", "", ""),
    ]
    quoted = "\r\n".join(divider.join(f'"{cell}"' for cell in row) for row in rows)
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbf" + quoted.encode())
    found = find_pictures([tmp_path / "list.csv"])
    assert [(e.id, e.label, e.group) for e in found] == [
        ("a, b.png", 1, "p1"),
        ("b.png", 0, ""),
        ("c.png", None, ""),
    ]
    assert found[0].at.path == tmp_path / "a, b.png"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name\nx.png\n", "has no column path"),
        ("path\n", "lists no pictures"),
        ("path,label\na.png,0\nb.png,2\n", "has the labels 0, 2: expected 0 and 1, or two words"),
        ("path,label\na.png,cat\nb.png,dog\n", "has the labels cat, dog: expected 0 and 1, or two words"),
        ("path,label\na.png,0\na.png,1\n", "lists a.png twice"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, told):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ScanError, match=told):
        find_pictures([tmp_path / "list.csv"])


def test_the_normal_word_can_be_named(tmp_path):
    (tmp_path / "list.csv").write_text("path,label\na.png,cat\nb.png,dog\n")
    assert [e.label for e in find_pictures([tmp_path / "list.csv"], normal="dog")] == [1, 0]


def test_folders_that_are_not_there_or_hold_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScanError, match=r"empty holds no pictures: expected \.png"):
        find_pictures([tmp_path / "empty"])
    with pytest.raises(ScanError, match="gone is not there: expected a folder of pictures"):
        find_pictures([tmp_path / "gone"])
    with pytest.raises(ScanError, match="is given twice"):
        find_pictures([tmp_path / "empty", tmp_path / "empty"])


def test_what_cannot_be_used_is_listed_and_the_rest_is_done(folders):
    (folders[0] / "broken.png").write_bytes(b"\x89PNG")
    (folders[0] / "zero.png").write_bytes(b"")
    save(folders[0] / "flat.png", np.full((9, 9), 7, np.uint8))
    found = load_pictures(find_pictures(folders))
    assert [e.id for e in found.entries] == ["well/a/deep.png", "well/b.png", "well/c.png", "ill/a.png"]
    assert [name for name, _ in found.failed] == ["well/broken.png", "well/flat.png", "well/zero.png"]
    assert found.failed[1][1] == "flat.png has one value everywhere: it shows nothing"
    assert found.labels.tolist() == [0, 0, 0, 1]


def test_near_duplicates_are_one_group_also_across_labels(folders):
    copy = np.asarray(Image.open(folders[0] / "b.png")).copy()
    save(folders[0] / "z.png", copy // 2)  # darker by half: the same, each in its own range
    save(folders[1] / "y.png", 20 + copy // 3)
    found = load_pictures(find_pictures(folders))
    groups = {e.id: e.group for e in found.entries}
    assert groups["well/z.png"] == groups["well/b.png"] == groups["ill/y.png"]
    assert len(set(groups.values())) == 4
    assert "have different labels: check them" in found.notes[0]
    alone = load_pictures(find_pictures(folders), near=None)
    assert len(set(alone.groups)) == 6


def test_pairs_are_those_below_the_limit_and_of_the_median():
    base = RNG.random((40, 1, 64, 64)).astype(np.float32)
    base[7] = base[3] + 0.05
    flat = base.reshape(40, -1).astype(np.float64)
    slow = [(a, b) for a in range(40) for b in range(a + 1, 40) if ((flat[a] - flat[b]) ** 2).mean() < 0.01]
    assert near_pairs(list(base)) == slow == [(3, 7)]
    alike = list(0.5 + 0.01 * base)  # all within the limit, and no nearer to each other than usual
    assert near_pairs(alike) == [(3, 7)]


def test_groups_join_through_others():
    assert joined(list("abcde"), [(0, 1), (3, 1)]) == ["a", "a", "c", "a", "e"]
    assert joined(["p", "q", "p"], []) == ["p", "q", "p"]


def test_slices_of_a_volume_are_one_group(tmp_path):
    import nibabel as nib

    voxels = np.random.default_rng(3).random((20, 20, 4)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "v.nii.gz")
    found = load_pictures(find_pictures([tmp_path]))
    assert [e.id for e in found.entries] == [f"v.nii.gz#{n}" for n in range(4)]
    assert set(found.groups) == {"v.nii.gz"}
    assert [e.at.frame for e in found.entries] == [0, 1, 2, 3]


def test_people_are_no_duplicates_for_a_few_slices_that_look_alike(tmp_path):
    """Two volumes with two of ten slices in common, and a copy under another name."""
    import nibabel as nib

    one, other = np.random.default_rng(4).random((2, 20, 20, 10)).astype(np.float32)
    other[..., :2] = one[..., :2]
    one[..., 9] = other[..., 9] = 0
    for name, voxels in (("a", one), ("b", other), ("c", one + 1e-3)):
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / f"{name}.nii.gz")
    found = load_pictures(find_pictures([tmp_path]))
    assert found.notes == ("3 slices have one value everywhere: left out",)
    whose = dict(zip((e.id.partition("#")[0] for e in found.entries), found.groups, strict=True))
    assert whose == {"a.nii.gz": "a.nii.gz", "b.nii.gz": "b.nii.gz", "c.nii.gz": "a.nii.gz"}
    assert ("a.nii.gz#4", "c.nii.gz#4") in found.duplicates


def test_a_fingerprint_does_not_see_size_or_brightness():
    pixels = np.add.outer(np.arange(80.0), np.arange(60.0) ** 1.2)[None]
    one, other = (fingerprint(picture_of(x)) for x in (pixels, 3 * pixels[:, ::2, ::2] + 7))
    assert one.shape == (1, 64, 64)
    assert np.square(one - other).mean() < 1e-3
