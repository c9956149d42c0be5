"""The files that the running system and the initrd hook share: KEY=value, with one parser on each side.

    rollback.env       RollbackEnv
    next               NextRequest
    boots/N.env        BootRecord    also in /run for this boot, where no record could be written
    boots/N.end        EndRecord     boots/N.lost has the same form

Every line is `KEY=value` and ends with a newline; there are no comments and no empty lines.
Bytes outside printable ASCII, and `%`, are written `%XX` (upper-case hex), and no other byte is, so
a value has one spelling; there is no `%00`.  `VERSION=1` comes first.  `VOLUME=` begins a volume:
what follows up to the next one belongs to it.  Unknown or repeated keys are refused: both sides
would rather do nothing than half of what was meant.  The golden files in tests/golden hold the
two parsers together.
"""

from .boot import IMAGE, BootRecord, BootVolume, format_record, parse_record
from .end import EndRecord, format_end, parse_end
from .keyvalue import LARGEST, path_fault, read
from .request import OFF, NextRequest, format_next, parse_next
from .rollback import RollbackEnv, RollbackVolume, format_rollback, layout_fault, parse_rollback

__all__ = [
    "IMAGE",
    "LARGEST",
    "OFF",
    "BootRecord",
    "BootVolume",
    "EndRecord",
    "NextRequest",
    "RollbackEnv",
    "RollbackVolume",
    "format_end",
    "format_next",
    "format_record",
    "format_rollback",
    "layout_fault",
    "parse_end",
    "parse_next",
    "parse_record",
    "parse_rollback",
    "path_fault",
    "read",
]
