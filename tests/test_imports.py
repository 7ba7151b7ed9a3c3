import subprocess
import sys
import tomllib
from pathlib import Path

from sanum.methods.registry import METHODS

ROOT = Path(__file__).parents[1]


CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_the_contracts_that_make_lint_proves_are_there():
    assert {
        "Imports point down the floors of the house",
        "No method imports another",
        "Methods, weights and outputs are listed without anything heavy",
    } <= {contract["name"] for contract in CONTRACTS}
    assert "$(BIN)/lint-imports\n" in (ROOT / "Makefile").read_text()


def test_the_folder_of_every_method_is_independent():
    """A new task is one more pattern in the contract."""
    (independent,) = (c["modules"] for c in CONTRACTS if c["type"] == "independence")
    assert {f"sanum.methods.{m.module.split('.')[0]}.*" for m in METHODS} == set(independent)


def test_the_fluid_knows_no_files_and_no_networks():
    code = (
        "import sys, sanum.fluid\n"
        "found = {'nibabel', 'torch', 'SimpleITK'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
