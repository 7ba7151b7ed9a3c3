"""What `--help`, `--version` and wrong use print, and that it can be read."""

import re
from importlib.metadata import version

import pytest
import typer

from sanum.cli import main as entry

DETECT = ("fit", "score", "crossval")
COMMANDS = (
    "reconstruct",
    "recover",
    "bids",
    "demo",
    "train",
    "generate",
    "evaluate",
    "audit",
    "detect-findings",
    "methods",
    "info",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_starts_with_the_command(sanum, command):
    ran = sanum(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"sanum {command} " in ran.out.split("Example:")[1]


def test_help_lists_the_commands(sanum):
    for words in (["--help"], []):
        ran = sanum(*words)
        assert (ran.code, ran.err) == (0, "")
        assert all(command in ran.out for command in COMMANDS)


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (["scan.nii.gz"], "No such command 'scan.nii.gz'"),
        (["reconstruct", "-o", "out"], "Missing argument"),
        (["reconstruct", "scan.nii.gz"], "Missing option '--output'"),
        (["reconstruct", "scan.nii.gz", "-o", "out", "--hurry"], "No such option: --hurry"),
        (["reconstruct", "scan.nii.gz", "-o", "out", "--space", "mni"], "'mni' is not one of 'input', '1mm'"),
        (["reconstruct", "scan.nii.gz", "-o", "out", "--volume", "one"], "Invalid value for '--volume'"),
        (["reconstruct", "scan.nii.gz", "-o", "out", "--threads", "-1"], "Invalid value for '--threads'"),
        (["train", "una-compact"], "Missing option"),
    ],
)
def test_wrong_use_is_one_sentence_that_names_the_help(sanum, words, about):
    sentence = sanum(*words).refused()
    assert about in sentence
    assert "Value error" not in sentence
    assert re.search(r"; see sanum( \w+)? --help$", sentence)


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
