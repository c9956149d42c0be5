"""The end of a boot, as the journal knows it."""

from __future__ import annotations

import datetime

from systemd import journal

# systemd/sd-messages.h
_SHUTDOWN = "98268866d1d54a499c4e98921d93bc40"  # logind: a shutdown was asked for
_STOPPING = "de5b426a63be47a7b6ac3eaac82e2f6f"  # the manager: a unit is about to stop
_JOURNAL_STOP = "d93fb3c9c24d451a97cea615ce59c00b"  # the journal itself, at the very end


class LastEntries:
    """The last entries of boots in the journal."""

    def __init__(self, path: str | None = None) -> None:
        self._reader = journal.Reader(path=path) if path else journal.Reader(journal.SYSTEM)

    def of(self, boot_id: str) -> tuple[float, bool] | None:
        """Return the time of a boot's last entry in seconds since 1970, and whether the boot was
        shut down.

        None means that the journal has nothing, or nothing any more.
        """
        last = self._last(boot_id)
        if last is None:
            return None
        when = last["__REALTIME_TIMESTAMP"]
        assert isinstance(when, datetime.datetime)  # as systemd.journal converts it
        return when.timestamp(), _is_stop(last) or self._was_shut_down(boot_id)

    def _was_shut_down(self, boot_id: str) -> bool:
        # Where /var/log is a mount of its own the journal leaves it before the end, and its last words
        # are lost with /run.  The fields with an underscore are the journal's own: no user can forge them.
        return (
            self._last(boot_id, MESSAGE_ID=_SHUTDOWN, _UID="0") is not None
            or self._last(boot_id, MESSAGE_ID=_STOPPING, UNIT="systemd-journal-flush.service", _PID="1")
            is not None
        )

    def _last(self, boot_id: str, **matches: str) -> dict[str, object] | None:
        self._reader.flush_matches()
        self._reader.add_match(_BOOT_ID=boot_id.replace("-", ""), **matches)
        self._reader.seek_tail()
        return self._reader.get_previous() or None


def _is_stop(entry: dict[str, object]) -> bool:
    # The reader returns a UUID if the text is one.
    same = getattr(entry.get("MESSAGE_ID"), "hex", None) == _JOURNAL_STOP
    return same and entry.get("_TRANSPORT") == "driver"
