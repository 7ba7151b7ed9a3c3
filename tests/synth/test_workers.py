"""Processes that outlive a signal while they start, obey one later, and go with their parent."""

import os
import signal
import subprocess
import sys
import textwrap
import time

from sanum.synth.workers import pool, prefetch, submit


def state():
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN, signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_what_a_worker_heeds():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pool(1) as processes:
        assert submit(processes, state).result() == (True, set())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_in_order_and_ahead():
    with pool(1) as processes:
        assert list(prefetch(processes, abs, [-3, 2, -1], 2)) == [3, 2, 1]


SCRIPT = """
    import signal, sys
    from sanum.synth.workers import pool, submit

    if __name__ == "__main__":
        stopped = []
        signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
        with pool(1, len, bytes(10_000_000)) as processes:  # far more than a pipe holds
            print("starting", flush=True)
            print(submit(processes, abs, -5).result(), len(stopped), flush=True)
"""


def test_ctrl_c_while_a_worker_starts_does_not_hang(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(SCRIPT))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "starting\n"
        time.sleep(0.05)  # in the midst of it
        os.killpg(run.pid, signal.SIGINT)
        try:
            out, _ = run.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            run.kill()
            raise
    assert out == "5 1\n"
    assert run.returncode == 0
