"""Without their library the transforms say which extra brings it."""

import importlib
import sys

import pytest

from sanum.extras import MissingExtra, needs_extra


@pytest.mark.parametrize("library", ["monai", "torchio"])
def test_the_sentence_names_the_extra(monkeypatch, library):
    module = f"sanum.integrations.{library}"
    for name in [n for n in sys.modules if n.startswith((module, library))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "site-packages" not in p])
    with pytest.raises(MissingExtra) as told:
        importlib.import_module(module)
    expected = f"{module} needs {library}, which is not installed: pip install 'sanum[{library}]'"
    assert str(told.value) == expected


def test_what_is_missing_of_sanum_itself_stays_a_fault():
    with pytest.raises(ModuleNotFoundError) as told, needs_extra("x", "monai"):
        importlib.import_module("sanum.no_such_room")
    assert not isinstance(told.value, MissingExtra)
