"""What the network is told of a scan's contrast, and who decided that."""

from dataclasses import replace
from pathlib import Path

import pytest

from sanum.healthy import reconstruction
from sanum.healthy.reconstruction import reconstruct
from sanum.scan.contrast import Decided

pytestmark = pytest.mark.usefixtures("rough_mirror", "no_pictures")


class Listening:
    """The phantom's method, which remembers what it was told in its quick passes and in its last."""

    weights_name, weights_sha256, device, memory_plan = "none", "0" * 64, "cpu", None

    def __init__(self, predictor):
        self.predictor, self.box, self.quick, self.full = predictor, predictor.box, [], []

    def __call__(self, pair, *, covered=None, quick=False, contrast="unknown"):
        (self.quick if quick else self.full).append(contrast)
        return self.predictor(pair, covered=covered, quick=quick)


@pytest.fixture
def listening(phantom_predictor):
    return Listening(phantom_predictor)


@pytest.fixture
def guesses(monkeypatch):
    """Whatever is guessed, by what it is guessed from; none unless a test says so."""

    def answer(contrast):
        monkeypatch.setattr(reconstruction, "guess_contrast", lambda *_: contrast)

    answer(None)
    return answer


def told(scan, listening, **how):
    result = reconstruct(scan, predictor=listening, **how)
    return result.decided, set(listening.quick), listening.full, result.warnings


@pytest.mark.parametrize(
    ("scan_says", "by", "network_is_told"),
    [
        ("T2w", "file name", "T2w"),
        ("T1wCE", "sidecar", "T1wCE"),
        ("ADC", "DICOM header", "ADC"),
        ("T2starw", "file name", "unknown"),
        (None, "user", "unknown"),
        (None, "values", "unknown"),
    ],
)
def test_who_has_said_it_is_not_asked_again(phantom, listening, guesses, scan_says, by, network_is_told):
    guesses("FLAIR")
    scan = replace(phantom, contrast=scan_says, contrast_by=by)
    decided, quick, full, _ = told(scan, listening)
    assert decided == Decided(scan_says, by)
    assert (quick, full) == ({network_is_told}, [network_is_told])


def test_what_nobody_says_is_guessed_before_the_network_is_told(phantom, listening, guesses):
    guesses("FLAIR")
    decided, quick, full, _ = told(replace(phantom, contrast=None), listening)
    assert decided == Decided("FLAIR", "appearance")
    assert (quick, full) == ({"unknown"}, ["FLAIR"])


def test_what_does_not_look_like_anything_is_unknown(phantom, listening, guesses):
    decided, _, full, _ = told(replace(phantom, contrast=None), listening)
    assert (str(decided), full) == ("not known", ["unknown"])


def test_the_user_wins_over_the_name_with_a_warning(phantom, listening, guesses):
    scan = replace(phantom, path=Path("sub-1_T2w.nii.gz"), contrast="T2w", contrast_by="file name")
    decided, _, full, warnings = told(scan, listening, contrast="flair")
    assert (decided, full) == (Decided("FLAIR", "user"), ["FLAIR"])
    assert "its name says T2w: taken as FLAIR, as asked for" in warnings


@pytest.mark.full
def test_the_report_says_who_decided(phantom, listening, guesses):
    scan = replace(phantom, contrast="T2w", contrast_by="file name")
    assert "T2w, from the file name" in reconstruct(scan, predictor=listening).report()
    page = reconstruct(replace(phantom, contrast=None), predictor=listening).report()
    assert "not known" in page
    assert "if you know, say it with --contrast" in page
