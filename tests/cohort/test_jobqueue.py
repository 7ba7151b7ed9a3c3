"""Workers from a batch system, as docs/cohorts.md gets them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "cohorts.md"
WORK = """
from dask.distributed import Client

with Client(cluster.scheduler_address) as client:
    client.wait_for_workers(1, timeout=300)
    threads = client.nthreads().values()
    assert client.submit(sum, (1, 2)).result() == 3
print("threads", *threads)
cluster.close()
"""


def test_the_documented_cluster_works(tmp_path):
    """With a queue that starts what it is given at once."""
    pytest.importorskip("dask_jobqueue")
    (block,) = re.findall(r"```python\n(from dask_jobqueue .+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    queue = {
        "sbatch": f'cat "$1" >>{tmp_path}/jobs; bash "$1" >/dev/null 2>&1 & echo Submitted batch job $!',
        "scancel": "kill $1",
    }
    for name, line in queue.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{line}\n")
        (tmp_path / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    env["DASK_DISTRIBUTED__SCHEDULER__DASHBOARD__ENABLED"] = "False"
    words = [sys.executable, "-c", block.replace("jobs=20", "jobs=1") + WORK]
    ran = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stderr
    address, threads = ran.stdout.splitlines()
    assert address.startswith("tcp://")
    assert threads == "threads 1"  # sanum's own threads are --threads
    jobs = (tmp_path / "jobs").read_text()
    assert jobs.count("--cpus-per-task=4") == jobs.count("--mem=8G") == jobs.count("-t 04:00:00") == 1
