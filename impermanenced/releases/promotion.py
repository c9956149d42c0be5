"""The change of the blank: a release that is made becomes what the next boot wipes to, in steps of which each
leaves a machine that boots.

    1  the release leaves staging/ as <blank>@next, becomes read-only, and gets its record     commit
    2  rollback.env names it as the blank, and the one before                                 commit
    3  <blank> and <blank>@next exchange names                                                commit
    4  <blank>@next, which is the one before now, becomes <blank>@N                            commit

Cut before 2, the release is one that never was the blank; before 3, the one before is the blank still, which
rollback.env knows as well.  `settle` gives all of them the names and the record that fit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator

import btrfsutil

from ..boots import history, records
from ..boots.records import RollbackEnv
from ..errors import ImpermanenceError, RecordError
from ..kernel import btrfs, libc
from ..model import Volume
from ..state import NEXT_BLANK, ROLLBACK, SOURCE, passing_path, release_file, release_path
from ..system import atomic
from ..text import to_text
from ..volumes.machine import Machine, system_root
from . import listing, manifest
from .listing import Known, Place, Releases, place_of
from .manifest import Manifest
from .record import Maker, Release, format_release

Progress = Callable[[int], None]


def quiet(files: int) -> None:
    """Show no progress."""


def current(machine: Machine, volume: Volume) -> Known:
    """Return what the next boot wipes to."""
    return listing.read(machine, volume).current


def count_current(
    machine: Machine, volume: Volume, *, maker: Maker = Maker.FOUND, words: str = ""
) -> Release:
    """Return the record of the blank, and write it if nobody has yet; the lock must be held."""
    releases = listing.read(machine, volume)
    now = releases.current
    if now.place is not None and not now.place.read_only:
        what = f"the blank {to_text(now.place.path)} can be written to: it is no release"
        raise ImpermanenceError(what, "impermanence doctor")
    if now.release is not None:
        return now.release
    assert now.place is not None
    return _record(machine, releases, now.place, Release(0, "", 0, 0, maker, words))


def close(
    machine: Machine,
    volume: Volume,
    maker: Maker,
    words: str,
    base: Release,
    progress: Progress = quiet,
) -> Known:
    """Record the staged release, and put it beside the blank, read-only; return it.  The lock
    must be held.
    """
    machine.sync()
    staged = place_of(machine, NEXT_BLANK)
    assert staged is not None
    draft = Release(0, "", 0, 0, maker, words, base.number)
    release = _record(machine, listing.read(machine, volume), staged, draft, progress)
    passing = passing_path(volume.blank or b"")
    # BTRFS moves no read-only subvolume to another directory, so it becomes read-only beside the blank.
    move(machine, NEXT_BLANK, passing)
    btrfsutil.set_subvolume_read_only(machine.at(passing), True)
    machine.sync()
    return Known(release, place_of(machine, passing))


def _record(
    machine: Machine, releases: Releases, place: Place, draft: Release, progress: Progress = quiet
) -> Release:
    number, volume = releases.next_number, releases.volume.name
    found = _manifest(machine, releases, place, draft.base, progress)
    release = dataclasses.replace(
        draft,
        number=number,
        uuid=place.uuid,
        transid=place.transid,
        time=int(time.time()),
        manifest=found.digest,
        files=len(found.lines),
        size=found.size,
    )
    atomic.replace(machine.at(release_file(volume, number, manifest=True)), manifest.pack(found))
    atomic.replace(machine.at(release_file(volume, number)), format_release(release))
    machine.sync()
    return release


def _manifest(
    machine: Machine, releases: Releases, place: Place, base: int | None, progress: Progress
) -> Manifest:
    """Return the manifest of a subvolume; what it has from the release `base` is not read again."""
    known, changed = None, frozenset[int]()
    before = None if base is None else releases.of(base)
    if before is not None and before.release is not None and before.release.uuid == place.parent:
        kept = None if before.written else kept_manifest(machine, releases.volume, before.release)
        if kept is not None:
            known = {line.inode: line for line in kept.lines}
            changed = frozenset(btrfs.Tree(machine.top, place.id).changed(place.otransid - 1).inodes)
    with opened(machine, place) as fd:
        return manifest.read(fd, known, changed, progress)


def kept_manifest(machine: Machine, volume: Volume, release: Release) -> Manifest | None:
    """Return a release's manifest as it was when it was closed, or None if the file is not that any more."""
    path = release_file(volume.name, release.number, manifest=True)
    try:
        with open(machine.at(path), "rb") as stream:
            found = manifest.unpack(stream.read())
    except (OSError, RecordError):
        return None
    return found if found.digest == release.manifest else None


