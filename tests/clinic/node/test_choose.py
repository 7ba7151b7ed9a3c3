"""Which series are taken: rules of a file, each with the sentence that it gives."""

import numpy as np
import pytest

from sanum.clinic.node.choose import DEFAULT, Judgement, judge, read_rules
from sanum.clinic.node.errors import NodeError

from ..series import head, saved


def judged(folder, made, rules=None):
    return judge(saved(folder / "1.2.3", made), rules or read_rules())


@pytest.mark.parametrize("kind", ["tilted", "uneven", "sagittal", "negated rows"])
def test_heads_are_taken_however_they_lie(tmp_path, kind):
    assert judged(tmp_path, head(kind)) == Judgement()


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ({"Modality": "US"}, "its modality is US, not MR or CT"),
        ({"Modality": ""}, "its modality is not said, not MR or CT"),
        ({"Manufacturer": "sanum"}, "sanum made it"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "it is derived from another series"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "it is a localizer"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "MIP"]}, "it is a projection"),
        ({"PixelSpacing": [0.1, 0.1]}, "it shows 3 mm along one side, less than 60"),
        ({"PixelSpacing": [50, 50]}, "it shows 2000 mm along one side, more than 600"),
    ],
)
def test_others_are_discarded_with_the_reason(tmp_path, tags, sentence):
    made = head("axial")
    for one in made:
        for tag, value in tags.items():
            setattr(one, tag, value)
    assert judged(tmp_path, made) == Judgement(discarded=sentence)


def test_few_planes(tmp_path):
    assert judged(tmp_path, head("axial")[:9]).discarded == "it has 9 planes, less than 10"


def test_missing_planes_may_still_come(tmp_path):
    made = head("axial")
    assert "lacks 1 of 10 planes" in judged(tmp_path / "one", made[:4] + made[5:]).lacking
    assert "has missing slices, 4 of them" in judged(tmp_path / "four", made[:3] + made[7:]).lacking


@pytest.mark.parametrize(
    ("tag", "value", "sentence"),
    [
        ("StudyInstanceUID", "1.2.9", "has planes of 2 studies, by their StudyInstanceUID"),
        ("PatientID", "other", "has planes of 2 patients, by their PatientID"),
    ],
)
def test_one_identifier_for_two_is_refused(tmp_path, tag, value, sentence):
    """A patient split over two studies; a device that gives an identifier twice."""
    made = head("axial")
    for one in made[5:]:
        setattr(one, tag, value)
    assert sentence in judged(tmp_path, made).wrong


def test_damaged_headers_are_told_and_not_raised(tmp_path):
    made = head("axial")
    for one in made:
        one.ImageOrientationPatient = [0, 0, 0, 0, 0, 0]
    assert judged(tmp_path, made).wrong
    made = head("axial")
    made[3].ImagePositionPatient = None
    assert judged(tmp_path / "more", made).wrong


def test_own_rules(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(
        'derived = true\nleast_planes = 5\nleast_mm = 40\nonly = ["T2"]\nwithout = ["perfusion"]\n'
    )
    rules = read_rules(file)
    assert (rules.least_planes, rules.modalities, rules.most_mm) == (5, ("MR", "CT"), 600.0)
    derived = head("axial", ImageType=["DERIVED", "SECONDARY"], SeriesDescription="ax t2 flair")
    assert judged(tmp_path / "a", derived[:6], rules) == Judgement()
    words = [("ax T2 Perfusion", 'its description has the word "perfusion"')]
    words.append(("MPRAGE", "its description has none of the words T2"))
    for k, (description, sentence) in enumerate(words):
        found = judged(tmp_path / f"b{k}", head("axial", SeriesDescription=description), rules)
        assert found.discarded == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("planes = 3", "rules.toml has no rule planes: expected modalities, derived, least_planes"),
        ('least_planes = "3"', "rules.toml has least_planes = '3': expected int"),
        ("only = 3", "rules.toml has only = 3: expected a list of texts"),
        ("derived = 1", "rules.toml has derived = 1: expected bool"),
        ("only = [", "rules.toml is no TOML"),
        ('without = [""]', "rules.toml would discard all series: without has an empty word"),
        ("modalities = []", "rules.toml would discard all series: modalities names none"),
        ("thickest_mm = nan", "rules.toml would discard all series: thickest_mm = nan is no size"),
        ("most_mm = -1", "rules.toml would discard all series: most_mm = -1 is no size"),
        ("least_mm = 700", "rules.toml would discard all series: least_mm = 700 is more than most_mm = 600"),
    ],
)
def test_rules_that_are_none(tmp_path, text, sentence):
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(NodeError) as caught:
        read_rules(file)
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value).splitlines()) == 1


def test_modalities_may_be_written_small(tmp_path):
    (tmp_path / "rules.toml").write_text('modalities = ["mr"]')
    assert read_rules(tmp_path / "rules.toml").modalities == ("MR",)


def test_every_default_rule_is_explained():
    lines = [line for line in DEFAULT.read_text().splitlines() if "=" in line]
    assert all("  # " in line for line in lines)
    assert len(lines) == len(read_rules().__dataclass_fields__)
    assert np.isfinite(read_rules().most_mm)
