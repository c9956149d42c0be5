"""The declarations that do not hold, as `doctor` names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..boots.doctor import WARNING, Finding
from ..model import Decision
from ..report.report import Manager
from ..report.unkept import severity
from ..text import first_of, to_text
from ..volumes.machine import system_root
from .examine import states
from .state import Declared, Reason, State

MOST = 5  # paths that are named


def examine(manager: Manager, decision: Decision) -> list[Finding]:
    """Return the declarations that do not hold; it is an error where the next boot of the running system
    wipes, and takes something away.
    """
    root = system_root(manager.volumes)
    if root is None:
        return []
    risk = severity(root, decision)
    found = sorted(states(manager), key=lambda one: one.path)
    return [
        *_inactive([one for one in found if one.reason in (Reason.UNMOUNTED, Reason.UNLINKED)], risk),
        *(_inconsistent(one, WARNING if one.kept else risk) for one in found if _is_wrong(one)),
    ]


def _is_wrong(one: Declared) -> bool:
    # Where the persist volume itself is misplaced, that is said once.
    return one.state is State.INCONSISTENT and one.reason is not Reason.WIPED


def _inconsistent(one: Declared, risk: str) -> Finding:
    return Finding(risk, f"{to_text(one.path)}: {one.words}", one.hint, commands=one.commands)


def _inactive(found: Sequence[Declared], risk: str) -> Iterator[Finding]:
    if not found:
        return
    commands = dict.fromkeys(command for one in found for command in one.commands)
    yield Finding(
        risk,
        f"declared, but nothing is mounted there: {first_of([one.path for one in found], MOST)}. "
        "What is written there goes with the next boot that wipes",
        found[0].hint,
        commands=tuple(commands),
    )
