"""The main job as a batch sees it."""

from types import SimpleNamespace

from sanum.healthy.job import ReconstructJob
from sanum.healthy.reconstruction import reconstruct


def test_choices_of_reading_reach_the_scan_and_the_record(phantom_file, phantom_predictor):
    job = ReconstructJob(phantom_predictor, reading={"volume": 0, "contrast": "T2w"})
    assert job.read(SimpleNamespace(path=phantom_file)).contrast == "T2w"
    assert (job.settings["volume"], job.settings["contrast"]) == (0, "T2w")


def test_a_choice_that_is_not_made_is_not_recorded(phantom_predictor):
    settings = ReconstructJob(phantom_predictor, reading={"volume": None, "contrast": None}).settings
    assert settings == ReconstructJob(phantom_predictor).settings
    assert "contrast" not in settings
    assert settings["volume"] is None


def test_what_is_said_stands_in_the_result(phantom_file, phantom_predictor, rough_mirror):
    result = reconstruct(phantom_file, predictor=phantom_predictor, contrast="PDw")
    assert str(result.decided) == "PD, as you said"
    facts = ReconstructJob(phantom_predictor).facts(result)
    assert (facts["contrast"], facts["contrast_by"]) == ("PD", "user")
