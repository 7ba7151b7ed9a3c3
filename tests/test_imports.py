import subprocess
import sys
import tomllib
from pathlib import Path

from sanum.methods.registry import METHODS

ROOT = Path(__file__).parents[1]


def test_imports_point_down_the_floors():
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for contract in (
        "Imports point down the floors of the house",
        "No method imports another",
        "Methods, weights and outputs are listed without anything heavy",
    ):
        assert f"{contract} KEPT" in ran.stdout


def test_the_folder_of_every_method_is_independent():
    """A new task is one more pattern in the contract."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (independent,) = (c["modules"] for c in contracts if c["type"] == "independence")
    assert {f"sanum.methods.{m.module.split('.')[0]}.*" for m in METHODS} == set(independent)


def test_the_fluid_knows_no_files_and_no_networks():
    code = (
        "import sys, sanum.fluid\n"
        "found = {'nibabel', 'torch', 'SimpleITK'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_main_job_loads_no_figures_and_no_compiler():
    code = (
        "import sys, sanum.healthy\n"
        "sanum.healthy.reconstruct\n"
        "found = {'matplotlib', 'numba', 'nilearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
