"""Modules that most runs never need: they are found at once, and loaded when they are first used.

importlib.util.LazyLoader cannot do this: with it the `import` statement itself uses the module, so a
library's own import would load it.
"""

from __future__ import annotations

import importlib
from typing import Any


class Deferred:
    """Stands for a module, which is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)
