"""The table of weights is input: any text is read or refused in one sentence."""

import contextlib
import random

import pytest

from sanum.weights import store
from sanum.weights.store import WeightsError

from .hosts import DEAD


@pytest.mark.parametrize(
    "text", ["[", "[1]", "{}", "[" * 100_000, "\xff", '[{"name": "w"}]', '[{"name": "w", "more": 1}]']
)
def test_a_table_that_is_none(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(WeightsError, match="is no table of weights"):
        store.known(tmp_path / "t.json")


@pytest.mark.parametrize(
    "other",
    [
        {"name": "../w"},
        {"name": ".w"},
        {"name": 5},
        {"name": "w\0"},
        {"size": "much"},
        {"size": -1},
        {"size": 1e300},
        {"size": 10**30},
        {"size": True},
        {"sha256": 5},
        {"sha256": "f" * 63},
        {"urls": [5]},
        {"urls": [None]},
        {"urls": "http://a"},
        {"urls": {}},
    ],
)
def test_entries_that_are_none(table, other):
    with pytest.raises(WeightsError, match="is no table of weights"):
        store.known(table(**other))


@pytest.mark.parametrize("count", [300, pytest.param(8_000, marks=pytest.mark.full)])
def test_any_table_is_read_or_refused(table, count):
    path, rng, read = table(DEAD), random.Random(count), 0
    whole = path.read_bytes()
    for _ in range(count):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.choice(b'0123456789abcdef"[]{},:. -\xff\0')
        path.write_bytes(content)
        with contextlib.suppress(WeightsError):
            for entry in store.known(path).values():
                assert len(entry.sha256) == 64
                assert entry.size > 0
                assert isinstance(entry.urls, tuple)
            read += 1
    assert 0.1 * count < read < 0.9 * count


def test_the_table_that_ships_can_be_read():
    assert "una-compact" in store.known()
