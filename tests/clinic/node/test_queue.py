"""States that outlive the node, whatever they find."""

import json
import os
import threading

import pytest

from sanum.clinic.node.folder import NodeFolder
from sanum.clinic.node.queue import Entry, Queue, read_entries
from sanum.clinic.node.service import Node
from sanum.clinic.node.work import MOST_STARTS, Processing

from ..series import head, saved
from .light import light_job, settings_of


def test_states_are_read_back(tmp_path):
    queue = Queue(tmp_path, clock=lambda: 7.0)
    entry = queue.put(Entry("1.2", "1", "1.2", "error", "é, and why", 3, 4, sent={"A@h:1": 2}))
    assert entry.changed == 7.0
    assert Queue(tmp_path).get("1.2") == entry
    queue.forget("1.2")
    assert not list(tmp_path.iterdir())


def test_the_log_says_what_went_where(tmp_path, caplog):
    caplog.set_level("INFO")
    queue = Queue(tmp_path)
    queue.put(Entry("1.2", state="processing", sent={"A@h:1": 2}))
    queue.change("1.2", state="done", sent={"A@h:1": 23, "B@h:1": 22})
    assert [one.getMessage() for one in caplog.records] == [
        "1.2: processing",
        "1.2: done, 23 results sent to A@h:1, 22 results sent to B@h:1",
    ]


def test_a_change_is_not_made_to_what_somebody_else_changed(tmp_path):
    queue = Queue(tmp_path)
    queue.put(Entry("1.2", state="processing", count=10))
    assert not queue.change("1.2", only=["incoming"], state="done")
    assert not queue.change("1.2", count=9, state="done")
    assert not queue.change("1.3", state="done")
    assert queue.change("1.2", only=["processing"], count=10, state="done")
    assert queue.get("1.2").state == "done"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"key": "other"}', '{"key": "1.2", "state": "lost"}', '{"key": "1.2", "count": "many"}'],
)
def test_a_damaged_state_is_left_out(tmp_path, text):
    (tmp_path / "1.2.json").write_text(text)
    (tmp_path / ".sanum-half.json").write_text(json.dumps({"key": ".sanum-half"}))
    assert read_entries(tmp_path) == {}
    assert Queue(tmp_path).of("incoming") == []


@pytest.fixture
def work(tmp_path):
    """A complete series, and what processes it."""
    folder = NodeFolder(tmp_path)
    saved(folder.series / "1.2.3", head("axial"))
    queue = Queue(folder.states)
    queue.put(Entry("1.2.3", state="processing", count=10))

    def process(job=None, stopping=lambda: False):
        Processing(folder, queue, job or light_job(tmp_path / "notes"), stopping).do(queue.get("1.2.3"))
        return queue.get("1.2.3")

    process.queue, process.folder, process.notes = queue, folder, tmp_path / "notes"
    return process


def test_what_was_made_before_a_kill_is_not_made_again(work):
    assert work().is_made
    work.queue.change("1.2.3", is_made=False, starts=3)  # killed before it was said
    assert work().is_made
    assert work.notes.read_text() == "1.2.3 10\n"


def test_late_planes_that_come_meanwhile_are_not_forgotten(work):
    def arrives():
        work.queue.put(Entry("1.2.3", state="incoming", count=11))
        return False

    assert work(stopping=arrives).state == "incoming"


def test_a_node_that_ends_leaves_the_series_to_the_next(work):
    entry = work(stopping=lambda: True)
    assert (entry.state, entry.starts, entry.is_made) == ("processing", 0, False)
    assert not work.notes.exists()


def test_what_ends_the_node_again_and_again_is_given_up(work):
    work.queue.change("1.2.3", starts=MOST_STARTS)
    assert work().state == "error"
    assert work.queue.get("1.2.3").reason.startswith("given up: it was begun 5 times")


def test_an_error_of_ours_tells_no_values(work):
    job = light_job(work.notes)
    object.__setattr__(job, "function", lambda item: [].index("Secret^Name"))
    entry = work(job)
    assert entry.state == "error"
    assert entry.reason == "1.2.3 could not be done: ValueError; please report this"


def test_two_nodes_do_not_work_on_one_folder(tmp_path, monkeypatch):
    pytest.importorskip("pynetdicom")
    with monkeypatch.context() as other:
        other.setattr(os, "getpid", os.getppid)
        first = Node(tmp_path, light_job(tmp_path / "notes"), settings_of())
    with pytest.raises(ValueError, match="another node works on"):
        Node(tmp_path, light_job(tmp_path / "notes"), settings_of())
    assert first.folder.lock.exists()


def test_a_node_whose_folder_another_one_took_over_ends(tmp_path):
    pytest.importorskip("pynetdicom")
    root = tmp_path / "node"
    node = Node(root, light_job(tmp_path / "notes"), settings_of())
    assert root.stat().st_mode & 0o777 == 0o700
    node.folder.lock.write_text("{}")
    with pytest.raises(ValueError, match="another node has taken over the folder"):
        node.run(threading.Event())
    assert node.folder.lock.exists()


def test_what_one_thread_has_in_hand_no_other_takes(tmp_path):
    pytest.importorskip("pynetdicom")
    node, entry, seen = Node(tmp_path, light_job(tmp_path / "notes"), settings_of()), Entry("1.2.3"), []
    entry = node.queue.put(entry)

    def work(entry):
        other = threading.Thread(target=node._do, args=(seen.append, entry))
        other.start()
        other.join()
        seen.append("work")

    node._do(work, entry)
    node._do(seen.append, entry)
    assert seen == ["work", entry]
