"""The declarations that do not hold, as `doctor` names them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from ..boots.doctor import WARNING, Finding
from ..model import AdviceKind, Decision
from ..report.report import Manager
from ..report.unkept import severity
from ..text import first_of, to_text
from ..volumes.machine import system_root
from .examine import states
from .state import Declared, Reason, State

MOST = 5  # paths that are named
TMPFILES = "/etc/tmpfiles.d/impermanence.conf"


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
    commands = [command for one in found for command in _fulfil(one)]
    every = "each" if len(found) > 1 else "it"
    yield Finding(
        risk,
        f"declared, but nothing is mounted there: {first_of([one.path for one in found], MOST)}. "
        "What is written there goes with the next boot that wipes",
        f"copy {every} to the persist volume, and mount {every}" if commands else "rebuild the system",
        commands=(*commands, *(["systemctl daemon-reload && mount --all"] if commands else [])),
    )


def _fulfil(one: Declared) -> Iterator[str]:
    """Yield the commands that make a declaration so; where a module does it, there are none."""
    path, persist = (shlex.quote(to_text(text)) for text in (one.path, one.persist))
    tables = {AdviceKind.FSTAB: "/etc/fstab", AdviceKind.TMPFILES: TMPFILES}
    for kind, line in one.advice:
        if (table := tables.get(kind)) is not None:
            yield f"cp -a --reflink=auto --parents {path} {persist}"
            yield f"echo {shlex.quote(line)} >> {table}"
