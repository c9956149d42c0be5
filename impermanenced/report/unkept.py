"""What nothing keeps although somebody counts on it: persist volumes that are not there, and people's homes.

A report lists what differs from the blank now.  Here it is asked of the paths themselves, before anything is
written there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..boots import remedy
from ..boots.doctor import ERROR, WARNING, Finding
from ..boots.examine import BOOTED, WIPED
from ..model import Decision, Verdict
from ..paths import within
from ..text import to_text
from ..volumes.machine import system_root
from .accounts import System
from .report import Manager


def examine(manager: Manager, decision: Decision) -> list[Finding]:
    """Return what is kept by nothing; it is an error where the next boot of the running system wipes."""
    root = system_root(manager.volumes)
    if root is None:
        return []
    risk = severity(root, decision)
    missing = list(_missing_persist(manager)) if root == b"/" else []
    return [
        *(Finding(risk, words, hint, commands=commands) for words, hint, commands in missing),
        *_homes(manager, root, risk),
    ]


def severity(root: bytes, decision: Decision) -> str:
    """Return how bad it is that something is not kept; `root` is where the system's "/" is mounted."""
    return ERROR if root == b"/" and decision.action in (WIPED, BOOTED) else WARNING


def _missing_persist(manager: Manager) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield persist volumes of the running system that do not exist: what to say, to hint at and to do."""
    for path in manager.config.persist:
        if not os.path.exists(path):
            what = f"there is no {to_text(path)}: what is declared below it is kept nowhere"
            commands = remedy.persist_volume(manager.device, path)
            yield what, "make a subvolume beside the volume, and mount it there", commands


def _homes(manager: Manager, root: bytes, risk: str) -> Iterator[Finding]:
    """Find homes in a volume of which nothing is declared, mounted or ignored."""
    above = root.rstrip(b"/")
    with System(lambda path: above + path, native=root == b"/") as system:
        homes = {home: user.name for user, home in system.people() if system.facts(home) is not None}
    declared = [one.path for one in manager.config.declarations]
    for standing, ruling, _ in manager.rulings(homes):
        path = standing.path
        some = any(within(one, path) or within(path, one) for one in declared)
        if ruling.verdict is Verdict.CRUD and not some:
            yield Finding(
                risk,
                f"nothing of the home of {homes[path]}, {to_text(path)}, is kept",
                "declare it, or what of it is to last, and mount that (impermanence suggest); "
                f'"{to_text(path)}/" below [watch] ignore says that it is to go',
            )
