"""The declaration of a path that somebody asked for, as it is now."""

from __future__ import annotations

import os
import stat

from ...config.placement import Ownership
from ..accounts import System
from .declarations import Wanted
from .ownership import of_directory, of_file, of_parent, standing


def declaration_of(path: bytes, persist: bytes, system: System) -> Wanted:
    """Return the declaration that keeps a path of the system with the owner and mode that it has."""
    facts = system.facts(path)
    directory = facts is None or stat.S_ISDIR(facts.st_mode)
    user, home = system.user(path) or (None, None)
    now = standing(path, system, {})
    parent = Ownership()
    if directory:
        own = of_directory(path, now, user, system, secret=False)
    else:
        own = of_file(now, user, system)
        above = os.path.dirname(path)
        parent = of_parent(above, standing(above, system, {}), user, system, private=False)
    return Wanted(path, directory, persist, user.name if user else None, home, own, parent)
