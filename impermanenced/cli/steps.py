"""The steps of a job, and how long the present one takes, for the line that shows it."""

from __future__ import annotations

from ..copying import Progress, Size
from ..text import size_to_text
from . import progress

A_FILE = 64 << 10  # bytes that can be copied in the time that another file takes


class StepShown:
    """The step that a job is at."""

    def __init__(self) -> None:
        self._now: tuple[str, Size | None, Progress] = ("", None, Progress(0, 0, 0.0))

    def step(self, words: str, size: Size | None = None) -> None:
        """Take a step, with the size of what it goes through."""
        self._now = words, size, Progress(0, 0, 0.0)

    def at(self, now: Progress) -> None:
        """Take how far the step is."""
        self._now = *self._now[:2], now

    def words(self, _: float) -> str:
        """Return what the job is at: files, bytes, the rate, and the time that is left of this step."""
        words, size, now = self._now
        if size is None or not now.files:
            return words
        files = f"{now.files:,} of {max(size.files, now.files):,} files"
        words = f"{words}: {files}, {size_to_text(now.size)} of {size_to_text(max(size.size, now.size))}"
        if now.seconds > 0:
            if now.size:
                words += f", {size_to_text(int(now.size / now.seconds))}/s"
            done, of = _weight(now), _weight(size)
            if of > done:
                words += f", {progress.left((of - done) * now.seconds / done)} left"
        return words


def _weight(what: Progress | Size) -> int:
    return what.size + what.files * A_FILE
