"""Modules that most runs never need: they are found at once, and loaded when something is asked of them."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def at_first_use(name: str) -> ModuleType:
    """See importlib.util.LazyLoader."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
