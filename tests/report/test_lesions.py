"""The table of the largest lesions."""

from dataclasses import replace

from sanum.healthy.lesions import LesionRow
from sanum.report.lesions import SHOWN, lesion_section

ROW = LesionRow(1, 2.5, -30.2, 14.0, 9.6, side="left", contrast=0.31)


def test_what_is_not_known_has_no_column():
    html = lesion_section([ROW], 1)
    for said in ("Marked parts", "2.500", "-30, 14, 10", "left", "31%"):
        assert said in html
    assert "Lobe" not in html
    assert "MNI" not in html
    placed = replace(ROW, lobe="frontal", tissue="white", mni_x_mm=-33.0, mni_y_mm=15.0, mni_z_mm=11.0)
    html = lesion_section([placed, ROW], 2)
    for said in ("<td>frontal</td>", "<td>white</td>", "<td>-33, 15, 11</td>", "<td></td>"):
        assert said in html


def test_the_largest_ten_of_many():
    rows = [replace(ROW, id=n + 1) for n in range(40)]
    html = lesion_section(rows, 73)
    assert f"The largest {SHOWN} of 73 marked parts" in html
    assert html.count("<tr>") == 1 + SHOWN


def test_without_lesions_there_is_no_table():
    assert lesion_section([], 0) == ""
