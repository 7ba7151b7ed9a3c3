"""What a scan is, and how scans come in and go out (floor 2)."""

from .errors import ScanError
from .read import read
from .scan import Scan
from .write import atomic_path, write

__all__ = ["Scan", "ScanError", "atomic_path", "read", "write"]
