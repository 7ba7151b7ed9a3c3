"""Methods, by task: one folder per published method (floor 4). Calling the module lists them.

>>> import sanum
>>> [entry.name for entry in sanum.methods("anatomy")]
['una', 'synthsr', 'brain-id', 'pepsi', 'mean']
"""

import sys
from types import ModuleType

from .catalog import Catalog, catalog


class _Methods(ModuleType):
    """The module itself, which may be called: `sanum.methods()` beside `sanum.methods.registry`."""

    def __call__(self, task: str | None = None) -> Catalog:
        """Every method with its paper and numbers, or those of one task; prints as a table."""
        return catalog(task)


sys.modules[__name__].__class__ = _Methods
