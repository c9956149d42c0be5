"""Entries of the system journal, or lines on stderr where there is no journal.

Each field is passed on its own, with its length: a value cannot forge another field.  Text is escaped
nevertheless, since `journalctl` and other readers show it on terminals.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from systemd import journal

from ..text import to_text

# Each kind of entry has an id, which systemd/impermanence.catalog explains and which never changes.
MESSAGE_CRUD: Final = "5708851a4b854e9ca0d4f872ddb637e6"
MESSAGE_HELD_BACK: Final = "0b86ab767c5b476eb1d8aa7cf4c4cb31"
MESSAGE_BOOT: Final = "b57b38ae37f247aebb1f9ad7c7508674"
MESSAGE_OVERFLOW: Final = "5442f377eb954d96b7fe12c7feadc873"
MESSAGE_CONFIG: Final = "78b25af270dd4d54889d007d83ee0af1"
MESSAGE_HELD: Final = "fc04ab246b394ddaa09a7aa69cb55999"
MESSAGE_NOT_ROLLED_BACK: Final = "e5fda0e202fa41b4a6927331a402bfc2"
MESSAGE_GAVE_WAY: Final = "2c5a78caaa144b8da6bf8da563784b64"
MESSAGE_OTHER_ROOT: Final = "82aa3f5f5faf4c9bb112058d60acd0e3"
MESSAGE_SHUTDOWN: Final = "4cf034d74706418599aa10ac7b4b9c5b"
MESSAGE_CUT: Final = "342487affe7f41a8b8ebfcaa48848295"
MESSAGE_LEVEL: Final = "20ca4a456cb740b287ab910e4081be97"
MESSAGE_GATE_SHUT: Final = "6990d766893f43b0a43c270928fd5dff"
MESSAGE_GATE_OPEN: Final = "32a47196689b4b999ae8970ce4b8438c"
MESSAGE_BROKEN: Final = "172d8ec7091a4fa29bec31257905e457"
MESSAGE_HOLDS: Final = "db1552f25b8247868acb6d699d363567"

# syslog(3)
LOG_CRIT = 2
LOG_ERR = 3
LOG_WARNING = 4
LOG_NOTICE = 5
LOG_INFO = 6
LOG_DEBUG = 7

Value = str | bytes | int


def is_connected() -> bool:
    """Return whether stderr goes to the journal: $JOURNAL_STREAM is its device and inode
    (systemd.exec(5)).
    """
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def path_fields(path: bytes) -> dict[str, Value]:
    """Return IMPERMANENCE_PATH as text, with IMPERMANENCE_PATH_RAW if escaping changed the path."""
    text = to_text(path)
    raw: dict[str, Value] = (
        {} if text.encode("utf-8", "surrogateescape") == path else {"IMPERMANENCE_PATH_RAW": path}
    )
    return {"IMPERMANENCE_PATH": text, **raw}


def to_lines(message: str, priority: int, fields: Mapping[str, Value]) -> list[bytes]:
    """Return FIELD=value for each field, as the journal's native protocol wants them."""
    everything: dict[str, Value] = {"MESSAGE": message, "PRIORITY": priority, **fields}
    return [
        key.encode()
        + b"="
        + (value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape"))
        for key, value in everything.items()
    ]


def write(message: str, priority: int, fields: Mapping[str, Value] | None = None) -> None:
    """Write an entry to the journal, or the message to stderr if stderr does not go to the journal."""
    if is_connected():
        journal.sendv(*to_lines(message, priority, {"SYSLOG_IDENTIFIER": "impermanenced", **(fields or {})}))
    elif sys.stderr is not None:
        sys.stderr.write(f"impermanenced: {message}\n")
        sys.stderr.flush()
