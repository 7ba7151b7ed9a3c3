"""What is removed when its time is over: whole series or nothing, whatever becomes of node and clock."""

import shutil

import pytest

from sanum.clinic.node.arrivals import recount
from sanum.clinic.node.deliver import journal
from sanum.clinic.node.folder import NodeFolder
from sanum.clinic.node.queue import Entry, Queue, read_entries
from sanum.clinic.node.retire import DAY_S, retire

UID = "1.2.3"


@pytest.fixture
def node(tmp_path):
    """A series that was done on day 0, and what removes the old, by a node started on some day."""
    folder = NodeFolder(tmp_path)
    for place in (folder.series, folder.results):
        (place / UID).mkdir(parents=True)
        for k in range(3):
            (place / UID / f"{k}.dcm").touch()
    Queue(folder.states, clock=lambda: 0.0).put(Entry(UID, state="done", count=3))
    journal(folder, UID).touch()

    def on(day, keep_days=30):
        return retire(folder, Queue(folder.states), keep_days, lambda: day * DAY_S)

    on.folder = folder
    return on


def change(node, **new):
    Queue(node.folder.states, clock=lambda: 0.0).change(UID, **new)


def test_old_ends_are_removed_and_nothing_else(node):
    for key, state, day in (("1.2.4", "error", 29), ("1.2.5", "incoming", 0)):
        Queue(node.folder.states, clock=lambda day=day: day * DAY_S).put(Entry(key, state=state))
    assert node(99, keep_days=0) == node(31) == node(31.9) == []
    assert node(32) == [UID]
    assert not [*node.folder.root.rglob(f"*{UID}*"), *node.folder.root.rglob("*.dcm")]
    assert sorted(read_entries(node.folder.states)) == ["1.2.4", "1.2.5"]


def test_a_clock_that_was_set_removes_nothing_at_once(node):
    assert node(20_000) == node(20_000.5) == []  # from 1970 to today
    assert node(10) == []  # and back
    assert node(40) == []
    assert node(39) == []
    assert node(39.5) == []


def test_results_that_were_refused_stay(node):
    change(node, state="error", is_made=True)
    assert node(99999) == node(99999 + 2) == []
    assert (node.folder.results / UID).is_dir()


def test_killed_while_it_removes_no_plane_is_looked_at_again(node, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    node(40)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            node(42)
    assert not (node.folder.series / UID).exists()
    queue = Queue(node.folder.states)
    recount(node.folder, queue)
    assert queue.of("incoming", "processing") == []
    node(42)
    assert not node.folder.removed.exists()


def test_what_cannot_be_removed_is_left_as_it_is(node):
    node(40)
    shutil.rmtree(node.folder.results / UID)
    node.folder.removed.write_text("in the way")
    with pytest.raises(OSError):
        node(42)
    assert len(list((node.folder.series / UID).iterdir())) == 3
    assert Queue(node.folder.states).get(UID).state == "done"
