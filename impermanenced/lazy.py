"""What most runs never need: modules and regular expressions that are made when they are first used.

A command is a process of its own, so whatever its modules prepare is paid for at each start.

importlib.util.LazyLoader cannot do this for modules: with it the `import` statement itself uses the module,
so a library's own import would load it.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, AnyStr, cast


class Deferred:
    """Stands for a module, which is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


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
