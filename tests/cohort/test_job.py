"""A batch knows nothing of heads: a toy job of texts gets resume, failures, tables, sidecars and Dask."""

import hashlib
import importlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sanum.cohort import Item, RunSettings, RunSummary, job_of, run, run_on_dask, update_tables, write_tables
from sanum.cohort.bids.derivative import sidecars
from sanum.cohort.record import make_record, read_described
from sanum.methods.api import Output
from sanum.methods.common.saving import record_name

from . import toy
from .toy import OUTPUTS, TABLES, Letters, letters_of, toy_job

NAMES = ("one", "two", "three")


@pytest.fixture
def texts(tmp_path):
    """Three texts, the second of them empty."""
    items = []
    for name, text in zip(NAMES, ("tree", "", "moon"), strict=True):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.txt").write_text(text)
        items.append(Item(tmp_path / "in" / f"{name}.txt", Path("texts")))
    return items


def other(result, **changes):
    """A result that differs in some of its attributes."""
    names = ("name", "outputs", "numbers", "warnings", "provenance")
    return SimpleNamespace(**{name: getattr(result, name) for name in names} | changes)


def states(outcomes):
    return {outcome.item.path.stem: outcome.state for outcome in outcomes}


def test_a_function_becomes_a_batch(texts, tmp_path):
    out = tmp_path / "out"
    outcomes = list(run(texts, out, toy_job(), RunSettings()))
    assert states(outcomes) == {"one": "done", "two": "failed", "three": "done"}
    stem = texts[0].stem
    assert (out / "texts" / f"{stem}_letters.txt").read_text() == "e\t2\nr\t1\nt\t1\n"
    record = json.loads((out / "texts" / record_name(stem)).read_text())
    assert record["job"] == "letters"
    assert record["outputs"] == {"letters": f"{stem}_letters.txt"}
    assert (record["share_of_e"], record["language"]) == (0.5, "English")
    assert not list(out.rglob("*.lock"))
    [failed] = write_tables(out, TABLES)
    assert failed[1] == "two.txt is empty: expected a text"
    assert (out / "letters.tsv").read_text().splitlines() == [
        "path\tresults\tshare_of_e\tlanguage\tletters",
        f"texts/{texts[0].path.name}\ttexts/{stem}\t0.500\tEnglish\t{stem}_letters.txt",
        f"texts/{texts[2].path.name}\ttexts/{texts[2].stem}\t0.000\tEnglish\t{texts[2].stem}_letters.txt",
    ]


def test_it_goes_on_where_it_was(texts, tmp_path):
    out = tmp_path / "out"
    list(run(texts, out, toy_job(), RunSettings()))
    texts[1].path.write_text("mended")
    (out / "texts" / f"{texts[2].stem}_letters.txt").unlink()
    outcomes = list(run(texts, out, toy_job(), RunSettings()))
    assert states(outcomes) == {"one": "finished", "two": "done", "three": "done"}
    again = list(run(texts, out, toy_job(case="upper"), RunSettings()))
    assert {outcome.otherwise for outcome in again} == {"case None, not upper"}
    assert write_tables(out, TABLES) == []


def test_results_of_another_job_are_not_replaced_unasked(texts, tmp_path):
    out = tmp_path / "out"
    list(run(texts, out, toy_job(), RunSettings()))
    other = replace(toy_job(), name="words")
    [first, *_] = run(texts, out, other, RunSettings())
    assert "tells of results of another job, letters: pass --overwrite" in first.reason
    assert states(run(texts, out, other, RunSettings(overwrite=True)))["one"] == "done"


def test_an_error_of_the_function_says_what_could_not_be_done(texts, tmp_path):
    def broken(item):
        raise KeyError("e")

    job = replace(toy_job(), function=broken)
    [outcome] = run(texts[:1], tmp_path / "out", job, RunSettings())
    assert outcome.reason == "one.txt could not be counted: KeyError, 'e'; please report this"


