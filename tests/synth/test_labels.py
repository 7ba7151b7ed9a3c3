import nibabel as nib
import numpy as np
import pytest

from sanum.synth.labels import DLMUSE, FREESURFER, SCHEMES, read_labels


def saved(path, labels, affine=None):
    nib.save(nib.Nifti1Image(labels, np.eye(4) if affine is None else affine), path)
    return path


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
class TestScheme:
    def test_no_label_has_two_meanings(self, scheme):
        kinds = [
            *map(set, scheme.groups),
            scheme.white,
            scheme.fluid,
            scheme.cortex,
            scheme.other,
            scheme.outside,
        ]
        assert sum(map(len, kinds)) == len(set().union(*kinds))
        assert 0 not in scheme.brain

    def test_sides_are_of_one_kind_and_each_label_has_one_other(self, scheme):
        sided = [n for pair in scheme.sides for n in pair]
        assert len(sided) == len(set(sided))
        assert set(sided) <= scheme.known
        pairs = np.array(scheme.sides, np.int16)
        np.testing.assert_array_equal(scheme.group_of(pairs[:, 0]), scheme.group_of(pairs[:, 1]))
        for kind in (scheme.white, scheme.fluid, scheme.cortex):
            assert all((right in kind) == (left in kind) for right, left in scheme.sides)

    def test_swapping_twice_is_nothing(self, scheme):
        labels = np.array(sorted(scheme.known), np.int16)
        assert (scheme.swapped(labels) != labels).sum() == 2 * len(scheme.sides)
        np.testing.assert_array_equal(scheme.swapped(scheme.swapped(labels)), labels)


def test_the_schemes_know_every_label_of_the_data(shared_data):
    tables = list((shared_data / "ixi").rglob("dseg.tsv"))
    numbers = {int(line.split()[0]) for line in tables[0].read_text().splitlines()[1:]}
    assert numbers <= DLMUSE.known
    names = dict(line.split()[:2] for line in tables[0].read_text().splitlines()[1:])
    for right, left in DLMUSE.sides:
        assert (names[str(right)][-2:], names[str(left)][-2:]) == ("_R", "_L")
        assert names[str(right)][:-2] == names[str(left)][:-2]
    for path in sorted((shared_data / "labels").glob("*.nii.gz"))[:2]:
        labels, affine = read_labels(path, FREESURFER)
        labels = labels[::2, ::2, ::2]  # for speed: the sign of x is the same
        for right, left in FREESURFER.sides:
            if (labels == right).sum() > 12 and (labels == left).sum() > 12:
                x = [(affine @ [*np.argwhere(labels == n).mean(0), 1])[0] for n in (right, left)]
                assert x[0] > x[1]  # RAS


BRAIN = np.repeat(np.array([0, 2, 3, 4, 515], np.int16), 40).reshape(5, 5, 8)


def test_read_on_canonical_axes(tmp_path):
    labels, affine = read_labels(
        saved(tmp_path / "a.nii.gz", BRAIN[::-1], np.diag([-1.0, 1, 1, 1])), FREESURFER
    )
    np.testing.assert_array_equal(labels, BRAIN)
    assert affine[0, 0] == 1


def test_unknown_labels_are_listed_or_go_to_their_neighbours(tmp_path):
    strange = BRAIN.copy()
    strange[1, 2, 3], strange[2, 2, 3] = 999, 777
    path = saved(tmp_path / "a.nii.gz", strange)
    with pytest.raises(ValueError, match=r"does not have: 777, 999; pass --ignore-unknown"):
        read_labels(path, FREESURFER)
    np.testing.assert_array_equal(read_labels(path, FREESURFER, ignore_unknown=True)[0], BRAIN)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (BRAIN + np.float32(0.5), "not integers"),
        (BRAIN * 0, "no white matter"),
        (np.where(BRAIN == 4, 0, BRAIN), "no fluid"),
        (np.where(BRAIN == 3, 0, BRAIN), "no cortex"),
    ],
)
def test_what_is_no_brain(tmp_path, labels, says):
    with pytest.raises(ValueError, match=says):
        read_labels(saved(tmp_path / "a.nii.gz", labels), FREESURFER)
