"""Who may do a scan: locks of the living hold, those left behind do not."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from sanum.cohort import lock


def left_by(path, pid, *, run="other", started="1", **elsewhere):
    who = {**lock._here(), "pid": pid, "started": started, "run": run, **elsewhere}
    path.write_text(json.dumps(who))


def make_old(path):
    then = time.time() - lock.LONGEST_S - 1
    os.utime(path, (then, then))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "scan.lock"


def test_a_lock_holds_until_it_is_released(path):
    assert lock.acquire(path, "a")
    assert not lock.acquire(path, "a")
    lock.release(path)
    assert lock.acquire(path, "a")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.fixture
def other_process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def test_the_lock_of_a_process_that_lives_is_its_own_until_it_ends(path, other_process):
    path.parent.mkdir()
    left_by(path, other_process.pid, started=lock._started(other_process.pid))
    assert not lock.acquire(path, "a")
    make_old(path)
    assert not lock.acquire(path, "a")
    other_process.kill()
    while lock._started(other_process.pid) != "gone":  # also where nobody has waited for it yet
        time.sleep(0.01)
    assert lock.acquire(path, "a")
    assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    "left", [{"started": "0"}, {"run": "a"}], ids=["its number used again", "a lost worker"]
)
def test_a_lock_of_a_number_that_lives_may_be_left_behind(path, other_process, left):
    path.parent.mkdir()
    left_by(path, other_process.pid, **{"started": lock._started(other_process.pid), **left})
    assert lock.acquire(path, "a")


def test_a_lock_with_this_process_s_number_is_from_before_a_restart(path):
    path.parent.mkdir()
    left_by(path, os.getpid(), started=lock._started(os.getpid()))
    assert lock.acquire(path, "a")


@pytest.mark.parametrize("what", ["host", "boot", "namespace"])
@pytest.mark.parametrize("pid", [os.getpid(), 2**22 + 1], ids=["of this number", "of a number that is free"])
def test_a_lock_of_another_machine_or_container_holds_for_a_while(path, what, pid):
    path.parent.mkdir()
    left_by(path, pid, **{what: "elsewhere"})
    assert not lock.acquire(path, "a")
    assert lock.acquire(path, "other")  # the same run, whose worker was lost
    left_by(path, pid, **{what: "elsewhere"})
    make_old(path)
    assert lock.acquire(path, "a")


def test_a_lock_that_does_not_say_its_container_may_be_of_another(path):
    """As earlier versions wrote it."""
    path.parent.mkdir()
    who = {"host": socket.gethostname(), "pid": 2**22 + 1, "started": "1", "run": "other"}
    path.write_text(json.dumps(who))
    assert not lock.acquire(path, "a")
    make_old(path)
    assert lock.acquire(path, "a")


CONTAINER = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
LIGHT = (  # the room without its heavy neighbours
    "import sys, types\nfrom pathlib import Path\n"
    "room = sys.modules['sanum.cohort'] = types.ModuleType('sanum.cohort')\n"
    f"room.__path__ = [{os.path.dirname(lock.__file__)!r}]\n"
    "from sanum.cohort.lock import acquire\n"
)
TAKE = f"{LIGHT}print(acquire(Path(sys.argv[1]), sys.argv[2]), flush=True); input()"


@pytest.fixture
def container(path):
    """Start a process, number 1 of its own, that takes the lock for a run; skips where that cannot be."""
    try:
        subprocess.run([*CONTAINER, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no process namespaces here")
    started = []

    def start(run):
        words = [*CONTAINER, sys.executable, "-c", TAKE, str(path), run]
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1].stdout.readline().strip()

    yield start
    for one in started:
        one.communicate("\n")


def test_a_lock_holds_between_containers_of_one_machine(path, container):
    assert container("a") == "True"
    assert json.loads(path.read_text())["pid"] == 1
    assert container("b") == "False"
    assert not lock.acquire(path, "c")
    lock.release(path)
    assert lock.acquire(path, "c")
    assert container("d") == "False"


def test_a_lock_without_its_maker_s_name_was_made_just_now_or_is_left_behind(path):
    path.parent.mkdir()
    path.touch()
    assert not lock.acquire(path, "a")
    make_old(path)
    assert lock.acquire(path, "a")


def test_of_many_who_find_a_lock_left_behind_one_gets_it(path):
    path.parent.mkdir()
    code = (
        f"{LIGHT}"
        "print('ready', flush=True); input()\n"
        "print(acquire(Path(sys.argv[1]), sys.argv[2]), flush=True); input()"
    )
    words = [sys.executable, "-c", code, str(path)]
    many = [
        subprocess.Popen([*words, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    for one in many:
        assert one.stdout.readline() == "ready\n"
    left_by(path, 2**22 + 1)
    for one in many:
        one.stdin.write("\n")
        one.stdin.flush()
    got = [one.stdout.readline().strip() for one in many]
    for one in many:
        one.communicate("\n")
    assert sorted(got) == ["False", "False", "False", "True"]


def test_a_judge_who_was_killed_leaves_nothing(path):
    """SIGKILL after a lock left behind was removed, before the lock of who removes it is."""
    path.parent.mkdir()
    left_by(path, 2**22 + 1)
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom sanum.cohort import lock\n"
        "path, make = Path(sys.argv[1]), lock._make\n"
        "def until_removed(which, run):\n"
        "    if not path.exists() and which == path:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return make(which, run)\n"
        "lock._make = until_removed\n"
        "lock.acquire(path, 'killed')"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert [p.name for p in path.parent.iterdir()] == ["scan.lockx"]
    assert lock.acquire(path, "a")
    assert [p.name for p in path.parent.iterdir()] == ["scan.lock"]


def test_a_judge_who_lives_is_left_alone(path, other_process):
    path.parent.mkdir()
    judge = path.with_name("scan.lockx")
    left_by(judge, other_process.pid, started=lock._started(other_process.pid))
    assert lock.acquire(path, "a")
    assert judge.exists()


def test_locks_are_kept_fresh(path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    assert lock.acquire(path, "a")
    gone = path.with_name("gone.lock")
    with lock.kept_fresh(lambda: [gone, path]):
        make_old(path)
        until = time.monotonic() + 30
        while time.time() - path.stat().st_mtime > lock.LONGEST_S and time.monotonic() < until:
            time.sleep(0.01)
    assert time.time() - path.stat().st_mtime < lock.LONGEST_S
    assert not gone.exists()


def test_a_lock_that_was_taken_over_is_held_no_more(path):
    assert not lock.is_held(path, "a")
    assert lock.acquire(path, "a")
    assert lock.is_held(path, "a")
    assert not lock.is_held(path, "b")
    left_by(path, os.getpid() + 1, host="elsewhere", run="a")
    assert not lock.is_held(path, "a")