def test_images_alone_get_sidecars(texts, tmp_path):
    image = replace(OUTPUTS["letters"], extension=".nii.gz", unit="1", sidecar={"Type": "Text"})
    record = {"version": "1", "outputs": {"letters": "a_letters.nii.gz"}}
    made = sidecars(texts[0], record, root=tmp_path, specs={"letters": image, "absent": image})
    assert list(made) == ["a_letters.json"]
    assert json.loads(made["a_letters.json"])["Type"] == "Text"
    assert "Weights" not in json.loads(made["a_letters.json"])
    assert sidecars(texts[0], record, root=tmp_path, specs=OUTPUTS) == {}


def test_a_number_that_is_not_known_is_null_and_no_name_is_used_twice(texts):
    described = {"size": 1, "mtime_ns": 1, "sha256": ""}
    result = Letters("one", "", float("nan"), ())
    assert make_record(toy_job(), result, texts[0], described)["share_of_e"] is None
    clash = replace(toy_job(), settings={"share_of_e": 1})
    with pytest.raises(ValueError, match="share_of_e"):
        make_record(clash, letters_of(texts[0]), texts[0], described)


def test_settings_are_compared_as_they_are_recorded(texts, tmp_path):
    job = toy_job(size=(1, 2), nested={"a": (3,)})
    assert job.settings["size"] == [1, 2]
    for one in (job, replace(job, settings={"size": (1, 2)})):
        assert states(run(texts[:1], tmp_path / "out", one, RunSettings(overwrite=True))) == {"one": "done"}
        assert states(run(texts[:1], tmp_path / "out", one, RunSettings())) == {"one": "finished"}


@pytest.mark.parametrize("value", [Path("a"), np.int64(1), float("nan"), {"a": {1}}])
def test_settings_that_are_no_json_are_named(texts, tmp_path, value):
    with pytest.raises(ValueError, match="setting size: expected JSON"):
        toy_job(size=value)
    with pytest.raises(ValueError, match="setting size: expected JSON"):
        list(run(texts, tmp_path / "out", replace(toy_job(), settings={"size": value}), RunSettings()))
    assert not (tmp_path / "out").exists()


def test_names_of_a_record_are_not_lost(texts):
    described, result = {"size": 1, "mtime_ns": 1, "sha256": ""}, letters_of(texts[0])
    with pytest.raises(ValueError, match="setting outputs: every record has"):
        toy_job(outputs=1)
    with pytest.raises(ValueError, match="number warnings: every record has"):
        make_record(toy_job(), other(result, numbers={"warnings": 1.0}), texts[0], described)
    with pytest.raises(ValueError, match="fact input: every record has"):
        make_record(toy_job(), other(result, provenance={"input": "x"}), texts[0], described)


def test_numbers_of_numpy_are_numbers(texts, tmp_path):
    numbers = {"share_of_e": np.float32(0.12345), "count": np.int64(3), "unknown": np.float32("nan")}
    job = replace(toy_job(), function=lambda item: other(letters_of(item), numbers=numbers))
    [outcome] = run(texts[:1], tmp_path, job, RunSettings())
    record = json.loads((tmp_path / "texts" / record_name(texts[0].stem)).read_text())
    assert record == outcome.record
    assert [record[name] for name in numbers] == [0.123, 3, None]


LETTERS = Output(OUTPUTS["letters"], "e")
ARRAY = Output(OUTPUTS["letters"], np.zeros(2))
NOT_ACCEPTED = {
    "one.txt gave no result: expected a Result, got None": None,
    "one.txt gave no output letters: expected letters": {"outputs": {}},
    "one.txt gave unexpected output more: expected letters": {
        "outputs": {"letters": LETTERS, "more": LETTERS}
    },
    "one.txt gave a result with the name two: expected the item's stem, one.txt": {"name": "two"},
    "one.txt gave output letters as one.txt_letters.md: expected one.txt_letters.txt": {
        "outputs": {"letters": Output(replace(OUTPUTS["letters"], extension=".md"), "e")}
    },
    "output letters: expected a Scan, text, bytes or JSON, got ndarray": {"outputs": {"letters": ARRAY}},
    "one.txt could not be counted: ValueError, number e: expected a float or int, got str; please report "
    "this": {"numbers": {"e": "many"}},
}


