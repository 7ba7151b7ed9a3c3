"""Tables of lesions and outcomes: what is read, and what is refused in one sentence."""

import numpy as np
import pytest

from sanum.data.lesion_graphs import PLACES, PatientLesions, read_lesions, read_patients, read_table
from sanum.healthy.lesions import LesionRow, table_of

TABLE = """participant_id\tid\tx_mm\ty_mm\tz_mm\tvolume_ml\tlobe
sub-1\ta\t1\t2\t3\t0.5\tfrontal
sub-1\tb\t4\t5\t6\tn/a\tn/a
sub-2\ta\t-1\t0\t1e1\t2\toccipital
"""
OUTCOMES = "participant_id\tage\toutcome\nsub-1\t40\t1\nsub-2\tn/a\t0\n"


@pytest.fixture
def tables(tmp_path):
    def write(lesions=TABLE, outcomes=OUTCOMES):
        (tmp_path / "lesions.tsv").write_text(lesions, encoding="utf-8")
        (tmp_path / "outcomes.tsv").write_text(outcomes, encoding="utf-8")
        return tmp_path / "lesions.tsv", tmp_path / "outcomes.tsv"

    return write


def test_what_a_table_says(tables):
    one, two = read_patients(*tables())
    assert (one.name, one.outcome, one.lesions) == ("sub-1", 1, ("a", "b"))
    assert (two.name, two.outcome, len(two)) == ("sub-2", 0, 1)
    np.testing.assert_array_equal(one.centres_mm, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(one.columns["volume_ml"], [0.5, np.nan])
    np.testing.assert_array_equal(one.columns["lobe"], ["frontal", ""])
    assert list(one.columns) == ["volume_ml", "lobe"]


def test_places_in_a_common_space_come_first_where_all_are_known_and_are_no_features(tables):
    rows = [line.split("\t") for line in TABLE.splitlines()]
    more = [["mni_x_mm", "mni_y_mm", "mni_z_mm"], ["7", "8", "9"], ["1", "1", "1"], ["0", "0", "0"]]
    text = "\n".join("\t".join([*row, *own]) for row, own in zip(rows, more, strict=True))
    one, two = read_lesions(tables(text)[0])
    np.testing.assert_array_equal(one.centres_mm, [[7, 8, 9], [1, 1, 1]])
    assert list(two.columns) == ["volume_ml", "lobe"]
    of_scan = read_lesions(tables(text)[0], PLACES[1:])
    np.testing.assert_array_equal(of_scan[0].centres_mm, [[1, 2, 3], [4, 5, 6]])
    assert list(of_scan[0].columns) == ["volume_ml", "lobe"]
    unknown = text.replace("7\t8\t9", "n/a\tn/a\tn/a")
    np.testing.assert_array_equal(read_lesions(tables(unknown)[0])[0].centres_mm, [[1, 2, 3], [4, 5, 6]])


def test_tables_of_sanum_lesions_are_read_as_they_are(tmp_path):
    lesions = [
        LesionRow(
            1, 0.52, 1, 2, 3, 4, 5, 6, "left", "frontal", "white matter", -0.4, 1.2, 80.0, 9.0, 3.0, 2.0
        ),
        LesionRow(2, 0.01, 7, 8, 9, 1, 1, 1, "right", "", "", elongation=1.0, surface_mm2=6.0),
    ]
    head, *rows = table_of(lesions).splitlines()
    text = "\n".join(["participant_id\t" + head, *("sub-1\t" + row for row in rows)])
    (tmp_path / "lesions.tsv").write_text(text)
    (one,) = read_lesions(tmp_path / "lesions.tsv")
    np.testing.assert_array_equal(one.centres_mm, [[4, 5, 6], [1, 1, 1]])
    assert one.lesions == ("1", "2")
    assert one.columns["lobe"].tolist() == ["frontal", ""]
    assert one.columns["contrast"].dtype.kind == "f"
    assert set(one.columns) == set(head.split("\t")) - {"id", *sum(PLACES, ())}


def test_commas_and_a_byte_order_mark(tables, tmp_path):
    lesions, _ = tables("\ufeff" + TABLE)
    assert len(read_lesions(lesions)) == 2
    (tmp_path / "lesions.csv").write_text(TABLE.replace("\t", ","))
    assert read_table(tmp_path / "lesions.csv") == read_table(lesions)


@pytest.mark.parametrize(
    ("lesions", "outcomes", "sentence"),
    [
        (TABLE, OUTCOMES + "sub-3\t1\t1\n", "has no lesion of sub-3: a graph needs one or more"),
        (TABLE, OUTCOMES.replace("sub-2\tn/a\t0\n", ""), "has no outcome of sub-2: add it"),
        (TABLE, OUTCOMES.replace("n/a\t0", "40\tn/a"), "has no outcome of sub-2: add it"),
        (TABLE, OUTCOMES.replace("40\t1", "40\tyes"), 'outcome of sub-1 is "yes", expected 0 or 1'),
        (TABLE, OUTCOMES.replace("sub-2", "sub-1"), "has two rows of sub-1"),
        (TABLE, OUTCOMES.replace("outcome", "relapse"), "has no column outcome: there are participant_id"),
        (TABLE.replace("z_mm", "depth"), OUTCOMES, "says not where a lesion is: expected the columns x_mm"),
        (TABLE.replace("participant_id", "who"), OUTCOMES, "has no column patient or participant_id"),
        (TABLE.replace("sub-2\ta", "n/a\ta"), OUTCOMES, "row 3 says not whose lesion it is"),
        (TABLE.replace("1e1", "n/a"), OUTCOMES, "z_mm is not a number in every row"),
        (TABLE.replace("1e1", "high"), OUTCOMES, "z_mm is not a number in every row"),
        (TABLE.replace("0.5", "inf"), OUTCOMES, "volume_ml has a value that is not finite"),
        (TABLE.replace("lobe", "id"), OUTCOMES, "has two columns id"),
        (TABLE + "sub-3\t1\n", OUTCOMES, "row 4 has 2 cells, expected 7"),
        (TABLE.partition("\n")[0], OUTCOMES, "has no rows"),
    ],
)
def test_what_is_refused(tables, lesions, outcomes, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_patients(*tables(lesions, outcomes))


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(ValueError, match=r"no table: expected a file \.tsv or \.csv"):
        read_table(tmp_path / "lesions.xlsx")
    with pytest.raises(ValueError, match=r"cannot read .*: No such file"):
        read_table(tmp_path / "lesions.tsv")
    (tmp_path / "lesions.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot read"):
        read_table(tmp_path / "lesions.tsv")


def test_a_patient_without_lesions_or_with_half_a_column():
    with pytest.raises(ValueError, match="p: expected the centres of one lesion or more"):
        PatientLesions("p", np.zeros((0, 3)))
    with pytest.raises(ValueError, match="p: volume has not one value for each of 2 lesions"):
        PatientLesions("p", np.zeros((2, 3)), {"volume": np.zeros(3)})
    with pytest.raises(ValueError, match="p: outcome is 2, expected 0 or 1"):
        PatientLesions("p", np.zeros((2, 3)), outcome=2)
    with pytest.raises(ValueError, match="p: a centre of a lesion is no finite number"):
        PatientLesions("p", np.full((2, 3), np.nan))
    assert PatientLesions("p", np.zeros((2, 3))).lesions == ("1", "2")
