from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sanum.cli.main import main
from sanum.methods import registry


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def refused(self) -> str:
        """The one sentence on stderr of a command that was refused (exit code 2, nothing on stdout)."""
        assert self.code == 2, self
        assert self.out == "", self
        assert self.err.startswith("sanum: "), self
        assert self.err.endswith("\n"), self
        assert self.err.count("\n") == 1, self
        assert len(self.err) > 40, self
        return self.err.removeprefix("sanum: ").rstrip("\n")


@pytest.fixture
def sanum(monkeypatch, capfd) -> Callable[..., Ran]:
    """Run a command line in this process; stdout and stderr down to what native libraries write."""

    def run(*words) -> Ran:
        monkeypatch.setattr("sys.argv", ["sanum", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return Ran(left.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def quick(monkeypatch, rough_mirror, no_pictures, phantom_predictor):
    """`sanum reconstruct` with the method that knows the phantom, in place of the network."""
    monkeypatch.setattr(registry, "load", lambda **_: phantom_predictor)
