"""The announcement of undeclared writes, in the journal and to listeners on the bus."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from ..model import LOSSES, Entry, Verdict, Writer
from ..paths import within
from ..system import journal
from ..text import size_to_text, to_text
from . import group
from .group import Alert, Announcements, Rest

Emit = Callable[[bytes, str, str, int, int], None]  # path, verdict, unit, bytes, count


class Listener(Protocol):
    """A listener that wants to know more than `Emit` tells."""

    def of_users(self, found: Mapping[int, Sequence[Alert | Rest]]) -> None:
        """Take what belongs to each user."""

    def alert(self, alert: Alert) -> None:
        """Take an alert that was announced."""

    def rest(self, rest: Rest, *, boot: bool) -> None:
        """Take the sum of alerts that were held back, or of what the boot wrote."""


def _name(writer: Writer | None) -> str:
    if writer is None:
        return ""
    program = to_text(writer.comm or os.path.basename(writer.exe))
    unit = to_text(writer.whose.encode())
    if unit and program:
        return f"{unit} ({program})"
    return unit or program or f"process {writer.pid}"


def _writer_fields(writer: Writer | None) -> dict[str, journal.Value]:
    if writer is None:
        return {}
    fields: dict[str, journal.Value] = {
        # As the journal's own _SYSTEMD_UNIT and _SYSTEMD_USER_UNIT: one name may be in both.
        f"IMPERMANENCE_WRITER_{'USER_' if writer.kind == 'user' else ''}UNIT": writer.unit,
        "IMPERMANENCE_WRITER_KIND": writer.kind,
        "IMPERMANENCE_WRITER_EXE": to_text(writer.exe),
        "IMPERMANENCE_WRITER_COMM": to_text(writer.comm),
        "IMPERMANENCE_WRITER_PID": writer.pid,
    }
    if writer.uid is not None:
        fields["IMPERMANENCE_WRITER_UID"] = writer.uid
    return {key: value for key, value in fields.items() if value != ""}


def describe(alert: Alert) -> str:
    """Return one line for a person, without raw control characters."""
    path = to_text(alert.path)
    what = path if alert.count == 1 else f"{alert.count} paths in {path}"
    name = _name(alert.writer)
    change = "changed" if alert.change == "metadata" else alert.change
    return f"{what} {change}{f' by {name}' if name else ''}, {size_to_text(alert.size)}"


def alert_entry(alert: Alert) -> tuple[str, dict[str, journal.Value]]:
    """Return message and fields of the journal's entry."""
    what = "declared, but not mounted" if alert.verdict == Verdict.DECLARED else "undeclared"
    keep = _REPEAT if any(within(alert.path, place) for place in _PACKAGES) else ""
    return f"{what}: {describe(alert)}{keep}", {
        "MESSAGE_ID": journal.MESSAGE_CRUD,
        **journal.path_fields(alert.path),
        "IMPERMANENCE_VERDICT": alert.verdict,
        "IMPERMANENCE_CHANGE": alert.change,
        "IMPERMANENCE_LOSS": alert.loss,
        "IMPERMANENCE_BYTES": alert.size,
        "IMPERMANENCE_COUNT": alert.count,
        **_writer_fields(alert.writer),
    }


def _rest_fields(rest: Rest, message_id: str) -> dict[str, journal.Value]:
    return {
        "MESSAGE_ID": message_id,
        **journal.path_fields(rest.path),
        "IMPERMANENCE_VERDICT": Verdict.CRUD.value,
        "IMPERMANENCE_BYTES": rest.size,
        "IMPERMANENCE_COUNT": rest.count,
    }


# Where package managers keep their books: who writes there installs, changes or removes something.
_PACKAGES = (b"/var/lib/dpkg", b"/var/lib/pacman/local", b"/var/lib/rpm", b"/usr/lib/sysimage/rpm")
_REPEAT = "; the next boot undoes it, unless you keep it: impermanence update --same"


class Announcer:
    """The announcer of new undeclared writes.

    Until the boot has finished it only adds them up: they are the boot's own doing, and become one entry.
    """

    def __init__(
        self, emit: Emit, clock: Callable[[], float] = time.monotonic, listener: Listener | None = None
    ) -> None:
        self.settled = False
        self._emit = emit
        self._listener = listener
        self._clock = clock
        self._limit = group.RateLimit()
        self._boot: list[Alert | Rest] = []

    def announce(self, entries: Iterable[Entry]) -> None:
        """Announce the entries that are losses and were not announced before."""
        lost = self._limit.fresh(entry for entry in entries if entry.verdict in LOSSES)
        self.tell(group.announcements(lost, lost))

    def unannounced(self, asked: Sequence[group.Asked]) -> list[int]:
        """Return the indices of paths that were not announced before, or not with so bad a loss, and remember
        them as announced.
        """
        return self._limit.unannounced(asked)

    def tell(self, announcements: Announcements) -> None:
        """Announce groups, and what belongs to each user."""
        if self._listener and announcements.of_users:
            self._listener.of_users(announcements.of_users)
        self.announce_groups(announcements.groups)

    def announce_groups(self, found: Sequence[Alert | Rest]) -> None:
        """Announce groups of paths that are all new, as many as each account may announce at once, and the
        sum of its others.
        """
        if not found:
            return
        if not self.settled:
            self._boot = [group.rest([*self._boot, *found])]
            return
        single = [one for one in found if isinstance(one, Alert)]
        said, too_many = self._limit.admit(single, self._clock())
        held_back: list[Alert | Rest] = [*too_many, *(one for one in found if isinstance(one, Rest))]
        for alert in said:
            message, fields = alert_entry(alert)
            journal.write(message, journal.LOG_NOTICE, fields)
            unit = alert.writer.whose if alert.writer else ""
            self._emit(alert.path, alert.verdict, unit, alert.size, alert.count)
            if self._listener:
                self._listener.alert(alert)
        for rest in group.rests(held_back):
            words = "and {count} more undeclared paths in {path}, {size}"
            self._say_rest(rest, journal.MESSAGE_HELD_BACK, words)

    def settle(self) -> None:
        """Announce what the boot wrote, because it has finished."""
        self.settled = True
        if self._boot:
            rest = group.rest(self._boot)
            self._boot = []
            self._say_rest(
                rest, journal.MESSAGE_BOOT, "the boot wrote {count} undeclared paths in {path}, {size}"
            )

    def _say_rest(self, rest: Rest, message_id: str, words: str) -> None:
        message = words.format(count=rest.count, path=to_text(rest.path), size=size_to_text(rest.size))
        journal.write(message, journal.LOG_NOTICE, _rest_fields(rest, message_id))
        self._emit(rest.path, Verdict.CRUD.value, "", rest.size, rest.count)
        if self._listener:
            self._listener.rest(rest, boot=message_id == journal.MESSAGE_BOOT)
