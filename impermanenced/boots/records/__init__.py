"""The files that the running system and the initrd hook share: KEY=value, one parser a side.

    rollback.env       RollbackEnv   what the hook needs; written here, read by the hook
    next               NextRequest   the one-shot request for the next boot; written here
    boots/N.env        BootRecord    what boot N did with its volumes; written by the hook
    boots/N.end        EndRecord     what boot N left behind when it was shut down; written by the daemon
    /run/impermanence/rollback.env   the same for this boot, also when no record could be written

Every line is `KEY=value` and ends with a newline; there are no comments and no empty lines.
Bytes outside printable ASCII, and `%`, stand as `%XX` (upper-case hex) and nothing else does, so
a value has one spelling; there is no `%00`.  `VERSION=1` comes first.  `VOLUME=` begins a volume:
what follows up to the next one belongs to it.  Unknown or repeated keys are refused: both sides
would rather do nothing than half of what was meant.  The golden files in tests/golden hold the
two parsers together.
"""

from .boot import BootRecord, BootVolume, format_record, parse_record
from .end import EndRecord, format_end, parse_end
from .keyvalue import LARGEST, read
from .names import BOOTS, END, GOOD, NEXT, NO_BOOT_ID, ROLLBACK, archive_name, parse_archive_name
from .request import NextRequest, format_next, parse_next
from .rollback import RollbackEnv, RollbackVolume, format_rollback, layout_fault, parse_rollback

__all__ = [
    "BOOTS",
    "END",
    "GOOD",
    "LARGEST",
    "NEXT",
    "NO_BOOT_ID",
    "ROLLBACK",
    "BootRecord",
    "BootVolume",
    "EndRecord",
    "NextRequest",
    "RollbackEnv",
    "RollbackVolume",
    "archive_name",
    "format_end",
    "format_next",
    "format_record",
    "format_rollback",
    "layout_fault",
    "parse_archive_name",
    "parse_end",
    "parse_next",
    "parse_record",
    "parse_rollback",
    "read",
]
