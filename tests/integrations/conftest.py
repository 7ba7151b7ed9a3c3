"""The made-up head of the generator's tests, here too."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location("synth_phantom", Path(__file__).parents[1] / "synth" / "conftest.py")
_phantom = module_from_spec(_spec)
_spec.loader.exec_module(_phantom)
anatomy = _phantom.anatomy
