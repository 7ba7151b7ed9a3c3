"""`sanum audit`, of tables as people have them."""

import numpy as np
import pytest


@pytest.fixture
def tables(tmp_path):
    rng = np.random.default_rng(0)
    people, scores = ["participant_id\tsex\tsite\tage"], ["path\tscore"]
    for n in range(90):
        site = "ab"[n % 2]
        people.append(f"sub-{n:02}\t{'FM'[n // 2 % 2]}\t{site}\t{rng.uniform(20, 80):.1f}")
        scores.append(f"in/sub-{n:02}_T1w.nii.gz\t{rng.normal() + 2 * (site == 'b'):.4f}")
    (tmp_path / "participants.tsv").write_text("\n".join(people) + "\n")
    (tmp_path / "scores.tsv").write_text("\n".join(scores) + "\n")
    return tmp_path / "scores.tsv", "--participants", tmp_path / "participants.tsv"


def test_an_audit(sanum, tables, tmp_path):
    words = ("--by", "site", "--adjust", "age", "--least", "15")
    ran = sanum("audit", *tables, *words, "-o", tmp_path / "out")
    assert ran.code == 0
    *lines, page = ran.out.splitlines()
    assert page == str(tmp_path / "out" / "audit.html")
    assert [line.split("\t")[:3] for line in lines] == [
        ["site", "as scored", "shift found"],
        ["site", "adjusted for age", "shift found"],
        ["site", "random", "no shift found"],
    ]
    assert "all are taken for normal" in ran.err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"audit.{e}" for e in ("json", "tsv", "md", "html")
    }


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["--by", "height"], "no table says the height of people"),
        (["--by", "sex", "--score", "mse"], "has no column mse for the score"),
        (["--by", "sex", "--alpha", "1.5"], "alpha is a probability between 0 and 1"),
        (["--by", "sex", "--alpha", "0.001"], "90 normals give the threshold, and alpha 0.001 needs 1998"),
        (["--by", "sex", "--reference", "site"], "as in site=HH"),
        (["--by", "sex", "--adjust", "weight"], "no table says the weight of people"),
        (["--by", "sex", "--adjust", "age:50"], "--adjust takes names alone, as in age,sex"),
        (["--by", "sex", "--match", "age:3,4"], "--match takes one difference that is allowed, as in age:3"),
        (["--by", "score"], "score is the score, the label or the subject"),
        (["--by", "age:40:60"], 'as in age:40,60, got "age:40:60"'),
    ],
)
def test_what_is_refused(sanum, tables, tmp_path, words, about):
    assert about in sanum("audit", *tables, *words, "-o", tmp_path / "out").refused()
    assert not (tmp_path / "out").exists()


def test_files_that_are_not_there(sanum, tables, tmp_path):
    assert (
        "gone.tsv" in sanum("audit", tmp_path / "gone.tsv", "--by", "sex", "-o", tmp_path / "out").refused()
    )
