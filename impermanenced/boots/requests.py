"""The request for the next boot: the file `next` in the state directory, which the hook consumes."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator

from ..config.load import Config
from ..errors import ImpermanenceError, NotSetUp
from ..kernel import libc
from ..lazy import NamedTuple
from ..state import BOOTS, NEXT, BootFile, boot_file, boot_files
from ..system import atomic
from ..text import first_of, to_text
from ..volumes.machine import Machine
from . import history, records
from .history import NO_STATE, Boot
from .old_roots import OldRoot
from .records import BootRecord, NextRequest

CANCEL = "cancel"  # beside the actions that a request can have
UNDO = "impermanence next cancel"
MOST_NAMED = 5  # nested subvolumes that are named


class Pending(NamedTuple):
    """A request that waits for the next boot."""

    request: NextRequest | None
    time: float  # when it was asked for, seconds since 1970
    fault: str | None = None


def pending(machine: Machine) -> Pending | None:
    """Return the request that waits, or None if there is none or it has been fulfilled.

    Raises NotSetUp if no hook would read a request.
    """
    if not machine.has_state():
        raise NotSetUp(*NO_STATE)
    path = machine.at(NEXT)
    try:
        time = os.lstat(path).st_mtime
        request = records.parse_next(records.read(path, NEXT), NEXT)
    except FileNotFoundError:
        return None
    except ImpermanenceError as error:
        return Pending(None, time, error.message)
    newest = newest_record(machine)
    if newest is None or newest.request != request.id:
        return Pending(request, time)
    left = newest.request_left or 0
    return Pending(request._replace(boots=left), time) if left else None


def newest_record(machine: Machine) -> BootRecord | None:
    """Return the record that the hook goes by, or None if there is none that can be understood."""
    with contextlib.suppress(FileNotFoundError, ImpermanenceError):
        numbers = boot_files(os.listdir(machine.at(BOOTS)))[BootFile.RECORD]
        if numbers:
            path = boot_file(max(numbers), BootFile.RECORD)
            return records.parse_record(records.read(machine.at(path), path), path)
    return None


def new(action: str, *, boot: int | None = None, boots: int = 1) -> NextRequest:
    """Return a request with a new id."""
    # The kernel's: Python's own module finds out about the platform first, and `status` imports this one.
    with open("/proc/sys/kernel/random/uuid", encoding="ascii") as stream:
        name = stream.read().strip()
    return NextRequest(action, name, boot, boots)


def write(machine: Machine, request: NextRequest) -> None:
    """Replace the request for the next boot, whatever it was."""
    atomic.replace(machine.in_state(NEXT), records.format_next(request))


def cancel(machine: Machine) -> None:
    """Remove the request for the next boot."""
    path = machine.in_state(NEXT)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        libc.syncfs(fd)
    finally:
        os.close(fd)


# What is done, in words, for the command line and the bus


def ask(
    config: Config,
    machine: Machine,
    action: str,
    *,
    boot: int | None = None,
    boots: int = 1,
    dry_run: bool = False,
) -> str:
    """Ask for an action at the next boot, and return what it will do, what it replaces and how to undo it.

    `boot` is the number of a boot; a negative one counts back from the running boot.  Raises UsageError if
    that boot has no old root.
    """
    before = pending(machine)
    staying: list[str] = []
    if boot is not None:
        found = history.read(machine, config.archive.directory, history.this_boot_id())
        boot = history.bootable(found, boot)
        staying += _staying_behind(machine, found.boot(boot))
    request = new(action, boot=boot, boots=boots)
    if not dry_run:
        write(machine, request)
    lines = [f"{'would ask, without --dry-run: ' if dry_run else ''}{_sentence(request)}"]
    if before is not None:
        lines.append(f"in place of: {_before(before)}")
    if action == "wipe" and not config.rollback.wipe:
        lines.append("but this is a trial: nothing is wiped while rollback.wipe is false")
    lines += staying
    if not dry_run:
        lines.append(f"undo: {UNDO}")
    return "\n".join(lines) + "\n"


def _staying_behind(machine: Machine, boot: Boot) -> Iterator[str]:
    """Yield the subvolumes nested in the old roots of a boot, which a copy does not have, and the way to
    them.
    """
    for root in boot.old_roots:
        nested = machine.nested_paths(root.id) if root.there else []
        if not nested:
            continue
        named = first_of([_in_system(machine, root, path) for path in nested], MOST_NAMED)
        many = f"{len(nested):,} subvolumes" if len(nested) > 1 else "1 subvolume"
        options = shlex.quote(f"ro,subvol={to_text(root.path)}")
        yield f"not in the copy: {many} nested in {to_text(root.path)}: {named}"
        yield f"to look at what stays there: mount -o {options} {to_text(machine.device)} /mnt"


def _in_system(machine: Machine, root: OldRoot, path: bytes) -> bytes:
    """Return where something nested in an old root was in the system, `path` being from the top level."""
    volume = next((one for one in machine.volumes if one.name == root.volume), machine.volumes[0])
    return volume.path.rstrip(b"/") + path[len(root.path) :]


def withdraw(machine: Machine, *, dry_run: bool = False) -> str:
    """Withdraw the request, and return what it was and how to make it again."""
    before = pending(machine)
    if not dry_run:
        cancel(machine)
    if before is None:
        return "nothing was asked for: nothing to cancel\n"
    lines = [f"{'would cancel' if dry_run else 'cancelled'}: {_before(before)}"]
    if before.request is not None and not dry_run:
        lines.append(f"undo: impermanence next {_words(before.request)}")
    return "\n".join(lines) + "\n"


def short(request: NextRequest) -> str:
    """Return the request in a few words."""
    if request.off:
        return "keep, as setup --off asked"
    if request.action == "boot":
        return f"boot {request.boot}"
    return request.action + (f" for {request.boots:,} boots" if request.boots > 1 else "")


def _before(found: Pending) -> str:
    return short(found.request) if found.request else "a request that cannot be understood"


def _sentence(request: NextRequest) -> str:
    if request.action == "keep":
        return f"the next {f'{request.boots:,} boots keep' if request.boots > 1 else 'boot keeps'} the root"
    if request.action == "boot":
        return f"the next boot gets a copy of old root {request.boot}; the running root is archived"
    return "the next boot wipes"


def _words(request: NextRequest) -> str:
    if request.action == "boot":
        return f"boot {request.boot}"
    return request.action + (f" --boots {request.boots}" if request.boots > 1 else "")
