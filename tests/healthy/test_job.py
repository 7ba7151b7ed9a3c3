"""The main job as a batch sees it."""

from types import SimpleNamespace

from sanum.cohort.record import made_otherwise
from sanum.healthy.job import ReconstructJob
from sanum.healthy.reconstruction import reconstruct


def test_choices_of_reading_reach_the_scan_and_the_record(phantom_file, phantom_predictor):
    job = ReconstructJob(phantom_predictor, reading={"volume": 0, "contrast": "T2w"})
    assert job.read(SimpleNamespace(path=phantom_file)).contrast == "T2w"
    assert (job.settings["volume"], job.settings["contrast_given"]) == (0, "T2w")


def test_a_choice_that_is_not_made_is_none(phantom_predictor):
    unsaid = {"volume": None, "contrast": None, "series": None, "skip_damaged": False}
    settings = ReconstructJob(phantom_predictor, reading=unsaid).settings
    assert settings == ReconstructJob(phantom_predictor).settings
    names = ("volume", "contrast_given", "series", "skip_damaged", "force", "mask_sha256")
    assert [settings[name] for name in names] == [None] * len(names)


def test_results_of_a_choice_are_not_those_of_a_run_without_it(phantom_predictor, tmp_path):
    mask = tmp_path / "mask.nii.gz"
    mask.write_bytes(b"a lesion")
    plain = ReconstructJob(phantom_predictor).settings
    for choice in ({"force": True}, {"mask": mask}, {"reading": {"contrast": "PD"}}):
        settings = ReconstructJob(phantom_predictor, **choice).settings
        assert made_otherwise(settings, plain)
        assert made_otherwise(plain, settings)
    assert not made_otherwise(plain, plain)


def test_what_is_said_stands_in_the_result(phantom_file, phantom_predictor, rough_mirror):
    result = reconstruct(phantom_file, predictor=phantom_predictor, contrast="PDw")
    assert str(result.decided) == "PD, as you said"
    facts = ReconstructJob(phantom_predictor).facts(result)
    assert (facts["contrast"], facts["contrast_by"]) == ("PD", "user")
