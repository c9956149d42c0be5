"""The owners between whom what is bounded is shared, so that nobody crowds out another.

An owner is a login user, with all the uids that this one has in user namespaces.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..system.subids import SubordinateIds

ROOT = 0
UNKNOWN = -1

_IDS = SubordinateIds()


def owner_of(uid: int | None) -> int:
    """Return the uid of the owner that a uid belongs to, or a number below zero for an unknown one."""
    return UNKNOWN if uid is None or uid < 0 else _IDS.owner(uid)


def excess(counts: Mapping[int, int], most: int) -> dict[int, int]:
    """Return {owner: by how much it has too many} so that all have at most `most` together.

    Who has few keeps all of it; the others keep equally many.
    """
    over = {}
    left, owners = most, len(counts)
    for owner, count in sorted(counts.items(), key=lambda one: one[1]):
        share = max(left, 0) // owners
        if count > share:
            over[owner] = count - share
        left -= min(count, share)
        owners -= 1
    return over
