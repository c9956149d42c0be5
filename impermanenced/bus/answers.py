"""The questions that are asked of a report, whichever process holds it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from ..alerts import group, shutdown
from ..alerts.group import Announcements, Asked
from ..alerts.shutdown import ShutdownSummary
from ..document.explanation import explanation_to_json
from ..document.fields import dump
from ..document.report import report_pieces
from ..model import LOSSES, Entry, Report
from ..report import totals
from ..report.explanation import explain, on_a_volume
from ..report.totals import Tally
from ..report.visible import listed, visible
from ..watch.owners import owner_of
from .sealed import sealed_file

Unannounced = Callable[[Sequence[Asked]], Iterable[int]]  # indices of those to announce, now marked

PIECE = 1000  # paths in one question, and
PIECE_BYTES = 1 << 20  # bytes of these


class Answers(Protocol):
    """The answers of one report.  Close it; the caller also closes the descriptors that it returns."""

    def document(self, uid: int) -> int:
        """Return a sealed file with the report that this user may see."""

    def explanation(self, path: bytes, uid: int) -> int:
        """Return a sealed file about one path.  Raises UsageError if no volume has the path, before anything
        is made.
        """

    def announcements(
        self, unannounced: Unannounced, subvolumes: Collection[int] | None = None
    ) -> Announcements:
        """Return what to announce of everything undeclared, or only of these nested subvolumes."""

    def shutdown_summary(self) -> ShutdownSummary:
        """Return the last words before a shutdown."""

    def tally(self) -> Tally:
        """Return the totals of the report."""

    def close(self) -> None: ...


class FromReport:
    """The answers of a report in memory."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def document(self, uid: int) -> int:
        return sealed_file(report_pieces(listed(visible(self._report, uid), owner_of)))

    def explanation(self, path: bytes, uid: int) -> int:
        asked = on_a_volume(self._report, path)
        seen = visible(self._report, uid)._replace(others=None)
        return sealed_file([dump(explanation_to_json(explain(seen, asked)))])

    def announcements(
        self, unannounced: Unannounced, subvolumes: Collection[int] | None = None
    ) -> Announcements:
        lost = [entry for entry in self._report.entries if entry.verdict in LOSSES]
        asked: Sequence[Entry] = lost
        if subvolumes is not None:
            asked = [entry for entry in lost if entry.difference.subvolume in subvolumes]
        fresh: list[Entry] = []
        for piece in _pieces(asked):
            fresh += [piece[index] for index in unannounced([group.asked_of(entry) for entry in piece])]
        return group.announcements(fresh, lost)

    def shutdown_summary(self) -> ShutdownSummary:
        return shutdown.compose(self._report)

    def tally(self) -> Tally:
        return totals.of_report(self._report)

    def close(self) -> None:
        pass


def _pieces(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in pieces that are small in number and in bytes of paths."""
    piece: list[Entry] = []
    length = 0
    for entry in entries:
        length += len(entry.difference.path)
        if piece and (len(piece) >= PIECE or length > PIECE_BYTES):
            yield piece
            piece, length = [], len(entry.difference.path)
        piece.append(entry)
    if piece:
        yield piece
