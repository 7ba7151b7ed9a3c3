import json
from dataclasses import dataclass, field
from typing import Literal

import pytest

from sanum.learn.overrides import flat, override, rebuilt


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    kind: Literal["cosine", "step"] = "cosine"
    level: Literal["mild", "severe"] | None = None

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError("rate must be at least 0")


@dataclass(frozen=True)
class Outer:
    name: str = "net"
    steps: int = 3
    fast: bool = False
    widths: tuple[int, ...] = (8, 16)
    shape: tuple[int, int, int] = (80, 96, 80)
    presets: tuple[Literal["t1w", "ct"], ...] = ()
    loop: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("name=una", "name", "una"),
        ("name=a=b", "name", "a=b"),
        ("steps=100", "steps", 100),
        ("fast=true", "fast", True),
        ("fast=no", "fast", False),
        ("widths=4", "widths", (4,)),
        ("widths = 4, 5,6", "widths", (4, 5, 6)),
        ("shape=16,32,16", "shape", (16, 32, 16)),
        ("presets=ct,t1w", "presets", ("ct", "t1w")),
        ("presets=", "presets", ()),
        ("loop.rate=1e-4", "loop.rate", 1e-4),
        ("loop.kind=step", "loop.kind", "step"),
        ("loop.level=mild", "loop.level", "mild"),
        ("loop.level=none", "loop.level", None),
    ],
)
def test_each_type(setting, key, value):
    changed = flat(override(Outer(), [setting]))
    assert changed[key] == value
    assert type(changed[key]) is type(value)
    assert {k: v for k, v in changed.items() if k != key} == {
        k: v for k, v in flat(Outer()).items() if k != key
    }


def test_the_last_of_several_counts():
    assert override(Outer(), ["steps=1", "loop.rate=2", "steps=5"]) == Outer(steps=5, loop=Inner(rate=2.0))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("steps", '--set takes key=value, got "steps"'),
        ("step=3", 'unknown key "step": did you mean steps?'),
        ("loop.ratte=3", 'unknown key "loop.ratte": did you mean loop.rate or'),
        ("rate=3", 'unknown key "rate": did you mean loop.rate?'),
        ("steps.more=3", 'unknown key "steps.more": did you mean steps?'),
        ("qqq=3", 'unknown key "qqq": known are name, steps, fast, widths, shape, presets, loop.rate, '),
        ("loop=3", '"loop" has several values: set one of loop.rate, loop.kind, loop.level'),
        ("steps=1.5", 'steps takes a whole number, got "1.5"'),
        ("fast=maybe", 'fast takes true or false, got "maybe"'),
        ("widths=8,wide", 'widths takes a whole number, with commas between, got "8,wide"'),
        ("shape=8,8", 'shape takes 3 times a whole number, with commas between, got "8,8"'),
        ("presets=mr", 'presets takes t1w or ct, with commas between, got "mr"'),
        ("loop.kind=linear", 'loop.kind takes cosine or step, got "linear"'),
        ("loop.level=high", 'loop.level takes mild or severe or none, got "high"'),
        ("loop.rate=-1", "rate must be at least 0"),
    ],
)
def test_what_cannot_be_set(setting, sentence):
    with pytest.raises(ValueError) as told:
        override(Outer(), [setting])
    assert str(told.value).startswith(sentence)


def test_what_is_flat_is_rebuilt_from_json():
    other = override(Outer(), ["widths=1,2", "loop.rate=0.5", "loop.level=mild"])
    assert rebuilt(Outer(), json.loads(json.dumps(flat(other)))) == other


@pytest.mark.parametrize(
    ("change", "told"), [({"new": 1}, "new is unknown"), ({"steps": None}, "steps is missing")]
)
def test_another_version_is_not_rebuilt(change, told):
    values = {k: v for k, v in (flat(Outer()) | change).items() if v is not None or k not in change}
    with pytest.raises(ValueError, match=told):
        rebuilt(Outer(), values)
