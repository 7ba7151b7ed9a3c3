"""What `../shared/design.md` promises to a user of the package."""

import subprocess
import sys

import numpy as np
import pytest

import sanum


@pytest.mark.parametrize("name", sanum.__all__)
def test_every_public_name_is_there(name):
    assert getattr(sanum, name) is not None


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="module 'sanum' has no attribute 'heal'"):
        _ = sanum.heal


def test_the_names_are_listed():
    assert dir(sanum) == sorted(sanum.__all__)
    assert {"evaluation", "fluid", "load", "methods", "reconstruct", "synth"} <= set(dir(sanum))


@pytest.mark.parametrize("room", ["evaluation", "fluid", "methods", "synth"])
def test_rooms_are_there_after_one_import(monkeypatch, room):
    monkeypatch.delattr(sanum, room, raising=False)
    assert getattr(sanum, room) is sys.modules[f"sanum.{room}"]


def test_star_import_gives_the_list():
    found = {}
    exec("from sanum import *", found)
    assert set(sanum.__all__) <= set(found)


def test_importing_the_package_is_light():
    code = "import sys, sanum; sys.exit(str({'torch', 'numpy'} & set(sys.modules) or ''))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stderr.strip() == ""


def test_a_lesion_grows_as_the_design_says():
    index = np.indices((24, 28, 26))
    domain = ((index - np.reshape([12, 14, 13], (3, 1, 1, 1))) ** 2).sum(0) < 11**2
    lesion = (((index - np.reshape([10, 14, 13], (3, 1, 1, 1))) ** 2).sum(0) < 4**2).astype(np.float32)
    flow = sanum.fluid.draw_flow(domain, rng=7)
    shape = sanum.fluid.transport(lesion, flow, duration=0.5).p
    assert shape.shape == domain.shape
    assert np.abs(shape - lesion).max() > 0.1  # it moved
    assert shape.min() >= 0
    assert shape.max() <= 1
    assert not shape[~domain].any()
    assert shape.sum() == pytest.approx(lesion.sum(), rel=1e-4)  # and nothing was lost
    again = sanum.fluid.transport(lesion, sanum.fluid.draw_flow(domain, rng=7), duration=0.5).p
    np.testing.assert_array_equal(shape, again)
