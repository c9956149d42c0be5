"""What this boot's rollback has to tell whoever logs in: that it did not do what it is there for.

Like the mark of a good boot this asks nothing of the configuration: a mistake in it must not hide anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ImpermanenceError, RecordError
from ..state import BOOTS, RAN, RESULT, ROLLBACK, RUN, BootFile, boot_file, boot_files
from ..system import atomic
from . import good, records
from .records import IMAGE, BootRecord

LOGIN = b"/run/motd.d/impermanence"  # shown by pam_motd(8)

HELD, REFUSED, FAILED, DIED, ABSENT = "held", "refused", "failed", "died", "absent"


@dataclass(frozen=True, slots=True)
class Trouble:
    kind: str
    reason: str  # of the hook, as it is: not for a terminal
    since: int | None = None  # when the first of such boots in a row began; None: not known
    boots: int = 1  # in a row
    image: bool = False  # a hibernation image that nobody resumed waits


def look(boot_id: str, run: bytes = RUN, root: bytes = b"/") -> Trouble | None:
    """Of this boot; None where all is well, or where nobody wants a rollback."""
    try:
        boot = good.result(run + b"/" + RESULT)
    except RecordError as error:
        return Trouble(DIED, error.message)
    if boot is None or boot.boot_id != boot_id:
        if _ran(boot_id, run):
            return Trouble(DIED, "it left no result")
        return Trouble(ABSENT, "this initrd has none") if _wanted(root) else None
    found = of(boot)
    return found and _since(found, boot)


def of(boot: BootRecord) -> Trouble | None:
    """What one record says by itself."""
    if boot.hold:
        return Trouble(HELD, boot.reason, boot.time)
    if boot.action in (REFUSED, FAILED):
        return Trouble(boot.action, boot.reason, boot.time, image=boot.reason_code == IMAGE)
    return None


def _ran(boot_id: str, run: bytes) -> bool:
    with contextlib.suppress(FileNotFoundError), open(run + b"/" + RAN, "rb") as stream:
        return stream.read(100).strip() == boot_id.encode()
    return False


def _wanted(root: bytes) -> bool:
    """Whether the disk said already when this boot began that the root is to be wiped."""
    began = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    with contextlib.suppress(OSError, ImpermanenceError):
        with good.top_level_of(root) as (top, subvolume):
            rollback = records.parse_rollback(records.read(ROLLBACK, ROLLBACK, dir_fd=top), ROLLBACK)
            written = os.stat(ROLLBACK, dir_fd=top, follow_symlinks=False).st_mtime
        ours = subvolume in {volume.subvolume for volume in rollback.volumes}
        return ours and rollback.wipe and written < began
    return False


def _since(trouble: Trouble, boot: BootRecord) -> Trouble:
    """With the boots before it that had the same; what cannot be read ends the row."""
    with contextlib.suppress(OSError, ImpermanenceError):
        for before in _before(boot):
            if (same := of(before)) is None or (same.kind == HELD) != (trouble.kind == HELD):
                break
            trouble = dataclasses.replace(trouble, since=before.time, boots=trouble.boots + 1)
    return trouble


def _before(boot: BootRecord) -> Iterator[BootRecord]:
    """The records before this boot's, the newest first."""
    with good.top_level(boot) as top:
        fd = os.open(BOOTS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
        try:
            names = [os.fsencode(name) for name in os.listdir(fd)]
        finally:
            os.close(fd)
        for number in sorted(boot_files(names)[BootFile.RECORD], reverse=True):
            if boot.number is not None and number < boot.number:
                path = boot_file(number, BootFile.RECORD)
                yield records.parse_record(records.read(path, path, dir_fd=top), path)


def tell_logins(line: str | None, path: bytes = LOGIN) -> None:
    """Have every login show this line; None: not any more."""
    if line is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    # Read with the rights of the user who logs in.
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(path))
        os.chmod(os.path.dirname(path), 0o755)
    atomic.replace(path, f"{line}\n".encode(), mode=0o644)
