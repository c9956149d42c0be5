"""The state of each declaration: active, not active or inconsistent, with the reason and what to do.

    active          the path is kept, by a mount of its source, by a link to it, or by a mount above both
    not active      nothing was made for the declaration: what is written there goes with the next boot
    inconsistent    something is there, and it is not what was declared

Data may be kept where the declaration is inconsistent: by another mount, or in a source of another mode.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class State(enum.StrEnum):
    """The states that a declaration can be in."""

    ACTIVE = "active"
    INACTIVE = "not-active"
    INCONSISTENT = "inconsistent"


class Reason(enum.StrEnum):
    """The reasons for a state; `STATES` says for which."""

    MOUNTED = "mounted"
    LINKED = "linked"
    WITHIN = "within"  # a mount above it, which has the source too
    COPIED = "copied"  # a file with the content of its source
    UNMOUNTED = "not-mounted"
    UNLINKED = "not-linked"
    NOT_COPIED = "not-copied"
    WAITS = "waits"  # until something enters it: an automount
    ELSEWHERE = "elsewhere"  # mounted or linked from elsewhere
    PASSING = "passing"  # a tmpfs or the like is mounted over it
    STALE = "stale"  # what is mounted was removed from its place
    LINK_REPLACED = "link-replaced"  # a file or directory is where the link belongs
    CHANGED = "changed"  # a copy that is not copied back yet
    LEFT_ASIDE = "left-aside"  # a program could not put its new version in the place of a mount
    NO_SOURCE = "no-source"
    KIND = "kind"  # a file is declared as a directory, or a directory as a file
    OWNER = "owner"  # owner, group or mode are not as declared
    WIPED = "wiped"  # the persist volume lies in a volume


STATES: Mapping[Reason, State] = {
    Reason.MOUNTED: State.ACTIVE,
    Reason.LINKED: State.ACTIVE,
    Reason.WITHIN: State.ACTIVE,
    Reason.COPIED: State.ACTIVE,
    Reason.UNMOUNTED: State.INACTIVE,
    Reason.UNLINKED: State.INACTIVE,
    Reason.NOT_COPIED: State.INACTIVE,
    Reason.WAITS: State.INACTIVE,
    Reason.ELSEWHERE: State.INCONSISTENT,
    Reason.PASSING: State.INCONSISTENT,
    Reason.STALE: State.INCONSISTENT,
    Reason.LINK_REPLACED: State.INCONSISTENT,
    Reason.CHANGED: State.INCONSISTENT,
    Reason.LEFT_ASIDE: State.INCONSISTENT,
    Reason.NO_SOURCE: State.INCONSISTENT,
    Reason.KIND: State.INCONSISTENT,
    Reason.OWNER: State.INCONSISTENT,
    Reason.WIPED: State.INCONSISTENT,
}

# Reasons with which the data is kept all the same, where a mount or a link says so.
KEPT = (
    Reason.MOUNTED,
    Reason.LINKED,
    Reason.WITHIN,
    Reason.COPIED,
    Reason.ELSEWHERE,
    Reason.LEFT_ASIDE,
    Reason.KIND,
    Reason.OWNER,
)


@dataclass(frozen=True, slots=True)
class Declared:
    """One declaration and its state."""

    path: bytes  # in the system that it belongs to
    source: bytes  # its place in the persist volume, a path of the same system
    directory: bool
    persist: bytes
    method: str
    by: str  # the file and the key that declare it
    reason: Reason
    words: str  # the reason, for a person
    hint: str = ""  # what to do about it; "" if it is active
    commands: tuple[str, ...] = ()  # that do what the hint says
    kept: bool = False  # whether the next boot leaves alone what is there
    early: bool = False  # whether it is there before the system starts
    uid: int | None = None  # the user that it belongs to; None: root alone sees it

    @property
    def state(self) -> State:
        """Return the state that the reason stands for."""
        return STATES[self.reason]


def visible_to(found: Sequence[Declared], uid: int) -> Sequence[Declared]:
    """Return the declarations that a user may see: root all, another user those of that user's files."""
    return found if uid == 0 else [one for one in found if one.uid == uid]
