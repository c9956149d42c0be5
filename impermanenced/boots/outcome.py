"""The outcome of this boot's rollback, for logins: whether it did not do what it is for.

Nothing here reads the configuration: a mistake in it must not hide anything.
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
from ..text import to_text
from . import good, records
from .records import IMAGE, BootRecord

LOGIN = b"/run/motd.d/impermanence"  # shown by pam_motd(8)
LOGIN_PACKAGES = b"/run/motd.d/impermanence-packages"  # the same, about packages that the next boot undoes

HELD, REFUSED, FAILED, DIED, ABSENT = "held", "refused", "failed", "died", "absent"
OTHER = "other"  # another root runs than a volume of the record
GAVE_WAY = "gave-way"  # it was wiped, to the release before the blank

LONGEST = 4096  # bytes of that line that are read
BLANK_BEFORE = "blank-before"  # of the table in `reasons`


@dataclass(frozen=True, slots=True)
class Trouble:
    """A rollback that did not happen as it should."""

    kind: str
    reason: str  # the hook's reason, unescaped: not for a terminal
    since: int | None = None  # when the first of these boots in a row began; None: not known
    boots: int = 1  # how many boots in a row had it
    code: str | None = None  # of the reason, as in the table of `reasons`

    @property
    def image(self) -> bool:
        """Return whether a hibernation image that nobody resumed waits."""
        return self.code == IMAGE


def look(boot_id: str, run: bytes = RUN, root: bytes = b"/") -> Trouble | None:
    """Return the trouble of this boot, or None if all is well or no rollback is wanted."""
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
    """Return the trouble that one record shows by itself, or None."""
    if boot.hold:
        return Trouble(HELD, boot.reason, boot.time, code=boot.reason_code)
    if boot.reason_code == BLANK_BEFORE:
        return Trouble(GAVE_WAY, boot.reason, boot.time, code=boot.reason_code)
    if boot.action in (REFUSED, FAILED, OTHER):
        return Trouble(boot.action, boot.reason, boot.time, code=boot.reason_code)
    return None


def _ran(boot_id: str, run: bytes) -> bool:
    with contextlib.suppress(FileNotFoundError), open(run + b"/" + RAN, "rb") as stream:
        return stream.read(100).strip() == boot_id.encode()
    return False


def _wanted(root: bytes) -> bool:
    """Return whether, when this boot began, the disk already said that the root is to be wiped."""
    began = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    with contextlib.suppress(OSError, ImpermanenceError):
        with good.top_level_of(root) as (top, subvolume):
            rollback = records.parse_rollback(records.read(ROLLBACK, ROLLBACK, dir_fd=top), ROLLBACK)
            written = os.stat(ROLLBACK, dir_fd=top, follow_symlinks=False).st_mtime
        ours = subvolume in {volume.subvolume for volume in rollback.volumes}
        return ours and rollback.wipe and written < began
    return False


def _since(trouble: Trouble, boot: BootRecord) -> Trouble:
    """Return the trouble with the earlier boots that had it too; the row ends at a record that cannot be
    read.
    """
    with contextlib.suppress(OSError, ImpermanenceError):
        for before in _before(boot):
            if (same := of(before)) is None or _row(same) != _row(trouble):
                break
            trouble = dataclasses.replace(trouble, since=before.time, boots=trouble.boots + 1)
    return trouble


def _row(trouble: Trouble) -> str:
    """Return what boots in a row have in common: whatever kept them from being wiped is one."""
    return trouble.kind if trouble.kind in (HELD, GAVE_WAY) else ""


def _before(boot: BootRecord) -> Iterator[BootRecord]:
    """Yield the records before this boot's, the newest first."""
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
    """Show this line at every login; None removes it."""
    if line is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    # pam_motd reads it with the rights of the user who logs in.
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(path))
        os.chmod(os.path.dirname(path), 0o755)
    atomic.replace(path, f"{line}\n".encode(), mode=0o644)


def told_of_packages(path: bytes = LOGIN_PACKAGES) -> str | None:
    """Return what logins are told about packages, without its prefix; None: nothing."""
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        return to_text(stream.read(LONGEST).strip().removeprefix(b"impermanence: ")) or None
    return None
