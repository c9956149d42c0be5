"""The signals of org.impermanence.Manager1."""

from __future__ import annotations

from collections.abc import Iterable

from gi.repository import GLib

from ..keep.state import Declared
from ..system.callers import Callers
from ..system.dbus import Registration
from .news import News, fitting


class Signals:
    """The signals to root, and the `news` to each follower.  Any thread may call."""

    def __init__(self, registration: Registration, callers: Callers) -> None:
        self._registration = registration
        self.news = News(callers, self._send)

    def emit_crud(self, path: bytes, verdict: str, unit: str, size: int, count: int) -> None:
        """Send the signal Crud to root."""
        arguments = (fitting(path), verdict, unit, size, count)
        self._registration.emit("Crud", GLib.Variant("(aysstt)", arguments))

    def emit_leaving(self, count: int, size: int, worst: Iterable[bytes]) -> None:
        """Send the signal Leaving to root."""
        arguments = (count, size, [fitting(path) for path in worst])
        self._registration.emit("Leaving", GLib.Variant("(ttaay)", arguments))

    def level(self, name: str, size: int, count: int) -> None:
        """Send the signal Level to root, and the news to every follower."""
        self._registration.emit("Level", GLib.Variant("(stt)", (name, size, count)))
        self.news.level(name, size, count)

    def declaration(self, one: Declared) -> None:
        """Send the signal Declaration to root, and the news to root and to whose files these are."""
        arguments = (fitting(one.path), one.state.value, one.reason.value, one.words)
        self._registration.emit("Declaration", GLib.Variant("(aysss)", arguments))
        self.news.declaration(one)

    def _send(self, to: str, text: str) -> None:
        self._registration.emit("News", GLib.Variant("(s)", (text,)), to)

    def close(self) -> None:
        self.news.close()
