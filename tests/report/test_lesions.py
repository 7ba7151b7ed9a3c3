"""The table of the largest lesions."""

from dataclasses import replace

from sanum.healthy.lesions import LesionRow
from sanum.report.lesions import lesion_table

ROW = LesionRow(1, 2.5, -30.2, 14.0, 9.6, side="left", contrast=0.31)


def test_what_is_not_known_has_no_column():
    table = lesion_table([ROW], 1)
    heads = ["No.", "Volume, mL", "Side", "Centre, mm (right, front, up)", "Brighter than white matter by"]
    assert (table.title, table.heads) == ("1 marked part", heads)
    assert table.rows == [(1, ["1", "2.500", "left", "-30, 14, 10", "31%"])]
    placed = replace(ROW, lobe="frontal", mni_x_mm=-33.0, mni_y_mm=15.0, mni_z_mm=11.0, normal_sd=3.21)
    table = lesion_table([placed, replace(ROW, id=2)], 2)
    assert {"Lobe", "In MNI space, mm", "z against healthy people"} == set(table.heads) - set(heads)
    cells = [dict(zip(table.heads, row, strict=True)) for _, row in table.rows]
    assert [row["Lobe"] for row in cells] == ["frontal", ""]
    assert cells[0]["In MNI space, mm"] == "-33, 15, 11"
    assert [row["z against healthy people"] for row in cells] == ["+3.2", ""]


def test_of_more_than_are_listed_the_title_tells():
    table = lesion_table([replace(ROW, id=n + 1) for n in range(40)], 73)
    assert table.title == "The largest 40 of 73 marked parts"
    assert [part for part, _ in table.rows] == list(range(1, 41))


def test_of_all_that_are_listed_the_title_tells_the_number():
    assert lesion_table([replace(ROW, id=n + 1) for n in range(60)], 60).title == "60 marked parts"


def test_without_lesions_there_is_no_table():
    assert lesion_table([], 0) is None
