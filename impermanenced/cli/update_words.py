"""An update in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..releases.etc import Merge, Outcome
from ..releases.update import Updated
from ..releases.versions import Package
from ..text import first_of
from . import release_words

MOST = 40  # packages that are listed
NAMED = 5  # paths

_OUTCOMES = {
    Outcome.MERGED: "changed here and by the update, and merged",
    Outcome.MINE: "changed here and by the update: as here",
    Outcome.NEW: "changed here and by the update: as the update has it",
    Outcome.HIDDEN: "changed by the update, and hidden by what is declared",
    Outcome.LOST: "changed here alone: the next boot takes it away",
}


def text(done: Updated, *, dry_run: bool) -> str:
    """Return what an update has done, or would do."""
    lines = [release_words.package(one) for one in done.packages[:MOST]]
    if len(done.packages) > MOST:
        lines.append(f"  and {len(done.packages) - MOST:,} packages more")
    lines += [*_merged(done.merges)]
    lines += [f"note: {note}" for note in done.notes]
    return "".join(f"{line}\n" for line in lines) + release_words.changed(done.changed, dry_run=dry_run)


def notice(packages: Sequence[Package]) -> str:
    """Return the line that says which packages the next boot takes away or brings back; "" for none."""
    if not packages:
        return ""
    names = ", ".join(one.name.partition(":")[0] for one in packages[:NAMED])
    more = f" and {len(packages) - NAMED:,} more" if len(packages) > NAMED else ""
    return (
        f"impermanence: not as in the blank: {names}{more}; the next boot undoes that, unless you keep it:  "
        "impermanence update --same\n"
    )


def _merged(merges: tuple[Merge, ...]) -> Iterator[str]:
    for outcome, words in _OUTCOMES.items():
        paths = [one.path for one in merges if one.outcome is outcome]
        if paths:
            yield f"{words}: {first_of(paths, NAMED)}"
