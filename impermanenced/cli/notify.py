"""The daemon's news as desktop notifications: news that come together are one, and there are not many."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..document.news import Announcement, Reached, Sum, Undeclared
from ..errors import ServiceError
from ..losses import BAD, LossClass, weight
from ..text import size_to_text, to_text
from . import wording

GATHER = 2.0  # seconds for which more news are waited for
EVERY = 30.0  # seconds between two notifications
NAMED = 5  # lines in one notification
WIDTH = 120  # columns of a path, which may have 4096 bytes

Show = Callable[[str, Sequence[str], bool], None]  # summary, lines, whether it is urgent; raises ServiceError
Later = Callable[[float, Callable[[], None]], None]


class Notices:
    """The notification of now: it repeats what the user has not dismissed, with what is new."""

    def __init__(
        self, show: Show, later: Later, clock: Callable[[], float], complain: Callable[[str], None]
    ) -> None:
        self._show = show
        self._later = later
        self._clock = clock
        self._complain = complain
        self._lines: list[tuple[int, str, int]] = []  # the worst: (badness, words, number of paths)
        self._paths = 0
        self._waits = False
        self._then = -EVERY
        self._mute = False

    def tell(self, news: Announcement) -> None:
        """Add a piece of news, and show it soon."""
        match news:
            case Reached():
                self._add(100, f"altogether {size_to_text(news.size)} of everybody's: {news.level}", 0)
            case Sum(boot=False):
                self._paths += news.count
            case Undeclared() if news.loss.traits.desktop:
                self._add(weight(news.loss), _line(news), news.count)
            case _:
                return
        if not self._waits:
            self._waits = True
            self._later(max(GATHER, EVERY - (self._clock() - self._then)), self._say)

    def _add(self, badness: int, line: str, paths: int) -> None:
        self._paths += paths
        self._lines.append((badness, line, paths))
        self._lines.sort(key=lambda one: -one[0])
        del self._lines[NAMED:]

    def _say(self) -> None:
        self._waits = False
        worth_a_look = any(badness >= BAD for badness, _, _ in self._lines)
        what = wording.plural(self._paths, "path") if self._paths else "much"
        lines = [line for _, line, _ in self._lines]
        rest = self._paths - sum(paths for _, _, paths in self._lines)
        if rest > 0:
            lines.append(f"and {wording.plural(rest, 'path')} more: impermanence status")
        try:
            self._show(f"{what} would be lost at the next boot".capitalize(), lines, worth_a_look)
        except ServiceError as error:
            if not self._mute:
                self._complain(error.message)
            self._mute = True
        else:
            self._mute = False
            self._then = self._clock()

    def seen(self) -> None:
        """Forget what was shown, because the user has dismissed it."""
        self._lines.clear()
        self._paths = 0


def _line(news: Undeclared) -> str:
    path = wording.shorten(wording.homely(to_text(news.path)), WIDTH)
    if news.loss is LossClass.SECRET:
        return f"secret: {path}"
    count = f"{wording.plural(news.count, 'path')}, " if news.count > 1 else ""
    writer = wording.writer(news.writer)
    return f"{news.loss}: {path}, {count}{size_to_text(news.size)}" + (f", {writer}" if writer else "")
