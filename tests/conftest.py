"""What several rooms' tests need."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans: `SANUM_DATA`, or `shared/data` beside the repository; skips where neither is."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SANUM_DATA", default))
    if not folder.is_dir():
        pytest.skip("real data is not here (set SANUM_DATA)")
    return folder
