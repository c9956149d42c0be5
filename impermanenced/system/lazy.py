"""Modules that most runs never need: they are found at once, and loaded when something is asked of them.

importlib.util.LazyLoader does not serve: with it `import` itself asks, so that a library's own line loads all
of what it was put off for.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from types import ModuleType

_lock = threading.RLock()


class _Later(ModuleType):
    """What stands in `sys.modules` until then."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked by the machinery of imports, and by who looks at all modules
            raise AttributeError(name)
        with _lock:
            if type(self) is _Later:
                assert self.__spec__ is not None and self.__spec__.loader is not None
                self.__class__ = _Loading  # type: ignore[assignment]
                try:
                    self.__spec__.loader.exec_module(self)
                except BaseException:
                    self.__class__ = _Later
                    raise
                self.__class__ = ModuleType  # type: ignore[assignment]
        return getattr(self, name)


class _Loading(ModuleType):
    """Its own thread may look at it, others wait until it is whole."""

    def __getattr__(self, name: str) -> object:
        with _lock:
            if type(self) is _Loading:
                raise AttributeError(name)
        return getattr(self, name)


def at_first_use(name: str) -> ModuleType:
    """The module, or what becomes it."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = _Later(name)
    module.__spec__, module.__loader__ = spec, spec.loader
    module.__file__ = spec.origin
    module.__package__ = spec.parent
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    sys.modules[name] = module
    return module
