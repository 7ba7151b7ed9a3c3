"""The Python of docs/cohorts.md for SLURM, PBS and SGE, with commands that run the jobs on this machine."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("dask_jobqueue")
pytest.importorskip("cryptography")

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "cohorts.md"
SUBMIT = """#!/bin/sh
cp "$1" "$1.job"
setsid sh "$1.job" >"$1.log" 2>&1 </dev/null &
echo $! >>"$PIDS"
echo "job $!"
"""
"""Copies the script first, as queues do: dask-jobqueue removes its own as soon as this returns."""

CANCEL = '#!/bin/sh\nkill -- "-$1"\n'
WORK = """
import json, sys
from pathlib import Path
from on_dask import main
print(json.dumps(cluster.job_script()))
main(Path(sys.argv[1]), 8, "plain", cluster.scheduler_address, Path("~/sanum-dask.pem").expanduser())
cluster.close()
"""


@pytest.mark.full
@pytest.mark.parametrize(
    ("cluster", "commands", "asked", "jobs"),
    [
        ("SLURMCluster", ("sbatch", "scancel"), ["--cpus-per-task=1", "--mem=8G", "-t 04:00:00"], 2),
        ("PBSCluster", ("qsub", "qdel"), ["ncpus=1:mem=7630MB", "walltime=04:00:00"], 1),
        ("SGECluster", ("qsub", "qdel"), ["h_rt=04:00:00", "h_vmem=8G"], 1),
    ],
)
def test_the_page_s_cluster_does_a_cohort(tmp_path, cluster, commands, asked, jobs):
    """Jobs are asked for as the page says, and their workers do the scans."""
    [block] = re.findall(
        r"```python\n(from dask_jobqueue.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert "SLURMCluster(" in block
    assert cluster in block
    assert "scale(jobs=20)" in block
    block = block.replace("SLURMCluster", cluster).replace("scale(jobs=20)", f"scale(jobs={jobs})")
    if cluster == "SGECluster":  # as the page says below
        [more] = re.findall(r'SGE[^`]*`(resource_spec="[^"]+")`', PAGE.read_text(encoding="utf-8"))
        block = block.replace("cores=1,", f"cores=1, {more},")
    for name, text in zip(commands, (SUBMIT, CANCEL), strict=True):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    places = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PIDS": str(tmp_path / "pids"),
        "HOME": str(tmp_path),  # of the certificate
        "TMPDIR": str(tmp_path),  # of the jobs' scripts and logs
        "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}",
    }
    words = [sys.executable, "-W", "ignore", "-c", block + WORK, tmp_path]
    try:
        ran = subprocess.run(
            words, capture_output=True, text=True, env={**os.environ, **places}, cwd=tmp_path, timeout=170
        )
    finally:  # no job outlives the test, whatever became of it
        for pid in (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else ():
            with suppress(ProcessLookupError):
                os.killpg(int(pid), signal.SIGKILL)
    assert ran.returncode == 0, ran.stderr
    address, script, told = ran.stdout.splitlines()
    assert re.fullmatch(r"tls://[\d.]+:\d+", address)
    for words in (*asked, f"dask_worker {address}", "--nthreads 1 ", "--death-timeout 600", "QuietWorker"):
        assert words in json.loads(script)
    told = json.loads(told)
    assert told["error"] is None, "".join(log.read_text() for log in tmp_path.rglob("*.log"))  # of the jobs
    assert (told["same"], told["locks"]) == (True, 0)
    assert told["states"] == ["done"] * 7 + ["failed"]  # one is empty