@pytest.mark.parametrize(("sentence", "changes"), NOT_ACCEPTED.items())
def test_a_result_that_a_later_run_would_not_find_fails(texts, tmp_path, sentence, changes):
    job = replace(toy_job(), function=lambda item: changes and other(letters_of(item), **changes))
    [outcome] = run(texts[:1], tmp_path / "out", job, RunSettings())
    assert (outcome.state, outcome.reason) == ("failed", sentence)
    assert not list((tmp_path / "out").rglob("one.txt_*"))


def test_outputs_that_are_not_known_cannot_be_left_out(texts, tmp_path):
    with pytest.raises(ValueError, match="unknown output nosuch: expected one of letters"):
        list(run(texts, tmp_path, toy_job(), RunSettings(without=("nosuch",))))
    with pytest.raises(ValueError, match="output again and output letters have the same file name"):
        job_of(letters_of, {**OUTPUTS, "again": OUTPUTS["letters"]})


def test_the_digest_of_an_input_stays_what_it_was(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    one, two = (hashlib.sha256(text).digest() for text in (b"1", b"2"))
    of_file, of_folder = (read_described(p, lambda: 0)[1]["sha256"] for p in (tmp_path / "a", tmp_path))
    assert of_file == hashlib.sha256(one).hexdigest()
    assert of_folder == hashlib.sha256(b"a" + one + b"b" + two).hexdigest()


def test_a_record_of_before_is_done_again(texts, tmp_path):
    """Its outputs are a list."""
    out = tmp_path / "out"
    list(run(texts[:1], out, toy_job(), RunSettings()))
    path = out / "texts" / record_name(texts[0].stem)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "outputs": list(record["outputs"].values())}))
    update_tables(out, TABLES)
    assert (out / "letters.tsv").read_text().splitlines()[1].endswith("\tn/a")
    [outcome] = run(texts[:1], out, toy_job(), RunSettings())
    assert (outcome.state, outcome.otherwise) == ("done", "")
    assert json.loads(path.read_text()) == record


class TestOnDask:
    """One worker process of three threads."""

    @pytest.fixture
    def cluster(self, monkeypatch):
        distributed = pytest.importorskip("distributed")
        monkeypatch.syspath_prepend(str(Path(__file__).parent))  # workers inherit it
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=3, dashboard_address=None, silence_logs=50
        ) as cluster:
            yield cluster

    @pytest.mark.full
    def test_threads_of_a_worker_share_one_job_and_one_budget(self, texts, tmp_path, cluster):
        load = importlib.import_module("toy").load  # by a name that workers know
        notes, out = tmp_path / "notes", tmp_path / "out"
        notes.mkdir()
        texts[1].path.write_text("mended")
        work = run_on_dask(texts, out, load, (notes, 1.0), RunSettings(), scheduler=cluster.scheduler_address)
        summary = RunSummary(texts, (1, 1), out, TABLES)
        for outcome in work:
            assert outcome.state == "done"
            summary.add(outcome)
        assert len(list(notes.glob("loaded-*"))) == 1
        assert (notes / "together-2").exists()
        summary.write()
        told = json.loads((out / "run.json").read_text())
        [worker] = told["workers"]
        assert told["device"] == worker["device"] == "cpu"
        assert told["peak_memory_mb"] == worker["peak_memory_mb"] > 10
        assert {*worker} >= {"host", "process", "threads"}
        assert (out / "letters.tsv").read_text().count("\n") == 4

    def test_workers_that_never_come_are_waited_for_in_vain(self, texts, tmp_path):
        distributed = pytest.importorskip("distributed")
        from sanum.cohort import ClusterError

        with (
            distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as cluster,
            pytest.raises(ClusterError, match="had no workers for 1 s: see the logs of their jobs"),
        ):
            list(
                run_on_dask(
                    texts,
                    tmp_path / "out",
                    toy.load,
                    (tmp_path,),
                    RunSettings(),
                    scheduler=cluster.scheduler_address,
                    patience_s=1.0,
                )
            )
