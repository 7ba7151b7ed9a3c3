"""A cross-validation as a batch: what becomes of a training that goes wrong, and what is noted of it."""

from pathlib import Path

import pytest

from sanum.cohort import failures
from sanum.cohort.inputs import Item
from sanum.evaluation.detection.job import CrossvalJob
from sanum.learn.loop import StepWentWrong
from sanum.scan import ScanError


class Wrong(CrossvalJob):
    """Goes wrong at its third step."""

    def measure(self, folds, on_step, folder=None):
        raise StepWentWrong("step 3 went wrong: critic: its loss is nan")


def test_a_step_gone_wrong_is_told_as_it_is():
    job = Wrong("fanogan", lambda: None, {}, None)
    with pytest.raises(ScanError, match=r"^fanogan in fold-g0b0: step 3 went wrong: critic"):
        job.compute({"fold-g0b0": {}}, lambda _: None)
    assert not job.done


def test_a_failure_of_one_method_stays_noted_where_another_does_the_same_fold(tmp_path):
    fold = tmp_path / "out" / "folds" / "fold-g0b0.json"
    fold.parent.mkdir(parents=True)
    fold.write_text("{}")
    gan, pca = (Item(fold, Path(name)) for name in ("fanogan", "pca"))
    for item in (gan, pca):
        failures.remember(item, "it went wrong", tmp_path / "out")
    assert {row[2] for row in failures.failures(tmp_path / "out", set())} == {"fanogan", "pca"}
    failures.forget(pca, tmp_path / "out")
    assert [row[2] for row in failures.failures(tmp_path / "out", set())] == ["fanogan"]
