"""Limits on how much would be lost: an entry in the journal when a level is reached, and, where it is
configured, an inhibitor against reboots while the gate blocks.

Both need the totals of a report.  Every report that somebody asks for brings them.  One is made for the
limits alone when what was written since may change the answer, and seldom when anything was written at all: a
file that only grows is announced once.  Where all that came since the blank is less than the lowest level, a
look at its size is enough, and when a boot has settled that is mostly so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from ..alerts.levels import Levels
from ..losses import LossClass
from ..model import LOSSES, Entry
from ..report import gate
from ..report.forecast import Remembered, why
from ..report.report import Manager
from ..report.totals import Tally
from ..system import journal
from ..system.login1 import Inhibitor
from ..text import size_to_text

BURST = 4  # reports that may be made for this one after the other; the next may be made after
EACH = 30.0  # seconds, or
REST = 10  # times as long as a report takes, where that is longer
SELDOM = 600.0  # seconds between two where only what is announced already was written to, or
LONG_REST = 100  # times as long as a report takes
WORDS = 10  # refusals that are logged one after the other; anybody can cause them, so the next one is after
WORDS_EACH = 60.0  # seconds

REGARDLESS = "systemctl reboot -i goes on regardless"
_WHY = "The next boot takes away what must not be lost: impermanence gate"
_PRIORITIES = {
    "notice": journal.LOG_NOTICE,
    "warning": journal.LOG_WARNING,
    "critical": journal.LOG_CRIT,
}


class Listener(Protocol):
    """A listener to levels that are reached."""

    def level(self, name: str, size: int, count: int) -> None: ...


class Limits:
    """The totals of the last report, and what was announced since then.

    The worker calls all methods but `close`.  `report` makes a report and hands its totals to `take`, as
    everything does that makes one; `weigh` returns bytes that a report does not exceed, or None.  The
    inhibitor is closed with this.
    """

    def __init__(
        self,
        manager: Manager,
        report: Callable[[], None],
        listener: Listener,
        inhibitor: Inhibitor,
        weigh: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._report = report
        self._listener = listener
        self._inhibitor = inhibitor
        self._weigh = weigh
        self._clock = clock
        self._levels = Levels()
        self._settled = False
        self._tally: Tally | None = None
        self._size: int | None = None  # the undeclared bytes of the last look; of a look at sizes, at most
        self._added = 0  # undeclared bytes that were announced since then
        self._caught = False  # a loss class that the gate blocks for is among them
        self._stirred = False  # anything was written since a report was made for this
        self._shut = False  # reboots are refused
        self._told = False  # that was logged
        self._words, self._counted = float(WORDS), 0.0  # how many more may be logged, and when that was so
        self._forecast = Remembered(clock)
        self._tokens = float(BURST)
        self._refilled = self._then = self._took = 0.0

    def close(self) -> None:
        self._inhibitor.close()

    # What was written

    def stir(self) -> None:
        """Note that something was written."""
        self._stirred = True

    def note(self, entries: Iterable[Entry]) -> None:
        """Add what would be lost of these to what was written."""
        for entry in entries:
            if entry.verdict in LOSSES:
                self.add(entry.loss or LossClass.UNKNOWN, entry.difference.held)

    def add(self, loss: str, size: int) -> None:
        self._stirred = True
        self._added += size
        self._caught = self._caught or loss in self._manager.config.gate.block

    # What comes of it

    def settle(self) -> None:
        """Begin to announce and to refuse: the boot has made its own files."""
        self._settled = True

    def unsettle(self) -> None:
        """Forget the last totals: the configuration is another one."""
        self._tally = self._size = None
        self._forecast.forget()

    def look(self) -> None:
        """Make a report if it is time for one; else judge the last totals by the present request for the next
        boot.
        """
        config = self._manager.config
        if not config.gate.inhibit:
            self._open()
        if not self._settled or not (config.gate.inhibit or any(self._bounds())):
            return
        now = self._clock()
        if self._due(now):
            self._tokens -= 1
            self._stirred = False
            try:
                if not self._light():
                    self._report()
            finally:
                self._then = self._clock()
                self._took = self._then - now
        elif config.gate.inhibit and self._tally is not None:
            self._judge(self._tally)

    def _bounds(self) -> tuple[int, ...]:
        levels = self._manager.config.levels
        return levels.notice.amount, levels.warning.amount, levels.critical.amount

    def _due(self, now: float) -> bool:
        passed, since = now - self._then, now - self._refilled
        more = since / max(EACH, REST * self._took)
        self._tokens, self._refilled = min(BURST, self._tokens + more), now
        if self._size is not None and self._stirred and passed >= max(SELDOM, LONG_REST * self._took):
            return True
        if self._tokens < 1:
            return False
        return self._size is None or (self._stirred and self._pressing(self._size))

    def _light(self) -> bool:
        """Tell whether all that came since the blank cannot reach a level; if so, no report is needed."""
        settings, total = self._manager.config, self._manager.machine.size()
        seldom = self._size is not None and not self._pressing(self._size)
        if settings.gate.inhibit or self._levels.reached or seldom:
            return False
        most = self._weigh()
        limit = self._levels.next(settings.levels, total)
        if most is None or limit is None or most >= limit:
            return False
        self._size, self._added, self._caught = most, 0, False
        return True

    def _pressing(self, size: int) -> bool:
        """Tell whether what was announced since the last report may change the answer."""
        settings, total = self._manager.config.gate, self._manager.machine.size()
        if settings.inhibit and (self._caught or self._shut):
            return True
        limits = [self._levels.next(self._manager.config.levels, total)]
        if settings.inhibit:
            limits.append(settings.block_bytes.of(total))
        return any(limit and size + self._added >= limit for limit in limits)

    def take(self, tally: Tally) -> None:
        """Take the totals of a report, and announce and refuse what follows from them."""
        self._tally, self._size = tally, tally.size
        self._added, self._caught = 0, False
        if self._settled:
            self._say_level(tally)
            if self._manager.config.gate.inhibit:
                self._judge(tally)

    def _say_level(self, tally: Tally) -> None:
        levels = self._manager.config.levels
        reached = self._levels.reach(tally.size, levels, self._manager.machine.size(), self._clock())
        if reached is None:
            return
        name, begins = reached
        spared = why(self._forecast.of(self._manager.config, self._manager.machine))
        paths = "1 path" if tally.paths == 1 else f"{tally.paths} paths"
        message = (
            f"state that does not persist has come to {size_to_text(tally.size)} in {paths}, "
            f"{name}-bytes is {size_to_text(begins)}"
        )
        if spared is not None:
            message += f"; {spared}, the next boot does not take it away"
        journal.write(message, _PRIORITIES[name] if spared is None else journal.LOG_INFO, {
            "MESSAGE_ID": journal.MESSAGE_LEVEL,
            "IMPERMANENCE_LEVEL": name,
            "IMPERMANENCE_BYTES": tally.size,
            "IMPERMANENCE_COUNT": tally.paths,
        })  # fmt: skip
        if spared is None:
            self._listener.level(name, tally.size, tally.paths)

    def _judge(self, tally: Tally) -> None:
        config, machine = self._manager.config, self._manager.machine
        judgement = gate.judge(tally, config.gate, machine.size(), None)
        # What the next boot will do takes a program to find out: only what would block is worth it.
        if judgement.verdict != gate.BLOCK or self._forecast.of(config, machine).spared is not None:
            self._open()
        elif not (self._shut and self._told):
            reasons = "; ".join(words for verdict, words in judgement.reasons if verdict == gate.BLOCK)
            self._told = self._may_log()
            if self._told or not self._shut:
                self._inhibitor.hold(_WHY, (lambda: _say_shut(reasons)) if self._told else None)
            self._shut = True

    def _may_log(self) -> bool:
        now = self._clock()
        self._words = min(float(WORDS), self._words + (now - self._counted) / WORDS_EACH)
        self._counted = now
        if self._words < 1:
            return False
        self._words -= 1
        return True

    def _open(self) -> None:
        if self._shut:
            self._shut = False
            if self._inhibitor.release() and self._told:
                journal.write(
                    "a reboot is not refused any more",
                    journal.LOG_NOTICE,
                    {"MESSAGE_ID": journal.MESSAGE_GATE_OPEN},
                )


def _say_shut(reasons: str) -> None:
    journal.write(f"a reboot is refused: {reasons} ({REGARDLESS})", journal.LOG_WARNING, {
        "MESSAGE_ID": journal.MESSAGE_GATE_SHUT,
        "IMPERMANENCE_REASON": reasons,
    })  # fmt: skip
