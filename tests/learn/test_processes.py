"""Real processes: several that share a batch out, and one that is killed."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

RUN = Path(__file__).with_name("run.py")


def run(what, folder):
    ran = subprocess.run(
        [sys.executable, "-W", "error", RUN, what, folder],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def log_of(folder):
    with (folder / "log.csv").open(newline="") as f:
        return [
            {k: v for k, v in r.items() if k not in ("samples_per_s", "waiting")} for r in csv.DictReader(f)
        ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    run("shared", folder)
    return folder


@pytest.mark.full
@pytest.mark.parametrize("other", ["two", "parts"])
def test_a_batch_that_is_shared_out_teaches_the_same(folder, other):
    """Two processes with half the batch each, and one in two parts: float32 up to the order of sums."""
    one, two = log_of(folder / "one"), log_of(folder / other)
    assert len(one) == len(two) == 6
    for a, b in zip(one, two, strict=True):
        for name in ("step", "loss", "rate", "gradient_norm"):
            assert float(a[name]) == pytest.approx(float(b[name]), rel=2e-5), name
    assert float(one[-1]["loss"]) < float(one[0]["loss"])
    first, second = (torch.load(folder / f / "average-0.pt") for f in ("one", other))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=2e-6, msg=name)


def test_a_gan_that_is_shared_out_learns_the_same(folder):
    """Each of two optimizers shares the gradients of its own weights alone."""
    one, two = log_of(folder / "gan-one"), log_of(folder / "gan-two")
    assert len(one) == len(two) == 6
    for a, b in zip(one, two, strict=True):
        for turn in ("critic", "generator"):
            for name in ("loss", "gradient_norm"):
                assert float(a[f"{turn} {name}"]) == pytest.approx(float(b[f"{turn} {name}"]), rel=2e-5)
    first, second, other = (
        torch.load(folder / f / f"average-{rank}.pt")
        for f, rank in (("gan-one", 0), ("gan-two", 0), ("gan-two", 1))
    )
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=2e-6, msg=name)
        assert torch.equal(second[name], other[name])


def test_two_processes_end_with_the_same_weights(folder):
    first, second = (torch.load(folder / "two" / f"average-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.full
@pytest.mark.timeout(700)
def test_killed_again_and_again_is_like_unbroken(tmp_path):
    told = json.loads(run("killed", tmp_path).splitlines()[-1])
    assert all(t["killed"] for t in told)
    assert any(t["while saving"] for t in told)
    assert all(t["resumed"] for t in told[1:])
    for t in told:
        assert t["steps"] - 2 <= t["saved"] <= t["steps"]  # a checkpoint every 2 steps
    assert log_of(tmp_path / "killed") == log_of(tmp_path / "unbroken")
    assert [int(r["step"]) for r in log_of(tmp_path / "killed")] == list(range(1, 81))
    assert not list((tmp_path / "killed").glob(".sanum-*"))
    states = [torch.load(tmp_path / f / "checkpoint.pt", weights_only=True) for f in ("killed", "unbroken")]
    for kind in ("model", "average"):
        assert all(torch.equal(states[0][kind][k], states[1][kind][k]) for k in states[1][kind])
