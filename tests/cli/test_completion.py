import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete -")]
)
def test_completion_for_each_shell(sanum, shell, sign, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    ran = sanum("--show-completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert sign in ran.out


def test_bash_completes(tmp_path):
    """Installed into a home, and asked as bash asks."""
    program = tmp_path / "sanum"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sanum "$@"\n')
    program.chmod(0o755)
    home = {**os.environ, "HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    home["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    subprocess.run([program, "--install-completion", "bash"], env=home, check=True, capture_output=True)
    ask = (
        "source ~/.bash_completions/sanum.sh; COMP_WORDS=(sanum weights ve); COMP_CWORD=2; "
        '_sanum_completion sanum; echo "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "-c", ask], env=home, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("verify\n", "")
