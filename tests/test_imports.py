import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_imports_point_down_the_floors():
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Imports point down the floors of the house KEPT" in ran.stdout


def test_the_fluid_knows_no_files_and_no_networks():
    code = (
        "import sys, sanum.fluid\n"
        "found = {'nibabel', 'torch', 'SimpleITK'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
