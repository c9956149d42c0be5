"""What nothing keeps although somebody counts on it: declared paths, persist volumes, and people's homes.

A report lists what differs from the blank now.  Here it is asked of the paths themselves, before anything is
written there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from ..boots import remedy
from ..boots.doctor import ERROR, WARNING, Finding
from ..boots.examine import BOOTED, WIPED
from ..model import Advice, AdviceKind, Decision, Declaration, Verdict
from ..paths import within
from ..text import first_of, to_text
from ..volumes.machine import system_root
from .report import Manager
from .suggest.accounts import System

MOST = 5  # paths that are named
TMPFILES = "/etc/tmpfiles.d/impermanence.conf"


def examine(manager: Manager, decision: Decision) -> list[Finding]:
    """Return what is kept by nothing; it is an error where the next boot of the running system wipes."""
    root = system_root(manager.volumes)
    if root is None:
        return []
    risk = ERROR if root == b"/" and decision.action in (WIPED, BOOTED) else WARNING
    missing = list(_missing_persist(manager)) if root == b"/" else []
    return [
        *(Finding(risk, words, hint, commands=commands) for words, hint, commands in missing),
        *_declared(manager, risk),
        *_homes(manager, root, risk),
    ]


def _missing_persist(manager: Manager) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield persist volumes of the running system that do not exist: what to say, to hint at and to do."""
    for path in manager.config.persist:
        if not os.path.exists(path):
            what = f"there is no {to_text(path)}: what is declared below it is kept nowhere"
            commands = remedy.persist_volume(manager.device, path)
            yield what, "make a subvolume beside the volume, and mount it there", commands


def _declared(manager: Manager, risk: str) -> Iterator[Finding]:
    declared = {one.path: one for one in manager.config.declarations}
    found = {
        path: advice
        for path, ruling, advice in manager.rulings(declared)
        if ruling.verdict not in (Verdict.PERSISTED, Verdict.HIDDEN)
    }
    if not found:
        return
    commands = [command for path in found for command in _fulfil(declared[path], found[path])]
    every = "each" if len(found) > 1 else "it"
    yield Finding(
        risk,
        f"declared, but nothing is mounted there: {first_of(list(found), MOST)}. "
        "What is written there goes with the next boot that wipes",
        f"copy {every} to the persist volume, and mount {every}" if commands else "rebuild the system",
        commands=(*commands, *(["systemctl daemon-reload && mount --all"] if commands else [])),
    )


def _fulfil(declaration: Declaration, advice: tuple[Advice, ...]) -> Iterator[str]:
    """Yield the commands that make a declaration so; where a module does it, there are none."""
    path, persist = (shlex.quote(to_text(one)) for one in (declaration.path, declaration.persist))
    for kind, line in advice:
        if kind is AdviceKind.FSTAB:
            yield f"cp -a --reflink=auto --parents {path} {persist}"
            yield f"echo {shlex.quote(line)} >> /etc/fstab"
        elif kind is AdviceKind.TMPFILES:
            yield f"cp -a --reflink=auto --parents {path} {persist}"
            yield f"echo {shlex.quote(line)} >> {TMPFILES}"


def _homes(manager: Manager, root: bytes, risk: str) -> Iterator[Finding]:
    """Find homes in a volume of which nothing is declared, mounted or ignored."""
    above = root.rstrip(b"/")
    with System(lambda path: above + path, native=root == b"/") as system:
        homes = {home: user.name for user, home in system.people() if system.facts(home) is not None}
    declared = [one.path for one in manager.config.declarations]
    for path, ruling, _ in manager.rulings(homes):
        some = any(within(one, path) or within(path, one) for one in declared)
        if ruling.verdict is Verdict.CRUD and not some:
            yield Finding(
                risk,
                f"nothing of the home of {homes[path]}, {to_text(path)}, is kept",
                "declare it, or what of it is to last, and mount that (impermanence suggest); "
                f'"{to_text(path)}/" below [watch] ignore says that it is to go',
            )
