import re

import numpy as np
import pytest

from sanum.data.attributes import Attribute, parse_by
from sanum.evaluation.audit import read_scores
from sanum.evaluation.audit.attributes import covariates, grouping

PEOPLE = "participant_id\tage\tsex\tsite\nsub-01\t30\tF\tA\nsub-02\t50\tM\tB\nsub-03\tn/a\tF\tB\n"
SCORES = "path\tscore\tlabel\na/sub-01_T1w.nii\t1\t0\na/sub-02_T1w.nii\t2\t0\nb/sub-03_T1w.nii\t3\t1\n"


@pytest.fixture
def read(tmp_path):
    def run(scores=SCORES, people=PEOPLE, **how):
        (tmp_path / "scores.tsv").write_text(scores)
        (tmp_path / "participants.tsv").write_text(people)
        return read_scores(tmp_path / "scores.tsv", tmp_path / "participants.tsv" if people else None, **how)

    return run


def test_a_table_of_detect_score(read):
    table = read()
    assert table.subjects == ("01", "02", "03")
    assert table.scores.tolist() == [1, 2, 3]
    assert table.labels.tolist() == [0, 0, 1]
    assert table.people["02"]["site"] == "B"
    assert not table.notes


@pytest.mark.parametrize("comma", [",", ";"])
def test_somebody_elses_table(read, comma):
    text = 'Patient,Mean error,sick,Scanner\n"p, 1",0.5,0,X\np2,0.75,1,Y\n'.replace(",", comma)
    table = read(text.replace("p; 1", "p, 1"), "", score="mean error", label="SICK", subject="patient")
    assert table.subjects == ("p, 1", "p2") if comma == ";" else ("p, 1", "p2")
    assert table.labels.tolist() == [0, 1]
    assert grouping(table, Attribute("scanner"), []).groups == ("X", "Y")


def test_the_table_of_reconstruct(read):
    table = read("path\tresults\tanomaly_ml\nsub-1.nii\tout/sub-1\t0.5\nsub-2.nii\tout/sub-2\t0.25\n")
    assert table.scores.tolist() == [0.5, 0.25]
    assert table.people["1"]["sex"] == "F"  # participants.tsv says 01
    assert table.notes == ("No column says who is abnormal: all are taken for normal.",)


def test_labels_may_be_known_of_people(read):
    people = PEOPLE.replace("site", "label").replace("\tA", "\t0").replace("\tB", "\t1")
    assert read(re.sub(r"\t[^\t]*$", "", SCORES, flags=re.MULTILINE), people).labels.tolist() == [0, 1, 1]


def test_several_scans_of_a_subject_are_one_score(read):
    table = read(SCORES + "a/sub-01_run-2_T1w.nii\t4\t0\na/sub-03_T1w.nii\t9\t0\n")
    assert table.subjects == ("01", "02", "03", "03")
    assert table.scores.tolist() == [2.5, 2, 9, 3]
    assert "Subjects with several scans: 1;" in table.notes[0]


def test_a_line_that_is_there_twice_counts_once(read):
    line = SCORES.splitlines()[1] + "\n"
    table = read(SCORES + line)
    assert table.scores.tolist() == [1, 2, 3]
    assert "twice count once" in table.notes[0]
    with pytest.raises(ValueError, match=r"two scores of a/sub-01_T1w\.nii"):
        read(SCORES + line.replace("\t1\t", "\t7\t"))
    with pytest.raises(ValueError, match=r"calls a/sub-01_T1w\.nii normal and abnormal"):
        read(SCORES + line.replace("\t0", "\t1"))


def test_who_is_not_in_the_table_of_people_is_named(read):
    table = read(SCORES + "sub-07.nii\t5\t0\nsub-08.nii\tn/a\t0\n")
    assert table.notes[0] == "Not in participants.tsv: 07, 08 (2 of 5 subjects)."
    assert table.notes[1] == "Without a score, and left out: 08."
    notes = []
    assert grouping(table, Attribute("sex"), notes).codes.tolist() == [0, 1, 0, -1]
    assert notes == ["Of unknown sex, and left out there: 1 (07)."]


