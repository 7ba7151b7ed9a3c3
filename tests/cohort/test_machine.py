"""What a process may use of its machine."""

import os

from sanum.cohort import threads_of_worker
from sanum.cohort.machine import own_cores, peak_memory


def test_cores_are_those_that_the_job_asked_for(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert own_cores({}) == 8
    assert (
        own_cores({"SLURM_CPUS_PER_TASK": "2"})
        == own_cores({"NSLOTS": "2"})
        == own_cores({"NCPUS": "2"})
        == 2
    )
    assert own_cores({"SLURM_CPUS_PER_TASK": "64"}) == 8
    assert own_cores({"NSLOTS": "many"}) == 8


def test_a_worker_s_cores_are_shared_by_its_threads_and_by_those_beside_it(monkeypatch):
    monkeypatch.setattr("sanum.cohort.worker.own_cores", lambda: 8)
    assert threads_of_worker() == 8  # outside of a worker: one thread of Dask
    assert threads_of_worker(beside=4) == 2
    monkeypatch.setattr("sanum.cohort.worker._nthreads", lambda: 4)
    assert threads_of_worker() == 2
    assert threads_of_worker(beside=16) == 1


def test_the_most_memory_so_far_only_grows():
    before = peak_memory()
    assert before > 10_000_000
    assert peak_memory() >= before
