"""The content of initrds, as far as it is about the rollback: what the lister of the distribution shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
from dataclasses import dataclass

from ..errors import CommandError
from ..lazy import regex
from ..state import SOURCE
from ..system import command
from ..text import to_text

LISTERS = ("lsinitramfs", "lsinitrd", "lsinitcpio")  # initramfs-tools, dracut, mkinitcpio: each reads all
TIMEOUT = 120.0  # seconds
LARGEST = 1 << 30  # bytes of an image that is looked into

HOOK = b"/usr/lib/impermanence/impermanence-rollback"

_OURS = b"/proc/self/"

# The end of a line: a lister shows a name alone, or in the form of `ls -l`.
_HOOK = regex(rb"(?:^|[\s/])usr/lib/impermanence/impermanence-rollback$", re.MULTILINE)
_RECORD = regex(rb"(?:^|[\s/])" + re.escape(SOURCE) + rb"$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Content:
    """What an initrd has of the rollback."""

    hook: bool
    record: bool  # a record of its own, which goes before the one on the disk


def look(path: bytes) -> Content:
    """Return what an initrd, or a unified kernel image, has.  Raises CommandError where nobody can say."""
    lister = next((name for name in LISTERS if shutil.which(name)), None)
    if lister is None:
        raise CommandError(f"there is none of {', '.join(LISTERS)}", "install the one of your initrd")
    try:
        facts = os.lstat(path)
        if stat.S_ISLNK(facts.st_mode):  # zstd reads no links
            path = os.path.realpath(path)
            facts = os.lstat(path)
    except OSError as error:
        raise CommandError(f"{to_text(path)}: {error.strerror}") from None
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
        raise CommandError(f"{to_text(path)} is no file of at most {LARGEST >> 20} MiB")
    # A descriptor of ours is another one for a child.
    found = path.replace(_OURS, b"/proc/%d/" % os.getpid(), 1) if path.startswith(_OURS) else path
    said = command.run([lister, found], timeout=TIMEOUT)
    return Content(_HOOK.search(said) is not None, _RECORD.search(said) is not None)


def is_outdated(path: bytes, hook: bytes = HOOK) -> bool:
    """Return whether an initrd was built before the hook's program was installed, so it may have another.

    It is not known where one of them is not there.
    """
    try:
        # The package gives a file the time of its build; when it came here, its ctime says.
        return os.stat(path).st_mtime < os.stat(hook).st_ctime
    except OSError:
        return False


def rebuild(release: bytes | None = None, image: bytes | None = None) -> tuple[str, ...]:
    """Return the commands that build an initrd anew on this machine.

    Without `release` it is that of the newest kernel; without `image` the kernel has none yet.
    """
    kernel = "" if release is None else " " + shlex.quote(to_text(release))
    if shutil.which("update-initramfs"):
        if release is None:
            return ("update-initramfs -u",)
        return (f"update-initramfs {'-c' if image is None else '-u'} -k{kernel}",)
    if shutil.which("dracut"):
        if release is None:
            return ("dracut --force",)
        where = f" --kver{kernel}" if image is None else f" {shlex.quote(to_text(image))}{kernel}"
        return (f"dracut --force{where}",)
    return ("mkinitcpio -P",) if shutil.which("mkinitcpio") else ()
