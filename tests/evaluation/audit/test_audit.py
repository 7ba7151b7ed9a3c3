"""Phantoms, whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sanum.data.attributes import parse_by
from sanum.evaluation.audit import AuditSettings, ScoreTable, audit, write_audit
from sanum.evaluation.audit.audit import RANDOM
from sanum.evaluation.audit.result import GAP, NO_GAP, NO_SHIFT, SHIFT, TOO_FEW

QUICK = AuditSettings(splits=40, resamples=60, permutations=200)


def phantom(seed, many=240, *, shift=0.0, ageing=0.0, sick=0, sites=("A", "B"), odds=None):
    """Scores of healthy people of 20 to 80 years, and of `sick` people; `shift` is what site B adds."""
    rng = np.random.default_rng(seed)
    total = many + sick
    site = rng.choice(sites, total, p=odds)
    age, sex = rng.uniform(20, 80, total), rng.choice(["F", "M"], total)
    labels = np.repeat([0, 1], [many, sick])
    scores = rng.normal(size=total) + shift * (site == "B") + ageing * age / 10 + 2.5 * labels
    names = tuple(f"{n:04}" for n in range(total))
    people = {
        name: {"site": str(site[n]), "sex": str(sex[n]), "age": f"{age[n]:.1f}"}
        for n, name in enumerate(names)
    }
    return ScoreTable(names, scores, labels, people, ())


def of(found, name, kind="as scored"):
    (one,) = (a for a in found.attributes if (a.name, a.kind) == (name, kind))
    return one


def test_an_unbiased_score_calls_five_percent_in_every_group():
    found = audit(phantom(0, 2000), parse_by("site,age"), replace(QUICK, resamples=9, permutations=99))
    for one in found.attributes:
        assert one.realised == pytest.approx(0.05, abs=0.003)
        for row in one.rows:
            error = np.sqrt(0.05 * 0.95 / row.normals)
            assert row.numbers["fpr"] == pytest.approx(0.05, abs=4 * error)
            assert abs(row.numbers["delta"]) < 0.1


def test_a_planted_shift_is_found_and_an_own_threshold_takes_it_away():
    found = audit(phantom(1, 400, shift=1.5, sick=160), parse_by("site,sex"), QUICK)
    site, sex = of(found, "site"), of(found, "sex")
    assert (site.finding, sex.finding) == (SHIFT, NO_SHIFT)
    assert (site.gap_finding, sex.gap_finding) == (GAP, NO_GAP)
    a, b = site.rows
    assert a.numbers["fpr"] < 0.02
    assert b.numbers["fpr"] > 0.08
    assert site.gaps["fpr"] > site.chance
    assert site.p_gap < 0.02
    low, high = site.gap_intervals["fpr"]
    assert low < site.gaps["fpr"] < high
    assert b.numbers["delta"] == pytest.approx(-a.numbers["delta"])
    assert b.numbers["delta"] > 0.6  # 2 Φ(1.5 / √2) − 1 = .71
    assert a.numbers["auc_across"] > b.numbers["auc_across"] + 0.1  # the same anomalies, other normals
    assert a.numbers["auc_within"] == pytest.approx(b.numbers["auc_within"], abs=0.06)
    for row in site.rows:
        assert row.numbers["own_fpr"] == pytest.approx(0.045, abs=0.025)
    assert a.numbers["own_tpr"] > a.numbers["tpr"] + 0.1  # the price, and who gains
    assert b.numbers["own_tpr"] < b.numbers["tpr"] - 0.1
    assert of(found, "site", RANDOM).gaps["fpr"] < site.gaps["fpr"]


def test_false_alarms_differ_without_a_shift_where_scores_scatter_more():
    table = phantom(10, 400)
    at_b = np.array([table.people[name]["site"] == "B" for name in table.subjects])
    found = audit(replace(table, scores=table.scores * np.where(at_b, 2, 1)), parse_by("site,sex"), QUICK)
    site, sex = of(found, "site"), of(found, "sex")
    assert (site.finding, site.gap_finding) == (NO_SHIFT, GAP)
    assert (sex.finding, sex.gap_finding) == (NO_SHIFT, NO_GAP)
    assert site.p_gap_holm == pytest.approx(2 * site.p_gap)


def test_a_threshold_of_one_site_is_wrong_at_another():
    """Trained at A: normals of B are called much more often than 5 %, those of A are not."""
    table = phantom(2, 400, shift=1.5)
    found = audit(table, parse_by("site"), replace(QUICK, reference=("site", "A")))
    a, b = of(found, "site").rows
    assert a.numbers["fpr"] == pytest.approx(0.045, abs=0.02)
    assert b.numbers["fpr"] == pytest.approx(0.43, abs=0.1)  # 1 − Φ(1.645 − 1.5)
    assert of(found, "site").realised == pytest.approx(a.numbers["fpr"])


def test_a_shift_that_is_ages_goes_when_age_is_regressed_out():
    table = phantom(3, 300, ageing=0.8)
    old = {n for n, p in table.people.items() if float(p["age"]) > 50}
    rng = np.random.default_rng(3)
    for name, person in table.people.items():  # old people were scanned at B, mostly
        person["site"] = "B" if (name in old) == (rng.random() < 0.85) else "A"
    found = audit(table, parse_by("site,age:50"), replace(QUICK, adjust=("age",)))
    assert of(found, "site").finding == SHIFT
    assert of(found, "site", "adjusted for age").finding == NO_SHIFT
    assert of(found, "age").finding == SHIFT
    assert [a.name for a in found.attributes if a.kind == "adjusted for age"] == ["site"]
    assert any("site and age go together" in note for note in found.notes)


def test_small_groups_get_numbers_and_no_conclusion():
    found = audit(
        phantom(4, 100, sites=("A", "B", "C"), odds=(0.6, 0.3, 0.1), sick=9), parse_by("site"), QUICK
    )
    one = of(found, "site")
    assert [row.enough for row in one.rows] == [True, True, False]
    assert one.rows[2].normals < 20
    assert np.isfinite(one.rows[2].numbers["fpr"])
    for row in one.rows:  # of none in n, up to about 3.7/n fits
        few = row.numbers["fpr"] * row.normals < 1
        assert not few or row.intervals["fpr"][1] >= 1 - 0.025 ** (1 / row.normals)
    assert any(f"C ({one.rows[2].normals}): {TOO_FEW}" in note for note in found.notes)
    alone = audit(phantom(5, 60), parse_by("site"), replace(QUICK, least=40))
    assert of(alone, "site").finding == TOO_FEW
    assert np.isnan(of(alone, "site").p)


def test_a_group_without_anomalies():
    table = phantom(6, 100, sick=12)
    for name, label in zip(table.subjects, table.labels, strict=True):
        table.people[name]["site"] = "A" if label else table.people[name]["site"]
    found = audit(table, parse_by("site"), QUICK)
    a, b = of(found, "site").rows
    assert np.isnan(b.numbers["auc_within"])
    assert np.isfinite(b.numbers["auc_across"])
    assert a.anomalies == 12
    assert any("groups without anomalies: B" in note for note in found.notes)
    assert any("not spread evenly over site" in note for note in found.notes)


def test_too_few_for_any_threshold():
    with pytest.raises(ValueError, match=r"30 normals give the threshold, and alpha 0\.05 needs 38"):
        audit(phantom(7, 30), parse_by("site"), QUICK)
    with pytest.raises(ValueError, match="nobody's site is Z"):
        audit(phantom(7, 50), parse_by("site"), replace(QUICK, reference=("site", "Z")))


def test_one_seed_one_audit():
    one, again, other = (
        audit(phantom(8, 80, sick=20), parse_by("sex"), replace(QUICK, seed=seed)).attributes
        for seed in (0, 0, 1)
    )
    assert repr(one) == repr(again) != repr(other)


def test_the_files_say_the_same_and_the_page_loads_nothing(tmp_path):
    table = phantom(9, 120, shift=2, sick=30)
    for name in table.subjects[:20]:
        table.people[name]["site"] = "<b>|C"
    found = audit(table, parse_by("site"), QUICK)
    paths = write_audit(found, tmp_path / "out")
    assert [path.name for path in paths] == ["audit.json", "audit.tsv", "audit.md", "audit.html"]
    plain = json.loads(paths[0].read_text())
    head, *lines = (line.split("\t") for line in paths[1].read_text().splitlines())
    assert {len(line) for line in lines} == {len(head)}
    first = dict(zip(head, lines[0], strict=True))
    of_json = plain["attributes"][0]["rows"][0]
    assert float(first["fpr"]) == pytest.approx(of_json["numbers"]["fpr"], rel=1e-5)
    assert float(first["auc_across_low"]) == pytest.approx(of_json["intervals"]["auc_across"][0], rel=1e-5)
    assert [a["kind"] for a in plain["attributes"]] == ["as scored", RANDOM]
    text, html = paths[2].read_text(), paths[3].read_text()
    assert "| site | as scored | shift found, no gap found |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(row.count("|") in (9, 13) for row in rows)
    assert "&lt;b&gt;|C" in html
    assert "<b>|C" not in html
    assert html.count('src="data:image/png') == 2
    assert "http" not in html.replace("http-equiv", "")
    assert "negative control" in html
    assert all(name not in html for name in ("0007", "0100"))  # no single person


@pytest.mark.full
def test_the_negative_control_is_found_in_one_of_twenty():
    """200 runs with a planted shift: the shift is found in all, the random attribute in about ten."""
    settings = AuditSettings(splits=2, resamples=2, permutations=99)
    shifts, lots, gaps = 0, 0, 0
    for seed in range(200):
        found = audit(phantom(seed, 100, shift=1.5), parse_by("site"), replace(settings, seed=seed))
        shifts += of(found, "site").finding == SHIFT
        lots += of(found, "site", RANDOM).finding == SHIFT
        gaps += of(found, "site", RANDOM).gap_finding == GAP
    assert shifts >= 198
    assert 2 <= lots <= 20  # of a binomial (200, .05): 99.9 %
    assert gaps <= 20


def aged_sites(seed, many=300):
    """Scores grow with age, and old people were scanned at B, mostly."""
    table = phantom(seed, many, ageing=0.8)
    rng = np.random.default_rng(seed)
    for person in table.people.values():
        person["site"] = "B" if (float(person["age"]) > 50) == (rng.random() < 0.75) else "A"
    return table


def test_a_shift_that_is_ages_goes_where_ages_are_matched():
    found = audit(aged_sites(3), parse_by("site,age:50"), replace(QUICK, match=(("age", 3.0), ("sex", None))))
    assert of(found, "site").finding == SHIFT
    alike = of(found, "site", "matched in age and sex")
    assert alike.finding == NO_SHIFT
    a, b = alike.rows
    assert a.normals == b.normals
    said = (
        f"Matched in age, sex, {2 * a.normals} of 300 normals of known site remain, {a.normals} of each group"
    )
    assert any(note.startswith(said) for note in found.notes)
    assert "age is not matched in itself: it is audited as scored alone." in found.notes
    few = audit(aged_sites(4, 80), parse_by("site"), replace(QUICK, match=(("age", 0.1),)))
    assert "site is not audited matched: too few normals remain." in few.notes


def test_what_is_spelled_in_several_ways_is_one_group():
    table = phantom(6)
    words = {"F": ("F", "female", "f"), "M": ("M", "male", "M")}
    for n, person in enumerate(table.people.values()):
        person["sex"] = words[person["sex"]][n % 3]
        person["site"] = person["site"] if n % 5 else person["site"].lower()
    found = audit(table, parse_by("sex,site"), replace(QUICK, reference=("sex", "Male"), adjust=("sex",)))
    assert "M" in [row.group for row in of(found, "sex").rows]
    assert len(of(found, "sex").rows) == len(of(found, "site").rows) == 2
    assert "Of sex, M, male are taken for one group, M." in found.notes
    assert "Of site, A, a are taken for one group, A." in found.notes
    assert "sex is not adjusted for itself: it is audited as scored alone." in found.notes
