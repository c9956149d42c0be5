"""What to do about the state of a declaration, in words and as commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..config.placement import Placement
from ..model import Advice, AdviceKind
from ..text import to_text
from .state import Reason

APPLY = "impermanence apply"


def remedy_of(
    one: Placement, source: bytes, reason: Reason, advice: tuple[Advice, ...]
) -> tuple[str, tuple[str, ...]]:
    """Return what to do about a state, in words and as commands."""
    path, place = (shlex.quote(to_text(text)) for text in (one.declaration.path, source))
    match reason:
        case Reason.MOUNTED | Reason.LINKED | Reason.WITHIN | Reason.COPIED:
            return "", ()
        case Reason.ELSEWHERE | Reason.PASSING:
            return f"move what is to last to {place}, and take away what is there", (f"findmnt -T {path}",)
        case Reason.STALE:
            back = f"cp -a --reflink=auto -T {path} {place}"
            return "copy what is mounted back to its place, and mount that", (back, f"umount {path}")
        case Reason.LINK_REPLACED:
            back = f"cp -a --reflink=auto -T {path} {place}"
            return "copy it to the persist volume, and put the link back", (back, f"ln -sfn {place} {path}")
        case Reason.CHANGED:
            return "copy it back", ("impermanence sync",)
        case Reason.NOT_COPIED:
            return "copy it, as the next boot does", ("impermanence apply",)
        case Reason.LEFT_ASIDE:
            return "declare the directory around it, or copy the younger version into what is mounted", ()
        case Reason.NO_SOURCE:
            make = f"mkdir -p {place}" if one.declaration.directory else f"touch {place}"
            return "make the source, or bring it back from a backup", (make,)
        case Reason.KIND:
            return "declare it as what it is", ()
        case Reason.OWNER:
            return "give the source what was declared, or declare what it has", tuple(_chown(one, place))
        case Reason.WIPED:
            return "make a subvolume beside the volume, and mount it there", ()
        case Reason.UNMOUNTED | Reason.UNLINKED:
            return _make_so(advice)
        case Reason.WAITS:
            return "nothing is to be done: entering it mounts it", ()


def _chown(one: Placement, place: str) -> Iterator[str]:
    own = one.own
    if own.user is not None or own.group is not None:
        owner = (own.user or "") + (f":{own.group}" if own.group is not None else "")
        yield f"chown {shlex.quote(owner)} {place}"
    if own.mode is not None:
        yield f"chmod {own.mode} {place}"


def _make_so(advice: tuple[Advice, ...]) -> tuple[str, tuple[str, ...]]:
    if any(kind is AdviceKind.MODULE for kind, _ in advice):
        return "rebuild the system", ()
    return "have it made so; of what lies there already it says what to do", (APPLY,)
