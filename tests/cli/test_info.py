import json
import subprocess
import sys

import sanum as package
from sanum.cli.info import devices, shipped_weights


def test_json(sanum):
    ran = sanum("info", "--json")
    assert (ran.code, ran.err) == (0, "")
    facts = json.loads(ran.out)
    assert facts["version"] == package.__version__
    assert "cpu" in facts["devices"]
    assert facts["weights"] == shipped_weights()


def test_text(sanum):
    ran = sanum("info")
    assert (ran.code, ran.err) == (0, "")
    assert f"version   {package.__version__}" in ran.out


def test_the_weights_are_named_with_the_digest_of_the_file():
    from sanum.files import sha256
    from sanum.weights.store import resolve

    shipped = resolve("una-compact")
    assert f"una-compact {sha256(shipped)}" in shipped_weights()
    assert shipped.stat().st_size <= 25e6


def test_devices_begin_with_the_one_that_is_always_there():
    assert devices()[0] == "cpu"


def test_neither_info_nor_help_imports_what_is_slow():
    code = (
        "import sys\n"
        "from sanum.cli.main import main\n"
        "for words in (['info', '--json'], ['--help'], ['reconstruct', '--help']):\n"
        "    sys.argv = ['sanum', *words]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as left:\n"
        "        assert left.code == 0\n"
        "slow = {'torch', 'numpy', 'scipy', 'nibabel', 'numba', 'SimpleITK'} & set(sys.modules)\n"
        "sys.exit(f'imported {slow}' if slow else 0)\n"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
