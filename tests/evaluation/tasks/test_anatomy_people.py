import pytest

from sanum.evaluation import HealthyAnatomy, find_cases
from sanum.evaluation.tasks.anatomy.more import people_table
from sanum.evaluation.tasks.anatomy.people import Person, people_of
from sanum.evaluation.tasks.anatomy.task import HealthyAnatomy as Task

TABLE = "participant_id\tage\tsex\tsite\nsub-1\t46.7\tM\tHH\nsub-2\tn/a\tfemale\tn/a\nsub-3\t89+\t2\tGuys\n"


def test_what_the_table_says(tmp_path):
    (tmp_path / "participants.tsv").write_text("\ufeff" + TABLE, encoding="utf-8")
    assert people_of(tmp_path) == {
        "sub-1": Person(46.7, "M", "HH"),
        "sub-2": Person(None, "F", ""),
        "sub-3": Person(89, "F", "Guys"),
    }


def test_other_columns_and_gaps(tmp_path):
    (tmp_path / "participants.tsv").write_text("Gender\tparticipant_id\nf\tsub-1\n\n\tsub-2\nM\n")
    assert people_of(tmp_path) == {"sub-1": Person(sex="F"), "sub-2": Person()}
    assert people_of(tmp_path / "nowhere") == {}


def test_what_is_no_text(tmp_path):
    (tmp_path / "participants.tsv").write_bytes(b"participant_id\tage\n\xff\xfe\x00")
    with pytest.raises(ValueError, match="is no table of text"):
        people_of(tmp_path)


def test_cases_know_whose_they_are(bids, tmp_path):
    for part in bids.iterdir():
        (tmp_path / part.name).symlink_to(part)
    before = find_cases(tmp_path, healthy=True)[2]
    (tmp_path / "participants.tsv").write_text(TABLE.replace("sub-2\tn/a", "sub-2\t71"))
    case = find_cases(tmp_path, healthy=True)[2]
    assert case.person == Person(71, "F", "")
    assert before.person == Person()
    assert before.digest() != case.digest()  # so that it is measured with what is known now
    assert before.scan_digest() == case.scan_digest()


def healthy(subject, ml, *, age="", sex="", site="", contrast="T1w"):
    row = dict.fromkeys((*HealthyAnatomy.numbers, "failed"), "")
    row |= {"data": "well", "case": subject, "subject": subject, "input": contrast, "method": "una"}
    return row | {
        "healthy_ml": str(ml),
        "anomalous_percent": str(ml / 10),
        "age": age,
        "sex": sex,
        "site": site,
    }


def test_healthy_scans_by_age_sex_and_site():
    rows = [
        healthy("sub-1", 1, age="25", sex="F"),
        healthy("sub-2", 2, age="45", sex="M"),
        healthy("sub-3", 6, age="45.5", sex="F"),
        healthy("sub-4", 50, age="80", sex="F"),
        healthy("sub-5", 0),
        healthy("sub-1", 4, contrast="FLAIR"),
    ]
    lines = [line[:5] + line[6:7] for line in people_table(rows, Task.layout.input_title).lines]
    assert lines == [
        ["T1w", "una", "all", "all", "5 of 5", "50.00"],
        ["T1w", "una", "age", "below 40", "1 of 1", "1.00"],
        ["T1w", "una", "age", "40 to 59", "2 of 2", "6.00"],
        ["T1w", "una", "age", "70 and more", "1 of 1", "50.00"],
        ["T1w", "una", "age", "not known", "1 of 1", "0.00"],
        ["T1w", "una", "sex", "F", "3 of 3", "50.00"],
        ["T1w", "una", "sex", "M", "1 of 1", "2.00"],
        ["T1w", "una", "sex", "not known", "1 of 1", "0.00"],
        ["FLAIR", "una", "all", "all", "1 of 1", "4.00"],  # of whom nothing is known, by nothing
    ]
    (all_t1w, *_) = people_table(rows, str).lines
    assert all_t1w[5].startswith("11.80 [")
    assert all_t1w[7].startswith("1.18 [")
