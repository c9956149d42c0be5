"""The words for a rollback that did not do what it is for."""

from __future__ import annotations

import time

from ..boots import examine, initrds, outcome, remedy
from ..boots.outcome import Trouble
from ..boots.remedy import Names, Remedy
from ..text import to_text


def line(found: Trouble) -> str:
    """Return what happened and since when, without control characters, whatever the hook said."""
    why = reason(found)
    since = f" since {_moment(found.since)}" if found.since else ""
    if found.kind == outcome.HELD:
        return f"wiping pauses{since}, after boots that did not complete: the last good root is held"
    if found.kind == outcome.GAVE_WAY:
        return f"a new blank is not what boots{since}: {why}"
    if found.kind == outcome.OTHER:
        return f"another root runs than the one that is rolled back{since}: {why}"
    row = f" for {found.boots:,} boots in a row{since}" if found.boots > 1 else since
    how = {
        outcome.REFUSED: "refused",
        outcome.FAILED: "failed",
        outcome.DIED: "broke off",
        outcome.ABSENT: "did not run",
    }[found.kind]
    return f"not rolled back{row}: the rollback {how}, {why}"


def login_line(found: Trouble) -> str:
    """Return the line for every login: what happened, since when, and what to do."""
    return f"impermanence: {line(found)}. {to_do(found).line}"


def to_do(found: Trouble, names: Names | None = None) -> Remedy:
    """Return what to do; `names` are those of the system, and None those of the one that runs."""
    if found.kind == outcome.HELD:
        return Remedy("Mend the blank, then", ("impermanence next wipe",))
    if found.image:
        # This boot has written to the filesystems that the image believes it knows.
        return Remedy("Do not resume it any more: mkswap, or boot once with noresume")
    if names is None:
        names = remedy.names_of_root(b"/")
        if names.volume == remedy.NO_NAMES.volume:  # there are several: the program knows which one it is
            names = remedy.names_of_root(b"/", examine.this_system().volume)
    if found.kind == outcome.ABSENT:
        return Remedy("Nothing is lost. Build the initrd anew, with the hook in it", initrds.rebuild())
    row = remedy.of(found.code, names)
    if row is not None and found.kind == outcome.GAVE_WAY:
        return Remedy(f"To do: {row.words}", row.commands)
    if row is None:
        return Remedy("Nothing is lost. What the boots before it did", ("impermanence boots",))
    return Remedy(f"Nothing is lost. To do: {row.words}", row.commands)


def reason(found: Trouble) -> str:
    """Return the hook's reason, fit for a terminal."""
    return to_text(found.reason.encode())


def not_rolled_back(found: Trouble, names: Names | None = None) -> str:
    """Return the lines for `status`; `names` as above."""
    return f"{line(found)}.\n  {to_do(found, names).line}"


def _moment(seconds: int) -> str:
    return time.strftime("%a %Y-%m-%d %H:%M", time.localtime(seconds))
