"""Owner and mode of what has to be created, with the defaults by its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..config.placement import Ownership, Placement
from ..errors import ConfigError
from ..lazy import regex
from ..paths import within

OPEN, PRIVATE = 0o755, 0o700  # directories
READABLE, OWN = 0o644, 0o600  # files
# What its own service would refuse, or somebody else would see into, with another mode.
_MODES: Mapping[bytes, int] = {
    b"/root": PRIVATE,
    b"/var/lib/private": PRIVATE,
    b"/var/cache/private": PRIVATE,
}

_CLAUSE = regex(r"([ugoa]+)([=+-])([rwxXst]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1, "X": 1}
_SPECIAL = {
    ("u", "s"): 0o4000,
    ("g", "s"): 0o2000,
    ("o", "t"): 0o1000,
    ("u", "t"): 0o1000,
    ("g", "t"): 0o1000,
}


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users and groups of the system that declarations name."""

    users: Mapping[str, tuple[int, int]]  # uid, and the gid of the user's own group
    groups: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Owner:
    """Numbers and mode of something to create."""

    uid: int
    gid: int
    mode: int


def of_declared(one: Placement, accounts: Accounts) -> Owner:
    """Return how the declared path is created if it is missing.  Raises ConfigError for an unknown name."""
    if one.declaration.directory:
        usual = _MODES.get(one.declaration.path, PRIVATE if one.user else OPEN)
    else:
        usual = OWN if one.user else READABLE
    return _owner(one, one.own, usual, accounts)


def of_parent(one: Placement, directory: bytes, accounts: Accounts) -> Owner:
    """Return how a directory on the way to a declared path is created if it is missing.

    Raises ConfigError for an unknown name.
    """
    home, usual = one.home, _MODES.get(directory, OPEN)
    if home is not None and home != directory and within(home, directory):
        return Owner(0, 0, usual)  # where homes lie
    if home == directory:
        return _owner(one, Ownership(one.user), PRIVATE, accounts)
    nearest = one.declaration.path[: one.declaration.path.rfind(b"/")] == directory
    said = one.parent if nearest else one.details.default
    return _owner(one, said, PRIVATE if one.user else usual, accounts)


def explicit(one: Placement, directory: bytes) -> bool:
    """Return whether the declaration itself says how a directory around it is created."""
    nearest = one.declaration.path[: one.declaration.path.rfind(b"/")] == directory
    return nearest and one.parent not in (Ownership(), Ownership(one.user), one.details.default)


def _owner(one: Placement, own: Ownership, usual: int, accounts: Accounts) -> Owner:
    uid, gid = _user(one, own.user or one.user, accounts)
    if own.user not in (None, one.user):
        gid = _user(one, one.user, accounts)[1]  # only the owner was said
    if own.group is not None:
        gid = _group(one, own.group, accounts)
    return Owner(uid, gid, usual if own.mode is None else resolved(own.mode, usual))


def _user(one: Placement, name: str | None, accounts: Accounts) -> tuple[int, int]:
    if name is None:
        return 0, 0
    found = accounts.users.get(name)
    if found is None:
        raise ConfigError(
            f"{one.declaration.source}: there is no user {name} in this system",
            "make the user first, or name another one",
        )
    return found


def _group(one: Placement, name: str, accounts: Accounts) -> int:
    found = accounts.groups.get(name)
    if found is None:
        raise ConfigError(
            f"{one.declaration.source}: there is no group {name} in this system",
            "make the group first, or name another one",
        )
    return found


def resolved(mode: str, before: int) -> int:
    """Return a mode of chmod(1), which changes `before` where it does not say all."""
    if mode.isdigit():
        return int(mode, 8)
    bits = before
    for clause in mode.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ValueError(mode)
        for who in dict.fromkeys(match[1].replace("a", "ugo")):
            shift = _SHIFTS[who]
            value = sum(
                _BITS[letter] << shift for letter in set(match[3].replace("X", "x")) if letter in _BITS
            )
            value |= sum(_SPECIAL.get((who, letter), 0) for letter in set(match[3]))
            if match[2] == "=":
                bits = bits & ~(7 << shift) | value
            else:
                bits = bits | value if match[2] == "+" else bits & ~value
    return bits
