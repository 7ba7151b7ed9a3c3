"""The file that XNAT's Container Service starts the container from.

The rules are those that the service itself has (Command.validate of NrgXnat/container-service); no XNAT is
asked.
"""

import json
import shlex
from pathlib import Path

import pytest
import typer

from sanum.cli.main import app

ROOT = Path(__file__).parents[1]
COMMAND = json.loads((ROOT / "containers" / "xnat" / "command.json").read_text(encoding="utf-8"))
(WRAPPER,) = COMMAND["xnat"]
INPUTS = [*WRAPPER["external-inputs"], *WRAPPER["derived-inputs"]]
KEYS = {  # what each kind of entry must say
    "command": ("name", "description", "type", "image", "command-line", "mounts", "outputs", "xnat"),
    "mount": ("name", "path", "writable"),
    "input": ("name", "type", "replacement-key"),
    "output": ("name", "mount"),
    "wrapper": ("name", "contexts", "external-inputs", "output-handlers"),
    "external": ("name", "type"),
    "derived": ("name", "type", "derived-from-wrapper-input"),
    "handler": ("name", "accepts-command-output", "as-a-child-of", "type", "label"),
}
ENTRIES = {
    "command": [COMMAND],
    "mount": COMMAND["mounts"],
    "input": COMMAND["inputs"],
    "output": COMMAND["outputs"],
    "wrapper": COMMAND["xnat"],
    "external": WRAPPER["external-inputs"],
    "derived": WRAPPER["derived-inputs"],
    "handler": WRAPPER["output-handlers"],
}


def names(entries):
    return [one["name"] for one in entries]


@pytest.mark.parametrize("kind", ENTRIES)
def test_required_keys(kind):
    for one in ENTRIES[kind]:
        assert not [key for key in KEYS[kind] if one.get(key) in (None, "", [])]
    assert len(set(names(ENTRIES[kind]))) == len(ENTRIES[kind])


def test_every_name_that_is_referred_to_is_there():
    assert COMMAND["type"] == "docker"
    assert ":" in COMMAND["image"]  # the service wants a tag
    mounts = names(COMMAND["mounts"])
    assert {one["mount"] for one in COMMAND["outputs"]} <= set(mounts)
    known = names(WRAPPER["external-inputs"])
    for one in WRAPPER["derived-inputs"]:
        assert one["derived-from-wrapper-input"] in known
        known.append(one["name"])
    filled = {one.get("provides-files-for-command-mount") for one in INPUTS} - {None}
    assert filled == {mount["name"] for mount in COMMAND["mounts"] if not mount["writable"]}
    assert {one["accepts-command-output"] for one in WRAPPER["output-handlers"]} == set(
        names(COMMAND["outputs"])
    )
    assert {one["as-a-child-of"] for one in WRAPPER["output-handlers"]} <= set(known)


@pytest.mark.parametrize("value", ["true-value", "false-value"])
def test_the_command_line_is_one_of_sanum(value):
    line = COMMAND["command-line"]
    for one in COMMAND["inputs"]:
        assert one["replacement-key"] in line
        line = line.replace(one["replacement-key"], one[value])
    program, name, *words = shlex.split(line)
    assert program == "sanum"
    command = typer.main.get_command(app).commands[name]
    left = command.make_context(name, list(words), resilient_parsing=True)
    paths = {mount["path"]: mount["writable"] for mount in COMMAND["mounts"]}
    assert paths[str(left.params["output"])]
    assert [paths[str(one)] for one in left.params["scans"]] == [False]
    assert left.params["fast"] == (value == "true-value")
    assert left.params["dicom"]
