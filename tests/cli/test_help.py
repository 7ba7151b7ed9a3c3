"""What `--help` and `--version` print, and that it can be read."""

import re
from importlib.metadata import version

import pytest
import typer

from sanum.cli import main as entry

COMMANDS = ("reconstruct", "bids", "demo", "train", "generate", "evaluate", "methods", "info")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_word_of_the_options(sanum, monkeypatch, command):
    """Square brackets too, which Rich takes for markup."""
    monkeypatch.setenv("COLUMNS", "220")
    shown = "".join(sanum(command, "-h").out.translate(str.maketrans("", "", "│╭╮╰╯─ \n")).split())
    for option in typer.main.get_command(entry.app).commands[command].params:
        if not getattr(option, "hidden", False) and getattr(option, "help", None):
            assert "".join(option.help.replace("\\[", "[").split()) in shown
            assert not re.search(r"(?<!\\)\[", option.help)


def test_help_says_how_to_install_an_extra(sanum, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    assert "pip install 'sanum[cluster]'" in sanum("reconstruct", "--help").out
    assert "pip install 'sanum[bids]'" in sanum("bids", "--help").out


def test_the_options_of_reconstruct_are_in_groups_that_fit_a_terminal(sanum, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = sanum("reconstruct", "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    groups = [line.split("─ ")[1].split(" ─")[0] for line in lines if line.startswith("╭")]
    assert groups == ["Arguments", "Options", "Results", "The scan", "Computing", "Many scans and machines"]
    option = next(n for n, line in enumerate(lines) if "--compose" in line)
    assert len(lines[option].split("WHAT")[1].strip("│ ")) >= 20  # room for the words


@pytest.mark.parametrize("word", ["--version", "-V", "-v"])
def test_version(sanum, word):
    ran = sanum(word)
    assert (ran.code, ran.out, ran.err) == (0, f"sanum {version('sanum')}\n", "")
