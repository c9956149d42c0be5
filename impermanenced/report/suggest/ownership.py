"""Owner, group and mode of what is declared, where they are not the default.

The defaults are those of the Nix modules: root, or the user in whose home it lies and that user's own group;
0755 for a directory, 0644 for a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...config.placement import Ownership
from ...lazy import NamedTuple
from ...paths import ancestors
from ..accounts import DYNAMIC, System, User
from .declarations import Item, Wanted, Way

DIRECTORY, FILE, PRIVATE = 0o755, 0o644, 0o700


class Standing(NamedTuple):
    """The owner and mode of a file.  `gid` is None if it is not known."""

    uid: int
    gid: int | None
    mode: int


def standing(path: bytes, system: System, made: Mapping[bytes, Item]) -> Standing | None:
    """Return how a path is now, or else how the report has it, or None."""
    facts = system.facts(path)
    if facts is not None:
        return Standing(facts.st_uid, facts.st_gid, facts.st_mode & 0o7777)
    item = made.get(path)
    return Standing(item.uid, item.gid, item.mode) if item is not None else None


def of_directory(
    path: bytes, found: Standing | None, user: User | None, system: System, *, secret: bool
) -> Ownership:
    """Return the ownership of a declared directory."""
    hidden = user is not None and path[len(user.home) :].startswith(b"/.")
    if secret and user is not None and hidden:
        # No other user has to enter it, unlike a service's secrets or a folder that is not hidden.
        found = (found or Standing(user.uid, user.gid, PRIVATE))._replace(mode=PRIVATE)
    return _ownership(found, user, system, DIRECTORY)


def of_file(found: Standing | None, user: User | None, system: System) -> Ownership:
    """Return the ownership of a declared file."""
    return _ownership(found, user, system, FILE)


def of_parent(
    parent: bytes, found: Standing | None, user: User | None, system: System, *, private: bool
) -> Ownership:
    """Return the ownership of the directory around a file.  `private` says that it holds nothing but a
    secret.
    """
    if user is not None and system.user(parent) == (user, parent):
        return Ownership()  # the home itself is created with the user
    if private:
        found = (found or Standing(user.uid if user else 0, None, PRIVATE))._replace(mode=PRIVATE)
    return _ownership(found, user, system, DIRECTORY)


def _ownership(found: Standing | None, user: User | None, system: System, usual: int) -> Ownership:
    if found is None:
        return Ownership()
    uid, gid = (user.uid, user.gid) if user else (0, 0)
    owner = group = None
    if found.uid != uid and found.uid not in DYNAMIC:
        owner = system.owner(found.uid)
    if found.gid is not None and found.gid != gid and found.gid not in DYNAMIC:
        group = system.group(found.gid)
    return Ownership(owner, group, None if found.mode == usual else f"{found.mode:04o}")


def ways(wanted: Iterable[Wanted], system: System, made: Mapping[bytes, Item]) -> tuple[Way, ...]:
    """Return the directories above the declared ones that must not be created as root's with mode 0755."""
    paths = {above for one in wanted for above in ancestors(one.path)}
    found = []
    for path in sorted(paths):
        how = standing(path, system, made)
        if how is None or (how.uid, how.gid or 0, how.mode) == (0, 0, DIRECTORY):
            continue
        group = system.group(how.gid) if how.gid is not None else "-"
        homely = system.user(path) is not None
        found.append(Way(path, system.owner(how.uid), group, how.mode, path in made, homely))
    return tuple(found)
