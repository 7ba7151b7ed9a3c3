import re
import time

import pytest

from sanum.cli import progress as module
from sanum.cli.progress import ItemProgress, ProgressBar, waiting


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.usefixtures("terminal")
def test_a_name_is_no_markup(capsys):
    with ItemProgress(1, quiet=False) as progress:
        progress.step("[/] [bold]x.nii", "read")
        progress.bar.refresh()
    assert "[/] [bold]x.nii" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_the_seconds_of_a_step_tick(capsys, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    with ItemProgress(1, quiet=False) as progress:
        progress.step("x.nii", "read")
        for now in (102.0, 105.0):
            clock[0] = now
            progress.bar.refresh()
    shown = capsys.readouterr().err
    assert "2 s" in shown
    assert "5 s" in shown


@pytest.mark.usefixtures("terminal")
def test_a_batch_has_a_bar_and_one_scan_has_none(capsys):
    for count, bar in ((4, "1/4"), (1, "1/1")):
        with ItemProgress(count, quiet=False) as progress:
            progress.step("x.nii", "read")
            progress.ended("x.nii", "failed", None)
            progress.bar.refresh()
        assert (bar in capsys.readouterr().err.replace("[1/4]", "")) == (count > 1)


@pytest.mark.usefixtures("terminal")
def test_something_is_shown_before_the_first_item(capsys):
    with waiting("loading the network", quiet=False):
        pass
    assert "loading the network" in capsys.readouterr().err


def test_without_a_terminal_there_is_a_line_at_once_and_while_nothing_is_new(capsys, monkeypatch):
    monkeypatch.setattr(module, "_PULSE_S", 0.02)
    with ProgressBar("preparing anatomies", quiet=False) as bar:
        until = time.monotonic() + 20
        shown = ""
        while "nothing new" not in shown and time.monotonic() < until:
            shown += capsys.readouterr().err
            time.sleep(0.01)
        bar.update("preparing anatomies", 3, 3, "prepared 3 of 3 anatomies")
    lines = (shown + capsys.readouterr().err).splitlines()
    assert lines[0] == "sanum: preparing anatomies"
    assert lines[1].startswith("sanum: preparing anatomies; nothing new for 0 s, still at work")
    assert "sanum: prepared 3 of 3 anatomies" in lines


def test_quiet_is_silent(capsys):
    with ProgressBar("a", quiet=True) as bar, ItemProgress(2, quiet=True, verbose=True) as progress:
        bar.update("a", 1, 1, "done")
        progress.step("x", "read")
        progress.ended("x", "failed", None)
    assert capsys.readouterr().err == ""


def test_verbose_has_a_line_for_each_step(capsys):
    with ItemProgress(2, quiet=False, verbose=True) as progress:
        progress.step("x.nii", "find the brain")
    assert re.fullmatch(
        r"\[1/2\] x.nii: find the brain \(0\.\d s after the start\)\n", capsys.readouterr().err
    )
