"""What is heavy is imported where it is used."""

import subprocess
import sys

import pytest

import sanum.healthy

CALLED = (
    "; assert callable(sanum.reconstruct); assert sanum.reconstruct is sanum.healthy.reconstruct"
    "; sanum.healthy.OUTPUTS; sanum.Reconstruction"
)
"""`sanum.reconstruct` is a function after `reconstruction` was imported too."""


@pytest.mark.parametrize("use", ["", f".reconstruction, sanum{CALLED}"])
def test_the_main_job_loads_no_figures_and_no_kernels(use):
    code = (
        f"import sys, sanum.healthy{use}\n"
        "found = {'matplotlib', 'numba', 'nilearn', 'skimage'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_every_public_name_is_there():
    for name in sanum.healthy.__all__:
        assert getattr(sanum.healthy, name) is not None
        assert name in dir(sanum.healthy)
    with pytest.raises(AttributeError, match="no attribute 'sick'"):
        _ = sanum.healthy.sick