@contextlib.contextmanager
def opened(machine: Machine, place: Place) -> Iterator[int]:
    """Open a release at its root."""
    fd = os.open(machine.at(place.path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def promote(machine: Machine, volume: Volume, release: Known) -> None:
    """Make a release that lies as <blank>@next the blank of the next boot.  The lock must be held.

    Raises ImpermanenceError if the hook would not take it.
    """
    blank = volume.blank or b""
    passing = passing_path(blank)
    now = current(machine, volume).release
    assert now is not None and release.release is not None
    kept = release_path(blank, now.number)
    if os.path.lexists(machine.at(kept)):
        raise ImpermanenceError(f"{to_text(kept)} has the name that the present blank needs", "move it away")
    _obey(
        machine,
        volume,
        blank_uuid=release.release.uuid,
        before=kept,
        before_uuid=now.uuid,
    )
    exchange(machine, passing, blank)
    machine.sync()
    move(machine, passing, kept)
    machine.sync()


def revert(machine: Machine, volume: Volume, release: Known) -> None:
    """Make a release that is kept the blank of the next boot.  The lock must be held."""
    assert release.place is not None
    passing = passing_path(volume.blank or b"")
    if release.place.path != passing:
        move(machine, release.place.path, passing)
        machine.sync()
    promote(machine, volume, release)


def _obey(machine: Machine, volume: Volume, **changes: str | bytes | None) -> None:
    """Write the releases into the record of the hook, if there is one."""
    rollback = history.rollback_env(machine)
    if rollback is None:
        return
    for one in rollback.volumes:
        if one.name == volume.name and one.blank != volume.blank:
            blanks = [to_text(path or b"") for path in (one.blank, volume.blank)]
            raise ImpermanenceError(
                f"the initrd rolls {volume.name} back to {blanks[0]}, and the configuration says {blanks[1]}",
                "impermanence setup",
            )
    changed = tuple(
        one._replace(**changes) if one.name == volume.name else one  # type: ignore[arg-type]
        for one in rollback.volumes
    )
    _write(machine, rollback._replace(volumes=changed))


def _write(machine: Machine, rollback: RollbackEnv) -> None:
    content = records.format_rollback(rollback)
    if records.read(machine.at(ROLLBACK), ROLLBACK) != content:
        atomic.replace(machine.at(ROLLBACK), content)
        machine.sync()


def refuse_fixed(machine: Machine, volume: Volume) -> None:
    """Raise ImpermanenceError if a record inside the initrds names the UUID of the blank: no other can be."""
    root = system_root(machine.volumes)
    path = None if root is None else os.path.join(root, SOURCE)
    if path is None or not os.path.lexists(path):
        return
    copied = records.parse_rollback(records.read(path, SOURCE), SOURCE)
    for one in copied.volumes:
        if one.name == volume.name and one.blank_uuid is not None:
            raise ImpermanenceError(
                f"/{to_text(SOURCE)}, which the initrds have, allows no blank but {one.blank_uuid}",
                "take BLANK_UUID out of it, and build the initrds anew",
            )


# After a cut, and after a blank that gave way


def settle(machine: Machine, volume: Volume) -> list[str]:
    """Give releases the names that fit, and the hook the record that does; return what was done, in words.

    The lock must be held.
    """
    blank = volume.blank or b""
    done = _settle_record(machine, volume)
    for known in listing.read(machine, volume).known:
        if known.release is None or known.place is None or known.current:
            continue
        kept = release_path(blank, known.release.number)
        if known.place.path == kept:
            continue
        if os.path.lexists(machine.at(kept)):
            other = place_of(machine, kept)
            if other is None or other.uuid not in _recorded(machine, volume):
                what = f"{to_text(kept)} has the name of release {known.release.number}"
                raise ImpermanenceError(what, "move it away")
            exchange(machine, known.place.path, kept)
        else:
            move(machine, known.place.path, kept)
        machine.sync()
        done.append(f"release {known.release.number} is {to_text(kept)}")
    return done


def _recorded(machine: Machine, volume: Volume) -> set[str]:
    return {one.release.uuid for one in listing.read(machine, volume).known if one.release is not None}


def _settle_record(machine: Machine, volume: Volume) -> list[str]:
    obeyed = listing.obeyed_volume(machine, volume)
    releases = listing.read(machine, volume)
    if obeyed is None or releases.current.release is None:
        return []
    now = releases.current.release
    if obeyed.before_uuid == now.uuid:  # a promotion that was cut, or a blank that gave way
        other = releases.with_uuid(obeyed.blank_uuid)
        _obey(machine, volume, blank_uuid=now.uuid, before=None, before_uuid=None)
        number = None if other is None else other.number
        return [f"release {now.number} is the blank, in place of {'another' if number is None else number}"]
    if obeyed.before_uuid is None or obeyed.blank_uuid != now.uuid:
        return []
    before = releases.with_uuid(obeyed.before_uuid)
    fits = _before(volume, before)
    if (obeyed.before, obeyed.before_uuid) != fits:
        _obey(machine, volume, before=fits[0], before_uuid=fits[1])
        return ["the record of the hook names the release before"]
    return []


def _before(volume: Volume, known: Known | None) -> tuple[bytes | None, str | None]:
    if known is None or known.release is None or known.place is None:
        return None, None
    return release_path(volume.blank or b"", known.release.number), known.release.uuid


# Names


def move(machine: Machine, path: bytes, to: bytes) -> None:
    """Give a subvolume a name that nothing has.  Raises OSError."""
    libc.renameat2(machine.top, path, machine.top, to, libc.RENAME_NOREPLACE)


def exchange(machine: Machine, path: bytes, other: bytes) -> None:
    """Let two subvolumes in one directory exchange their names.  Raises OSError."""
    libc.renameat2(machine.top, path, machine.top, other, libc.RENAME_EXCHANGE)
