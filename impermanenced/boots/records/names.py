"""Names below the state directory, and those of old roots in the archive."""

from __future__ import annotations

import re

from .keyvalue import NAME

ROLLBACK = b"rollback.env"
NEXT = b"next"
BOOTS = b"boots"
GOOD = b".good"  # boots/N.good: an empty file that says boot N completed
END = b".end"

NO_BOOT_ID = "00000000-0000-0000-0000-000000000000"  # the life before the first record


def archive_name(number: int, boot_id: str, volume: str | None = None) -> bytes:
    """Name of an old root: the number and boot id of the boot whose life it is.

    The first volume of rollback.env has no suffix, the others have `.NAME`.
    """
    return f"{number}-{boot_id}{'' if volume is None else '.' + volume}".encode()


_ARCHIVED = re.compile(rb"(0|[1-9][0-9]{0,8})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.(.+))?")


def parse_archive_name(name: bytes) -> tuple[int, str, str | None] | None:
    """Number, boot id and volume name of an old root; None for other things in the archive."""
    match = _ARCHIVED.fullmatch(name)
    if match is None:
        return None
    volume = match[3].decode("ascii", "replace") if match[3] is not None else None
    if volume is not None and not NAME.fullmatch(volume):
        return None
    return int(match[1]), match[2].decode(), volume
