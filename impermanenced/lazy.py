"""What most runs never need: modules and regular expressions that are made when they are first used, and
annotations of named tuples, which nobody evaluates.

A command is a process of its own, so whatever its modules prepare is paid for at each start.

importlib.util.LazyLoader cannot do this for modules: with it the `import` statement itself uses the module,
so a library's own import would load it.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import re
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, AnyStr, cast


class Deferred:
    """Stands for a module, which is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


class _StandIn(types.ModuleType):
    """Stands for a module in those that have imported it; what they ask of it loads that module."""

    def __getattr__(self, attribute: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), attribute)


@contextlib.contextmanager
def put_off(name: str) -> Iterator[None]:
    """Have the modules that are loaded meanwhile get a stand-in for a module that they import and may never
    use.

    Whoever imports that module later gets the module itself.  Where it is loaded already, nothing changes.
    """
    stand_in = _StandIn(name)
    loaded = sys.modules.setdefault(name, stand_in) is not stand_in
    try:
        yield
    finally:
        if not loaded and sys.modules.get(name) is stand_in:
            del sys.modules[name]


class _Uncompiled:
    """Stands for a regular expression; a method of it is looked up once, and then its own attribute."""

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(re.compile(self._pattern, self._flags), attribute)
        setattr(self, attribute, found)
        return found


def regex(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a regular expression that is compiled when it is first used; re.error comes only then."""
    return cast("re.Pattern[AnyStr]", _Uncompiled(pattern, flags))


if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Fields(type):
        """The maker of a named tuple from the body of a class."""

        def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, object]) -> type:
            if not bases:
                return super().__new__(mcs, name, bases, body)
            fields = body.pop("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = collections.namedtuple(name, fields, defaults=defaults, module=body.pop("__module__"))
            for attribute, value in body.items():
                setattr(made, attribute, value)
            made.__annotations__ = fields
            return made

    class NamedTuple(metaclass=_Fields):
        """Does what typing.NamedTuple does, which compiles each annotation and takes three times as long: a
        tenth of a start.  It is not for generic ones.
        """
