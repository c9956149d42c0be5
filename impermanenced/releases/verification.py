"""Whether a release is still what it was when it was closed."""

from __future__ import annotations

from dataclasses import dataclass

from ..text import to_text
from ..volumes.machine import Machine
from . import difference, manifest, promotion
from .listing import Known, Place, Releases
from .record import Release

MOST = 1000  # paths that are named


@dataclass(frozen=True, slots=True)
class Verification:
    """What is wrong with a release."""

    faults: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()  # that are not as they were


def verify(machine: Machine, releases: Releases, known: Known, *, content: bool) -> Verification:
    """Return what is wrong; with `content` every file is read, else BTRFS says what was written.

    Both find whatever was written to it.  Only reading finds what the disk no longer returns.
    """
    release, place = known.release, known.place
    if place is None:
        return Verification(("it was deleted",))
    faults = [] if place.read_only else [f"{to_text(place.path)} can be written to"]
    if release is None:
        return Verification((*faults, "nobody has recorded it: the next change of the blank does"))
    machine.sync()
    if machine.subvolume(place.id).ctransid > release.transid:
        faults.append("it was written to after it was closed")
        paths = difference.written(machine, releases.volume, place, release.transid)
    else:
        paths = []
    if content:
        more, others = _read(machine, releases, place, release)
        faults += more
        paths = sorted({*paths, *others})
    return Verification(tuple(faults), tuple(paths[:MOST]))


def _read(
    machine: Machine, releases: Releases, place: Place, release: Release
) -> tuple[list[str], list[bytes]]:
    """Return what reading everything finds, in words, and as paths."""
    try:
        with promotion.opened(machine, place) as fd:
            found = manifest.read(fd)
    except OSError as error:
        named = error.filename if isinstance(error.filename, bytes) else b""
        return [f"it cannot be read: {error.strerror}"], [named] if named.startswith(b"/") else []
    if found.digest == release.manifest:
        return [], []
    kept = promotion.kept_manifest(machine, releases.volume, release)
    faults = ["it does not hold what its manifest says"]
    if kept is None:
        return [*faults, "and the manifest itself is gone or damaged"], []
    now = {line.path: line.content for line in found.lines}
    then = {line.path: line.content for line in kept.lines}
    paths = (path for path in now.keys() | then.keys() if now.get(path) != then.get(path))
    above = releases.volume.path.rstrip(b"/")
    return faults, sorted(above + path for path in paths)
