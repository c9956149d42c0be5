"""structlog, with the journal as its only output.

It is loaded by the first word: that takes a third of the time in which the daemon's programs start, and the
process that makes large reports mostly says nothing.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from ..lazy import Deferred, put_off, regex
from ..text import to_text
from . import journal

_structlog = Deferred("structlog")

_PRIORITIES = {
    "debug": journal.LOG_DEBUG,
    "info": journal.LOG_INFO,
    "warning": journal.LOG_WARNING,
    "error": journal.LOG_ERR,
    "critical": journal.LOG_ERR,
    "exception": journal.LOG_ERR,
}
_PLAIN = regex(r"[^\s\"=]+")


def _shown(value: object) -> str:
    text = to_text(value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape"))
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '\\"') + '"'


def to_journal(_logger: object, method: str, event: dict[str, object]) -> dict[str, object]:
    """Return what `journal.write` takes for an event: a line for a person, and each value as a field of its
    own.

    This is the last of structlog's processors.
    """
    words = [to_text(str(event.pop("event")).encode("utf-8", "surrogateescape"))]
    fields: dict[str, journal.Value] = {}
    if message_id := event.pop("message_id", None):
        fields["MESSAGE_ID"] = str(message_id)
    if exception := event.pop("exception", None):
        fields["IMPERMANENCE_TRACEBACK"] = str(exception)
    for key, value in event.items():
        words.append(f"{key}={_shown(value)}")
        fields[f"IMPERMANENCE_{key.upper()}"] = to_text(value) if isinstance(value, bytes) else _shown(value)
    return {"message": " ".join(words), "priority": _PRIORITIES[method], "fields": fields}


class _Journal:
    """The logger that structlog calls with the result of the last processor."""

    def _write(self, message: str, priority: int, fields: dict[str, journal.Value]) -> None:
        journal.write(message, priority, fields)
        traceback = str(fields.get("IMPERMANENCE_TRACEBACK", ""))
        if traceback and not journal.is_connected():
            sys.stderr.write(f"{traceback}\n")

    debug = info = warning = error = critical = exception = _write


@functools.cache
def _configured() -> Any:
    with put_off("asyncio"):  # structlog has methods for it: 1.5 MB, which nothing here needs
        configure = _structlog.configure
    configure(
        processors=[_structlog.processors.format_exc_info, to_journal],
        logger_factory=lambda *_: _Journal(),
        cache_logger_on_first_use=True,
    )
    return _structlog.get_logger()


class _Logger:
    def __getattr__(self, name: str) -> Any:
        return getattr(_configured(), name)


def get() -> Any:
    """Return a logger that is bound to no values."""
    return _Logger()
