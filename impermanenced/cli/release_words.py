"""The releases of a blank in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

from ..boots.doctor import Finding
from ..releases.accounts import Names
from ..releases.along import Along
from ..releases.change import Changed
from ..releases.difference import Differences
from ..releases.listing import Known, Releases
from ..releases.retention import Done, Old, Plan
from ..releases.verification import Verification
from ..releases.versions import Package
from ..text import first_of, size_to_text, to_text
from . import output, wording
from .verb import Shared

MOST = 20  # packages that are named in a line
NAMED = 5  # paths
_STATES = "blank", "before", "failed", "written to", "deleted"


def table(releases: Releases, now: float) -> str:
    """Return a line for each release, the newest first."""
    rows = [("release", "when", "made by", "boots", "state", "what")]
    for known in releases.known:
        rows.append(
            (
                name(known),
                "" if known.release is None else wording.age(known.release.time, now),
                "" if known.release is None else known.release.maker,
                boots(known),
                ", ".join(states(known)),
                "" if known.release is None else to_text(known.release.words.encode()),
            )
        )
    widths = [max(wording.width(row[column]) for row in rows) for column in range(5)]
    lines = []
    for *cells, last in rows:
        padded = [wording.pad(cell, width) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  ".join(["", *padded, last]).rstrip())
    lines += [f"  {to_text(path)} has the name of a release, and is none" for path in releases.strange]
    lines += [f"  {fault}" for fault in releases.broken]
    return "\n".join(lines) + "\n"


def name(known: Known) -> str:
    """Return the number of a release, or a dash for a blank that nobody has counted yet."""
    return "-" if known.number is None else str(known.number)


def states(known: Known) -> Iterator[str]:
    """Yield what a release is, in words."""
    flags = known.current, known.before, known.failed, known.written, known.place is None
    yield from (word for word, flag in zip(_STATES, flags, strict=True) if flag)


def boots(known: Known) -> str:
    """Return how many boots were wiped to a release, and whether one was good."""
    if not known.boots:
        return "none"
    return f"{known.boots:,}" if known.good is not None else f"{known.boots:,}, none good"


def accounts(names: Names, *, dry_run: bool) -> str:
    """Return whose lines in which files are brought into the blank, or would be."""
    if not names:
        return "the blank has the accounts as they are here: nothing to do\n"
    head = "would bring into the blank, without --dry-run:" if dry_run else "brought into the blank:"
    lines = [f"  {to_text(path)}: {first_of(found, MOST)}" for path, found in names.items()]
    return "\n".join([head, *lines]) + "\n"


def one(releases: Releases, known: Known, now: float) -> str:
    """Return all that is known of a release."""
    release, place = known.release, known.place
    where = "deleted" if place is None else to_text(place.path)
    role = ", what the next boot wipes to" if known.current else ""
    lines = [f"release {name(known)} of volume {releases.volume.name}: {where}{role}."]
    if release is None:
        lines.append("  made      before releases were counted; the next change of the blank counts it")
    else:
        base = "" if release.base is None else f" from release {release.base}"
        what = f": {to_text(release.words.encode())}" if release.words else ""
        lines.append(f"  made      {wording.age(release.time, now)} by {release.maker}{base}{what}")
        lines.append(f"  holds     {wording.plural(release.files, 'file')}, {size_to_text(release.size)}")
        lines.append(f"  manifest  {release.manifest or 'none'}")
    lines.append(f"  boots     {boots(known)}" + (f"; the last good one {known.good}" if known.good else ""))
    if known.written:
        lines.append("  changed   somebody has written to it since it was closed")
    if known.failed:
        lines.append("  failed    it gave way to the one before it, after boots that did not complete")
    before = next((other for other in releases.known if other.before), None)
    if known.current and before is not None:
        lines.append(f"  before    release {before.number} takes over if three boots of it do not complete")
        lines.append(f"  back      impermanence blank revert {before.number}")
    return "\n".join(lines) + "\n"


def verified(known: Known, found: Verification, *, content: bool) -> str:
    """Return what a verification has found."""
    which = f"release {name(known)}"
    if not found.faults and not found.paths:
        how = "every file was read" if content else "nobody has written to it; --content reads every file"
        return f"{which} is what it was when it was closed: {how}.\n"
    lines = [f"{which} is not what it was:", *(f"  {fault}" for fault in found.faults)]
    return "\n".join([*lines, *(f"    {to_text(path)}" for path in found.paths)]) + "\n"


def differences(before: Known, after: Known, found: Differences) -> str:
    """Return what one release has and another has not: packages first, then paths."""
    lines = [f"from release {name(before)} to release {name(after)}:"]
    lines += [f"  {package(one)}" for one in found.packages]
    lines += [f"  {found.note}"] if found.note else []
    lines += [f"{one.letters} {to_text(one.path)}" for one in found.paths]
    if len(lines) == 1:
        return f"release {name(before)} and release {name(after)} hold the same.\n"
    return "\n".join(lines) + "\n"


def package(one: Package) -> str:
    """Return in what a package differs."""
    if one.before is None:
        return f"+ {one.name} {one.after}"
    if one.after is None:
        return f"- {one.name} {one.before}"
    return f"  {one.name} {one.before} -> {one.after}"


def changed(done: Changed, *, dry_run: bool) -> str:
    """Return what has become of a change of the blank, and how to take it back."""
    lines = list(findings(done.findings))
    lines += [*_along(done.along)]
    if done.release is None:
        lines.append("nothing was changed" + (": this was a trial" if dry_run else ""))
    else:
        lines.append(f"release {name(done.release)} is what the next boot wipes to.")
        lines.append(f"undo: impermanence blank revert {name(done.before)}" if done.before.number else "")
    return "\n".join(filter(None, lines)) + "\n"


def _along(along: Along) -> Iterator[str]:
    paths, removed = along.brought.paths, along.brought.removed
    if paths:
        yield f"brought into the running system: {first_of(sorted(paths), NAMED)}"
    if removed:
        yield f"removed from the running system: {first_of(sorted(removed), NAMED)}"
    if paths or removed:
        yield f"kernel of the next boot: {along.kernel}"
    if along.note is not None:
        yield f"note: {along.note}"


def findings(found: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of findings that keep nothing from being done."""
    for finding in found:
        yield f"{finding.severity}: {finding.what}"
        if finding.hint:
            yield f"  hint: {finding.hint}"


def counted(shared: Shared) -> Callable[[int], None]:
    """Return what shows how many files were read, on a terminal."""
    if shared.json or sys.stderr is None or not sys.stderr.isatty():
        return lambda files: None
    return lambda files: output.over(f"{files:,} files read" if files else "")


# Retention


def retention(plan: Plan) -> str:
    """Return which releases would go, and which stay and why; nothing where there are none."""
    lines = []
    if plan.go:
        lines += ["", "  releases of the blank to delete:"]
        lines += [f"    {_old(old)}" for old in plan.go]
    if plan.stay:
        lines += ["", "  releases that stay:"]
        lines += [f"    {_old(old)}  {why}" for old, why in plan.stay]
    return "\n".join(lines) + "\n" if lines else ""


def deleted(done: Done | None) -> str:
    """Return how many releases were deleted; nothing where there were none."""
    return "" if done is None else f"{wording.plural(len(done.gone), 'release')} deleted.\n"


def _old(old: Old) -> str:
    what = "half made, when the power went" if old.number is None else f"release {old.number}"
    return f"{to_text(old.place.path)}  {what} of {old.volume.name}"
