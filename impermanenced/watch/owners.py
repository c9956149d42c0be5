"""The owners between whom what is bounded is shared, so that nobody crowds out another.

Users of a user namespace have many uids, in blocks of 65536 as /etc/subuid gives them: a block is one owner.
"""

from __future__ import annotations

from collections.abc import Mapping

_BLOCK = 16  # bits of a uid within a block
UNKNOWN = -1


def owner_of(uid: int | None) -> int:
    """Return the owner that a uid belongs to: a number below zero for a block or an unknown one."""
    if uid is None or uid < 0:
        return UNKNOWN
    return uid if not uid >> _BLOCK else UNKNOWN - (uid >> _BLOCK)


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
