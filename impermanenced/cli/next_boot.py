"""What waits for the next boot, and what it will do, in words: for `status`, `boots` and `next`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping

from ..boots import history, outcome, remedy, requests
from ..boots.examine import BOOTED, KEPT, OFF, OTHER, TYPED, UNKNOWN, WIPED
from ..boots.outcome import Trouble
from ..boots.requests import UNDO, Pending
from ..config.load import load
from ..errors import ImpermanenceError
from ..model import Decision, Forecast, Report, Spared
from ..report.forecast import foretell, of
from ..volumes.machine import Machine
from . import output, trouble, wording

HELD = (
    "wiping pauses: boots did not complete, and the last good root is held.\n"
    "  To go on, once the blank is mended:  impermanence next wipe"
)
NOT_OBEYED = "setup has not been run since rollback.wipe became false"
ASKED_FOR = {"wipe": WIPED, "keep": KEPT, "boot": BOOTED}

WILL = "will be lost at the next boot"
_WOULD = "would be lost at the next boot, were "
_UNLESS: Mapping[Spared, tuple[str, str]] = {
    Spared.NOT_SET_UP: ("would be lost if this root were wiped", "; it is not set up"),
    Spared.TRIAL: (_WOULD + "this not a trial (rollback.wipe is false)", ""),
    Spared.ASKED: (_WOULD + "the root not kept, as somebody asked", ""),
    Spared.HELD: (_WOULD + "the root not held, since wiping pauses", ""),
    Spared.REFUSED: (_WOULD + "its rollback not refused", ""),
    Spared.OTHER: (_WOULD + "this the root that is rolled back", ""),
}


def forecast_of(report: Report, config: bytes | None) -> Forecast:
    """Return the forecast of a report, or what can be found out where it has none: an older daemon's."""
    if report.forecast is not None:
        return report.forecast
    try:
        settings = load(config)
        if os.geteuid() == 0:
            with Machine(settings.volumes) as machine:
                return foretell(settings, machine)
        trial = not settings.rollback.wipe
    except (ImpermanenceError, OSError):
        trial = False
    found = outcome.look(history.this_boot_id()) if config is None else None
    if found is not None and found.kind == outcome.OTHER:
        return of(Decision(OTHER, why=trouble.reason(found), code=found.code), None)
    return of(Decision(UNKNOWN, why="only root can ask"), Spared.TRIAL if trial else None)


def notices(decision: Decision, config: bytes | None) -> list[str]:
    """Return what `status` adds about this boot and the next one; only root may know of requests."""
    lines: list[str] = []
    names = None
    try:
        # What the hook left for all to read is about this machine, and not about another that is looked at.
        found = outcome.look(history.this_boot_id()) if config is None else None
        hold, request = found is not None and found.kind == outcome.HELD, None
        if os.geteuid() == 0:
            with Machine(load(config).volumes) as machine:
                names = remedy.names_of_machine(machine)
                if machine.has_state():
                    newest, request = requests.newest_record(machine), requests.pending(machine)
                    hold = newest is not None and newest.hold
                    if found is None and newest is not None and newest.boot_id == history.this_boot_id():
                        found = outcome.of(newest)
        if found is not None and found.kind != outcome.HELD:
            lines.append(trouble.not_rolled_back(found, names))
        lines += [*again(decision, found), *waiting(hold, request, time.time())]
        if config is None and (packages := outcome.told_of_packages()) is not None:
            lines.append(packages)
    except (ImpermanenceError, OSError):
        pass
    return lines


def losing(forecast: Forecast | None) -> tuple[str, str]:
    """Return what becomes of losses, as the words after their number, and the end of the sentence."""
    if forecast is None or forecast.spared is None:
        return WILL, ""
    return _UNLESS[forecast.spared]


def again(decision: Decision, found: Trouble | None) -> Iterator[str]:
    """Yield what the next boot will not do as it should, `found` being what this one did not do."""
    if found is not None and found.code is not None and found.code == decision.code:
        if decision.fails:
            yield "  The rollback of the next boot will be refused too."
    elif decision.code == "request-invalid":  # the request itself is shown, with its fault
        return
    elif decision.fails or decision.action == OTHER:
        yield foretold(decision)


def foretold(decision: Decision) -> str:
    """Say what the next boot will do, with the reason, and what to do about it."""
    code = f" ({decision.code})" if decision.code is not None else ""
    advice = f"\n  To do: {decision.advice}" if decision.advice is not None else ""
    if decision.fails:
        return f"the rollback of the next boot will be refused: {decision.why}{code}.{advice}"
    if decision.action == OTHER:
        return f"another root boots than the one that is rolled back: {decision.why}{code}.{advice}"
    if decision.code in TYPED:
        return f"with the kernel command line of this boot, the next one rolls nothing back: {decision.why}"
    if decision.action == OFF:
        return f"the next boot rolls nothing back: {decision.why}{code}.{advice}"
    if decision.action == UNKNOWN:
        return f"what the next boot will do is not known: {decision.why}"
    why = f": {decision.why}" if decision.why else ""
    return f"the next boot {_does(decision)}{why}"


def _does(decision: Decision) -> str:
    match decision.action:
        case "wiped":
            return "wipes"
        case "booted":
            return f"gets a copy of old root {decision.boot}"
        case "trial":
            return "keeps the root, in a trial"
    return "keeps the root"


def nothing_asked(forecast: Forecast, *, trial: bool) -> str:
    """Say what the next boot does by itself."""
    decision = forecast.decision
    if forecast.spared is None and decision.action in (WIPED, BOOTED):
        mistaken = f" ({NOT_OBEYED})" if trial and decision.action == WIPED else ""
        usual = f"{foretold(decision)}{mistaken}"
    elif forecast.spared is Spared.HELD:
        usual = (
            "the next boot keeps the root: it is held since boots in a row did not complete "
            "(impermanence next wipe)"
        )
    elif forecast.spared is Spared.TRIAL:
        usual = "the next boot keeps the root: this is a trial (rollback.wipe is false)"
    elif forecast.spared is Spared.NOT_SET_UP:
        usual = "the next boot rolls nothing back: this machine is not set up (impermanence setup)"
    else:
        usual = foretold(decision)
    return f"nothing is asked for: {usual}\n"


def asked(found: Pending, decision: Decision, now: float) -> str:
    """Say what is asked for, and what the next boot will do where that is something else."""
    lines = [pending(found, now)]
    if found.request is not None and decision.action != ASKED_FOR[found.request.action]:
        lines.append(foretold(decision))
    return "\n".join(lines) + "\n"


def waiting(hold: bool, request: Pending | None, now: float) -> Iterator[str]:
    """Yield what waits for the next boot, in words; `hold`: wiping pauses."""
    if hold:
        yield HELD
    if request is not None:
        yield pending(request, now)


def pending(found: Pending, now: float) -> str:
    if found.request is None:
        what = f"next: cannot be understood, and the hook will not wipe:\n  {found.fault}"
        return f"{what}\n  Remove it:  {UNDO}"
    asked = wording.age(found.time, now)
    undo = "impermanence setup" if found.request.off else UNDO
    return f"next: {requests.short(found.request)}, asked for {asked}  (undo: {undo})"


def complain_of_another_root(config: bytes | None) -> None:
    """Say on standard error where another root runs than the one that the set-up is about."""
    found = outcome.look(history.this_boot_id()) if config is None else None
    if found is not None and found.kind == outcome.OTHER:
        output.complain(trouble.line(found), "impermanence doctor")
