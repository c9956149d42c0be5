"""boots/N.end and boots/N.lost: what a boot left behind, as it was shut down, or by a later look."""

from __future__ import annotations

from ...lazy import NamedTuple
from ...losses import CLASSES, LossClass
from ...state import BOOTS
from .keyvalue import LONG_NUMBER, TIME, assemble, line, split


class EndRecord(NamedTuple):
    """The last record of a boot.

    boots/N.end is written after the last session ended and before the filesystems are unmounted, so a boot
    that was cut off has none.  boots/N.lost is made of its old root.
    """

    boot_id: str
    time: int  # seconds since 1970
    crud: int  # paths that nothing declares
    size: int  # bytes of these
    complete: bool  # False if a part could not be read
    worst: LossClass | None = None  # the worst loss class of these; None: nothing, or not known


def parse_end(content: bytes, path: bytes = BOOTS) -> EndRecord:
    """Return the last record of a boot.  Raises RecordError."""
    head, groups = split(content, path)
    if groups:
        raise head.error("the end of a boot has no VOLUME")
    record = EndRecord(
        boot_id=head.need("BOOT_ID", head.uuid("BOOT_ID")),
        time=head.need("TIME", head.number("TIME", TIME)),
        crud=head.need("CRUD", head.number("CRUD", LONG_NUMBER)),
        size=head.need("BYTES", head.number("BYTES", LONG_NUMBER)),
        complete=head.choice("COMPLETE", ("yes", "no")) == "yes",
        worst=None if (worst := head.optional_choice("WORST", tuple(CLASSES))) is None else CLASSES[worst],
    )
    head.finish()
    return record


def format_end(record: EndRecord) -> bytes:
    """Return the file's bytes."""
    lines = [
        line("BOOT_ID", record.boot_id),
        line("TIME", record.time),
        line("CRUD", record.crud),
        line("BYTES", record.size),
        line("COMPLETE", "yes" if record.complete else "no"),
        line("WORST", record.worst),
    ]
    return assemble(lines, parse_end)
