"""Cohorts on real processes of Dask, where something goes wrong; `on_dask.py` does it."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import sanum
from sanum.cohort import ClusterError, RunSettings, cluster, run_on_dask
from sanum.cohort.cluster import _check

from .stand_in import nothing_job

pytest.importorskip("distributed")
pytest.importorskip("cryptography")
pytestmark = pytest.mark.timeout(600)  # of many processes that import PyTorch

PLACES = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])  # of its stand-in
SCRIPT = Path(__file__).with_name("on_dask.py")
NAMES = [f"sub-{n:03d}" for n in range(8)]
GOOD = [name for name in NAMES if name != "sub-001"]  # which is empty
EMPTY = "sub-001_T1w.nii.gz is empty: expected an image; copy or download it again"


@pytest.fixture
def started(tmp_path):
    """Start Python in the background; its stderr goes to a file. Whatever still runs is killed in the end."""
    processes = []

    def start(*words, **environment):
        log = (tmp_path / f"{len(processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": PLACES, **environment},
        )
        log.close()
        process.log = Path(log.name)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # a process of its own may hold its pipe
            process.communicate(timeout=30)


@pytest.fixture
def on_dask(started, tmp_path):
    """Start `on_dask.py`."""
    return lambda *words, scans=8, **environment: started(SCRIPT, tmp_path, scans, *words, **environment)


@pytest.fixture
def begin(started, tmp_path):
    """Start a scheduler: its process and address."""

    def scheduler(**environment):
        file = tmp_path / "scheduler.json"
        process = started(
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            file,
            **environment,
        )
        until(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler to write its address")
        return process, json.loads(file.read_text())["address"]

    return scheduler


@pytest.fixture
def scheduler(begin):
    return begin()


@pytest.fixture
def worker(started):
    """Start a worker."""
    words = ("-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    return lambda address, **environment: started(*words, address, **environment)


def until(true, what, seconds=120):
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def told(process):
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, process.log.read_text()
    return json.loads(out)


@pytest.mark.full
def test_a_lost_worker_s_scan_is_done_by_the_other(on_dask):
    """One of two is killed with SIGKILL while it computes: each is done once, to the same bytes."""
    ended = told(on_dask("lost"))
    assert ended["killed"]
    assert ended["told"] == NAMES
    assert ended["states"].count("failed") == 1  # "finished" is one whose worker was lost with its answer
    assert ended["computed"] == GOOD
    assert (ended["same"], ended["locks"]) == (True, 0)


@pytest.mark.full
def test_a_scan_that_kills_workers_fails_alone(on_dask):
    """Two of them, four by default. Dask blames what waited in a lost worker too, so nothing waits there."""
    ended = told(on_dask("deadly", scans=2, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1"))
    deadly, empty = ended["reasons"]
    assert deadly.startswith("sub-000_T1w.nii.gz ended every worker that had it")
    assert empty == EMPTY
    assert ended["failed.tsv"] == 2


@pytest.mark.full
def test_weights_that_workers_do_not_see_are_told_in_one_sentence(on_dask):
    ended = told(on_dask("hidden"))
    assert ended["error"] == (
        "a worker of Dask cannot load the method: FileNotFoundError, [Errno 2] No such file or directory: "
        "'una.safetensors'; give all workers the same sanum and weights, at the same paths as here"
    )
    assert ended["told"] == []


@pytest.mark.full
def test_a_full_disk_ends_the_run(on_dask):
    ended = told(on_dask("full"))
    assert ended["reasons"][0] == "cannot write: the disk is full"
    assert len(ended["told"]) <= 2  # the empty one may have come first


@pytest.mark.full
def test_workers_are_waited_for_and_that_is_told(on_dask, scheduler, worker):
    _, address = scheduler
    running = on_dask("plain", address)
    until(lambda: b"waiting for workers" in running.log.read_bytes(), "the note on workers")
    worker(address)
    ended = told(running)
    assert (ended["told"], ended["computed"], ended["same"]) == (NAMES, GOOD, True)
    warned, line = dict.fromkeys(running.log.read_text().splitlines())  # the second once a minute
    assert warned.startswith(f"the Dask scheduler at {address} obeys everybody who reaches it")
    assert line.startswith(
        "waiting for workers: the Dask scheduler has none at the moment; if their jobs have ended"
    )


def test_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWERS_S", 0.5)
    work = run_on_dask([], tmp_path / "out", nothing_job, (), RunSettings(), scheduler="tcp://127.0.0.1:9")
    with pytest.raises(
        ClusterError, match=r"^no Dask scheduler answers at tcp://127\.0\.0\.1:9: check the address$"
    ):
        list(work)


@pytest.mark.full
@pytest.mark.parametrize("works", [False, True])
def test_a_scheduler_that_is_lost(on_dask, scheduler, worker, tmp_path, works):
    process, address = scheduler
    running = on_dask("endless", address)
    if works:
        worker(address)
        until((tmp_path / "notes" / "killed").exists, "a worker to begin")
    else:
        until(lambda: b"waiting for workers" in running.log.read_bytes(), "the note on workers")
    process.kill()
    ended = told(running)
    assert ended["error"].startswith("the Dask scheduler was lost: start it and run the same again")
    if works:
        assert {"sub-000", "sub-002"} <= {*ended["told"]}


@pytest.mark.full
def test_a_worker_with_another_sanum_is_refused(on_dask, scheduler, worker, tmp_path):
    _, address = scheduler
    other = tmp_path / "other"
    (other / "sanum").mkdir(parents=True)
    (other / "sanum" / "__init__.py").write_text('__version__ = "99.0"\n')
    worker(address, PYTHONPATH=str(other))
    error = told(on_dask("plain", address))["error"]
    assert error.startswith("the worker at tcp://127.0.0.1:")
    assert f"has sanum 99.0: expected sanum {sanum.__version__}; start scheduler and workers" in error


def test_a_worker_without_sanum_is_refused():
    with pytest.raises(ClusterError, match="the worker at here has no sanum: expected sanum"):
        _check("worker at here", None)


@pytest.mark.full
def test_what_cannot_be_handed_on_fails(begin, worker, on_dask):
    """By a scheduler that does not know the stand-in, which is sent by name."""
    _, address = begin(PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    worker(address)
    ended = told(on_dask("plain", address))
    assert (ended["told"], ended["states"], ended["failed.tsv"]) == (NAMES, ["failed"] * 8, 8)
    assert ended["reasons"][0] == (
        "sub-000_T1w.nii.gz could not be given to a worker: ModuleNotFoundError, No module named 'stand_in'; "
        "please report this"
    )
