"""The levels of undeclared data, each of which is announced once, and seldom again."""

from __future__ import annotations

from ..config.load import LevelSettings

NAMES = ("notice", "warning", "critical")
FALL = 0.9  # the share of a level below which it is left, so that small changes do not announce it again
AGAIN = 3600.0  # seconds within which no level is announced that is not above the last one


class Levels:
    """The memory of which level was reached."""

    def __init__(self) -> None:
        self._at = 0  # how many of NAMES were reached
        self._said, self._when = 0, 0.0  # what was announced last, and when

    @property
    def reached(self) -> bool:
        """Return whether any level was reached and is not left again."""
        return self._at > 0

    def reach(self, size: int, settings: LevelSettings, total: int, now: float) -> tuple[str, int] | None:
        """Return the highest level that these bytes have newly reached, and where it begins, or None.

        Anybody can make and remove much data, so a level that is reached again is not announced so soon.
        """
        begins = _begins(settings, total)
        reached = max((step for step, bytes_ in enumerate(begins, 1) if bytes_ and size >= bytes_), default=0)
        if reached > self._at:
            self._at = reached
            if reached <= self._said and now - self._when < AGAIN:
                return None
            self._said, self._when = reached, now
            return NAMES[reached - 1], begins[reached - 1]
        while self._at and not 0 < begins[self._at - 1] * FALL <= size:
            self._at -= 1
        return None

    def next(self, settings: LevelSettings, total: int) -> int | None:
        """Return the bytes at which the next level begins, or None if there is none."""
        return min((bytes_ for bytes_ in _begins(settings, total)[self._at :] if bytes_), default=None)


def _begins(settings: LevelSettings, total: int) -> tuple[int, ...]:
    """Return the bytes at which each level begins; 0 means never."""
    return tuple(space.of(total) for space in (settings.notice, settings.warning, settings.critical))