@pytest.mark.parametrize(
    ("scores", "people", "how", "about"),
    [
        (SCORES, PEOPLE + "sub-02\t51\tM\tB\n", {}, "contradicts itself about 02"),
        (SCORES, PEOPLE.replace("sub-", "x"), {}, "no line of any subject of the scores, such as 01"),
        (SCORES, "a\tb\n1\t2\n", {}, "no column participant_id or subject or subject_id"),
        (SCORES, PEOPLE, {"score": "mse"}, "no column mse for the score: name one of path, score, label"),
        (SCORES, PEOPLE, {"label": "mse"}, "have a column mse"),
        (SCORES.replace("\t1\n", "\tsick\n"), PEOPLE, {}, 'got "sick" of 03'),
        (SCORES.replace("\t0\n", "\t1\n"), PEOPLE, {}, "all are labelled abnormal"),
        (SCORES.replace("\t2\t", "\tinf\t"), PEOPLE, {}, 'a score is a number, got "inf" of 02'),
        (SCORES.replace("\t2\t", "\t1\t"), PEOPLE, {}, "all 2 normals of .* have the score 1"),
        (SCORES.replace("sub-02", "two"), PEOPLE, {}, "does not say whose line 3 is"),
        (SCORES.splitlines()[0], PEOPLE, {}, "has no lines"),
        ("\xff\x00", PEOPLE, {}, "has no lines|is no table"),
    ],
)
def test_what_is_refused(read, scores, people, how, about):
    with pytest.raises(ValueError, match=about):
        read(scores, people, **how)


def test_many_equal_scores_are_told(read):
    lines = [f"sub-{n}\t{max(n, 8)}" for n in range(20)]
    table = read("subject\tscore\n" + "\n".join(lines), "")
    assert "9 of 20 normals have the very score 8" in table.notes[1]


@pytest.mark.parametrize(
    ("words", "about"),
    [("sex,40", 'got "40"'), ("age:x", "a cut is a number"), ("age:6,4", "cuts rise"), ("sex,sex", "once")],
)
def test_attributes_that_cannot_be_parsed(words, about):
    with pytest.raises(ValueError, match=about):
        parse_by(words)


def test_numbers_are_cut_in_bands(read):
    lines = [f"sub-{n}\t{n % 17}\t{20 + n}\t{n % 2}" for n in range(60)]
    table = read("subject\tscore\tage\tgroup\n" + "\n".join(lines), "")
    thirds = grouping(table, *parse_by("age"), [])
    assert np.bincount(thirds.codes).tolist() == [20, 20, 20]
    asked = grouping(table, *parse_by("age:40,60,100"), [])
    assert asked.groups == ("below 40", "40 to 60", "60 to 100")  # nobody is older
    age = np.array([float(table.people[s]["age"]) for s in table.subjects])
    assert (asked.codes == np.digitize(age, [40, 60])).all()
    assert grouping(table, *parse_by("group"), []).groups == ("0", "1")  # few numbers are names
    with pytest.raises(ValueError, match="no table says the height"):
        grouping(table, *parse_by("height"), [])
    with pytest.raises(ValueError, match="age has one group alone"):
        grouping(table, *parse_by("age:200"), [])


def test_words_that_are_adjusted_for_become_columns(read):
    table = read("subject\tscore\tage\tsite\n1\t1\t30\tA\n2\t2\t40\tB\n3\t3\t50\tC\n4\t4\tn/a\tn/a\n", "")
    z = covariates(table, ["age", "site"])
    assert z[:3].tolist() == [[30, 0, 0], [40, 1, 0], [50, 0, 1]]
    assert np.isnan(z[3]).all()
