"""How much undeclared state there is, in three steps that are said once each."""

from __future__ import annotations

from ..config.load import LevelSettings

NAMES = ("notice", "warning", "critical")
FALL = 0.9  # of what a level begins at: above that it still holds, so that it is not said at every turn


class Levels:
    """It remembers which was reached."""

    def __init__(self) -> None:
        self._at = 0  # of NAMES so many

    def reach(self, size: int, settings: LevelSettings, total: int) -> tuple[str, int] | None:
        """The level that these bytes have reached from below, the highest of several, and where it begins."""
        begins = _begins(settings, total)
        reached = max((step for step, bytes_ in enumerate(begins, 1) if bytes_ and size >= bytes_), default=0)
        if reached > self._at:
            self._at = reached
            return NAMES[reached - 1], begins[reached - 1]
        while self._at and not 0 < begins[self._at - 1] * FALL <= size:
            self._at -= 1
        return None

    def next(self, settings: LevelSettings, total: int) -> int | None:
        """Bytes that would be news."""
        return min((bytes_ for bytes_ in _begins(settings, total)[self._at :] if bytes_), default=None)


def _begins(settings: LevelSettings, total: int) -> tuple[int, ...]:
    """0: never."""
    return tuple(space.of(total) for space in (settings.notice, settings.warning, settings.critical))
