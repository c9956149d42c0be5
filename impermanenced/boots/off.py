"""The end of wiping: no initrd of this machine, however old, rolls anything back.

What the hook obeys is on the disk, so an initrd that nobody builds anew finds wiping off too.  A copy of the
record inside an initrd goes before the one on the disk, but a request to keep the root goes before both.

Nothing here needs a configuration that can be used: a package that is removed has to be switched off.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

import btrfsutil

from ..config.load import VolumeSettings
from ..errors import ImpermanenceError, NotSetUp, RecordError
from ..kernel import btrfs
from ..state import NEXT, ROLLBACK, SOURCE, STATE
from ..system import atomic
from ..text import to_text
from . import good, records, requests
from .setup import Step, make_state

BOOTS = 999_999_999  # the most that a request can ask for


def run(volumes: Sequence[VolumeSettings], *, dry_run: bool) -> list[str] | None:
    """Do what is still to be done, or with `dry_run` nothing, and return the steps in words.

    Returns None where no volume is mounted from a BTRFS: nothing is rolled back there.  Raises NotSetUp if
    the record is about another system, and OSError.
    """
    for mountpoint in _roots(volumes):
        with contextlib.ExitStack() as stack:
            try:
                top, subvolume = stack.enter_context(good.top_level_of(mountpoint))
            except ImpermanenceError:  # nothing can be rolled back where no BTRFS is mounted
                continue
            copied = os.path.lexists(os.path.join(mountpoint, SOURCE))
            steps = plan(top, subvolume, copied=copied)
            if not dry_run:
                for step in steps:
                    step.act()
                btrfsutil.sync(top)
            return [step.words for step in steps]
    return None


def plan(top: int, subvolume: bytes, *, copied: bool) -> list[Step]:
    """Return what is still to be done, in order.

    `top` is a descriptor of the top level, `subvolume` what runs, and `copied` whether a new initrd gets a
    record of its own.
    """
    if not _has_state(top):
        if not copied:
            return []
        made = [Step(f"make the subvolume {to_text(STATE)}", lambda: make_state(_at(top, STATE)))]
        return [*made, *_ask(top)]
    record = _content(top, ROLLBACK)
    _refuse_other_system(top, subvolume, record)
    asked = list(_ask(top)) if record is not None or copied else []
    if record is None:
        return asked
    words = f"remove {to_text(ROLLBACK)}, which every initrd obeys that has no record of its own"
    return [*asked, Step(words, lambda: _remove(top))]


def reminder(volumes: Sequence[VolumeSettings]) -> str | None:
    """Return what is left to a person where new initrds get a record of their own, or None."""
    for mountpoint in _roots(volumes):
        path = os.path.join(mountpoint, SOURCE)
        if os.path.lexists(path):
            return f"new initrds get {to_text(path)}: remove it, and build the initrd of each kernel anew"
    return None


def _roots(volumes: Sequence[VolumeSettings]) -> Iterator[bytes]:
    """Yield where the volumes are mounted, the root of their system first."""
    yield from (one.mountpoint for one in volumes if (one.path or one.mountpoint) == b"/")
    yield from (one.mountpoint for one in volumes if (one.path or one.mountpoint) != b"/")


def _at(top: int, path: bytes) -> bytes:
    return b"/proc/self/fd/%d/%s" % (top, path)


def _has_state(top: int) -> bool:
    path = _at(top, STATE)
    if not os.path.lexists(path):
        return False
    if os.path.islink(path) or not btrfsutil.is_subvolume(path):
        raise NotSetUp(f"{to_text(STATE)} at the top level is not a subvolume", "move it away")
    return True


def _content(top: int, name: bytes) -> bytes | None:
    try:
        return records.read(_at(top, name), name)
    except FileNotFoundError:
        return None
    except RecordError:  # no regular file: nobody understands it, and no hook obeys it
        return b""


def _refuse_other_system(top: int, subvolume: bytes, record: bytes | None) -> None:
    """Raise NotSetUp if the record rolls back what is not this system; one that is not understood is ours."""
    try:
        rollback = records.parse_rollback(record or b"")
    except RecordError:
        return
    theirs = [volume.subvolume for volume in rollback.volumes]
    if subvolume not in theirs:
        raise NotSetUp(
            f"{to_text(ROLLBACK)} rolls back {to_text(theirs[0])}; what runs here is {to_text(subvolume)}",
            f"switch it off in the system that it is about; if that one is given up: mount -o subvolid=5 "
            f"{_device(top)} /mnt && rm /mnt/{to_text(ROLLBACK)}",
        )


def _device(top: int) -> str:
    return to_text(next(iter(btrfs.devices(top)), b"DEVICE"))


def _ask(top: int) -> Iterator[Step]:
    """Yield the request that an initrd with a record of its own obeys, unless it waits already."""
    with contextlib.suppress(RecordError):
        if records.parse_next(_content(top, NEXT) or b"", NEXT).off:
            return
    words = f"ask in {to_text(NEXT)} to keep the root, for an initrd that has a record of its own"
    yield Step(words, lambda: atomic.replace(_at(top, NEXT), _request()))


def _request() -> bytes:
    # The hook counts such a request down in its records, by the id: each one needs its own.
    request = requests.new("keep", boots=BOOTS)
    return records.format_next(request._replace(id=records.OFF + request.id))


def _remove(top: int) -> None:
    os.unlink(_at(top, ROLLBACK))
