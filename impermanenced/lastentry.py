"""When the journal last heard of a boot."""

from __future__ import annotations

from systemd import journal


class LastEntries:
    """Times of last entries by boot id, in seconds since 1970; None where the journal has none (any more)."""

    def __init__(self, path: str | None = None) -> None:
        self._reader = journal.Reader(path=path) if path else journal.Reader(journal.SYSTEM)

    def of(self, boot_id: str) -> float | None:
        self._reader.flush_matches()
        self._reader.add_match(_BOOT_ID=boot_id.replace("-", ""))
        self._reader.seek_tail()
        entry = self._reader.get_previous()
        return entry["__REALTIME_TIMESTAMP"].timestamp() if entry else None
