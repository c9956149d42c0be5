"""The forecast: what the next boot does, and for each path whether it will be there afterwards.

The program of the initrd decides (`boots/examine`).  What the configuration and the requests say decides only
where the program cannot be asked, and where it goes by words that may have been typed for this boot alone:
those open no gate, and silence no report.  Everybody who says anything about the next boot asks here.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Mapping

from ..boots import examine, requests
from ..boots.examine import BOOTED, KEPT, TYPED, WIPED
from ..config.load import Config
from ..errors import ImpermanenceError
from ..model import LOSSES, Change, Decision, Entry, Forecast, Report, Spared, Verdict
from ..state import ROLLBACK
from ..volumes.machine import Machine

# Seconds for which a decision is good, since it takes a program to find out:
FRESH = 60.0  # where it is only asked whether to say something, and
REPEATED = 5.0  # in reports, which anybody may ask for one after the other

_WHY: Mapping[Spared, str] = {
    Spared.NOT_SET_UP: "this machine is not set up",
    Spared.TRIAL: "this is a trial",
    Spared.ASKED: "somebody asked to keep the root",
    Spared.HELD: "wiping pauses",
    Spared.REFUSED: "the rollback will be refused",
    Spared.OTHER: "another root boots",
}


class Fate(enum.StrEnum):
    """What is at a path after the next boot."""

    STAYS = "stays"  # the root goes on as it is
    PERSISTS = "persists"  # what is mounted or linked there now
    GONE = "gone"  # nothing
    BLANK = "blank"  # what the blank has there
    OLD_ROOT = "old-root"  # what the old root has there that will be booted
    UNKNOWN = "unknown"


def foretell(config: Config, machine: Machine) -> Forecast:
    """Return what the next boot does to the volumes of a machine."""
    return of(examine.next_boot(machine), known(config, machine), set_up=examine.is_set_up(machine))


def of(decision: Decision, known: Spared | None, *, set_up: bool = True) -> Forecast:
    """Return the forecast that follows from a decision.

    `known` is why nothing is taken away as far as configuration and requests tell; `set_up` says whether
    anything was ever told to wipe.
    """
    fallback = known if set_up or known is Spared.TRIAL else Spared.NOT_SET_UP
    if decision.code in TYPED:
        return Forecast(decision, fallback)
    if decision.fails:
        return Forecast(decision, Spared.REFUSED)
    match decision.action:
        case "wiped" | "booted":
            return Forecast(decision)
        case "other":
            return Forecast(decision, Spared.OTHER)
        case "trial":
            return Forecast(decision, Spared.TRIAL)
    if decision.code == "no-record":
        return Forecast(decision, Spared.TRIAL if known is Spared.TRIAL else Spared.NOT_SET_UP)
    return Forecast(decision, fallback)


def known(config: Config, machine: Machine) -> Spared | None:
    """Return why the next boot takes nothing away, as far as configuration and requests tell, or None."""
    if not config.rollback.wipe:
        return Spared.TRIAL
    try:
        waiting = requests.pending(machine)
        newest = requests.newest_record(machine)
    except (ImpermanenceError, OSError):
        return None
    if waiting is not None and waiting.request is not None:
        return Spared.ASKED if waiting.request.action == "keep" else None
    return Spared.HELD if newest is not None and newest.hold else None


def why(forecast: Forecast) -> str | None:
    """Return why the next boot takes nothing away, in words, or None if it does, or may."""
    if forecast.spared is None:
        return None
    code = forecast.decision.code
    named = forecast.spared in (Spared.REFUSED, Spared.OTHER) and code is not None
    return f"{_WHY[forecast.spared]} ({code})" if named else _WHY[forecast.spared]


def loses(report: Report) -> bool:
    """Return whether the next boot takes anything of this report away, or may."""
    if report.forecast is not None and report.forecast.spared is not None:
        return False
    return bool(report.faults) or any(entry.verdict in LOSSES for entry in report.entries)


def fate(entry: Entry, forecast: Forecast | None) -> Fate:
    """Return what is at the path of an entry after the next boot, as far as the hook decides it."""
    if forecast is not None and forecast.spared is not None:
        return Fate.STAYS
    if entry.verdict in (Verdict.PERSISTED, Verdict.HIDDEN):
        return Fate.PERSISTS
    if forecast is None:
        return Fate.UNKNOWN
    decision = forecast.decision
    if decision.action == BOOTED:
        return Fate.OLD_ROOT
    # Without the words that were typed, it wipes.
    if decision.action not in (WIPED, KEPT) and decision.code not in TYPED:
        return Fate.UNKNOWN
    return Fate.GONE if entry.difference.change is Change.CREATED else Fate.BLANK


class Remembered:
    """The forecast of one machine, asked anew when a request, the setting or the record changes, and after so
    many seconds.
    """

    def __init__(self, clock: Callable[[], float], fresh: float = FRESH) -> None:
        self._clock = clock
        self._fresh = fresh
        self._forecast: Forecast | None = None
        self._facts: tuple[Spared | None, tuple[int, int] | None] = (None, None)
        self._since = 0.0

    def forget(self) -> None:
        self._forecast = None

    def of(self, config: Config, machine: Machine) -> Forecast:
        """Return the forecast."""
        now, present = self._clock(), (known(config, machine), _record(machine))
        if self._forecast is None or present != self._facts or now - self._since >= self._fresh:
            self._forecast, self._facts, self._since = foretell(config, machine), present, now
        return self._forecast


def _record(machine: Machine) -> tuple[int, int] | None:
    """Return which file the record on the disk is and when it was written, or None if there is none."""
    try:
        facts = os.lstat(machine.at(ROLLBACK))
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns
