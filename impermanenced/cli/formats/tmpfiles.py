r"""tmpfiles.d(5): links to the persist volume, and the directories around both ends.

Hard facts
    L makes a link where nothing is, and leaves alone what is there; L+ would delete a directory with all that
    is in it, also when it is run before anybody has copied it.  So only L is written, and what the blank has
    by the name is refused.
"""

from __future__ import annotations

import os
import stat

from ...config.placement import Ownership
from ...lazy import regex
from ...model import Change, FileType
from ...report.suggest import RemedyKind, Wanted
from ...system.systemd_text import argument, word
from .writing import Task, Written, about, unspeakable

HEAD = ("For a file below /etc/tmpfiles.d/.  A link whose target is not there leads nowhere: copy first.",)
_CLAUSE = regex(r"([ugoa]+)=([rwx]*)")
_BITS = {"r": 4, "w": 2, "x": 1}
_SHIFTS = {"u": (6,), "g": (3,), "o": (0,), "a": (6, 3, 0)}


def write(task: Task) -> Written:
    written = Written()
    directories: dict[bytes, str] = {}
    links: list[str] = []
    good = [one for one in task.wanted if written.take(one, _why_not(one))]
    for way in task.suggestion.ways:
        if any(one.path.startswith(way.path + b"/") for one in good):
            line = f"{way.mode:04o} {way.user} {way.group} -"
            persists = {one.persist for one in good if one.path.startswith(way.path + b"/")}
            directories |= dict.fromkeys((persist + way.path for persist in persists), line)
            if way.new:
                directories[way.path] = line
    for one in good:
        target = one.persist + one.path
        if one.directory:
            directories[target] = _owned(task, one, one.own)
        else:
            around = os.path.dirname(target)
            if one.parent != Ownership():
                directories[around] = _owned(task, one, one.parent)
            directories.setdefault(around, "0755 root root -")
        links += [*_comment(one), f"L {word(one.path)} - - - - {argument(target)}"]
    for remedy in task.suggestion.remedies:
        if remedy.kind is RemedyKind.NODE:
            for found in remedy.paths:
                made = node(task, found)
                if made is not None:
                    links.append(made)
                    written.nodes.add(found)
    written.lines = [*(f"d {word(found)} {directories[found]}" for found in sorted(directories)), *links]
    return written


def _comment(one: Wanted) -> list[str]:
    words = about(one).strip()
    return [words] if words else []


def _why_not(one: Wanted) -> str | None:
    if one.in_blank and not one.declared:
        return "the blank has something there, and a link does not take its place: it has to be mounted"
    return unspeakable(one.path) or unspeakable(one.persist)


def _owned(task: Task, one: Wanted, own: Ownership) -> str:
    found = task.system.user(one.path)
    user = own.user or one.user or "root"
    group = own.group or (task.system.group(found[0].gid) if found and one.user else one.user or "root")
    return f"{octal(own.mode or '0755')} {user} {group} -"


def octal(mode: str) -> str:
    """Return a mode of chmod(1) in octal, or "-", the default, if it does not set all bits."""
    if mode.isdigit():
        return mode
    clauses = [_CLAUSE.fullmatch(clause) for clause in mode.split(",")]
    bits = 0
    for clause in clauses:
        if clause is None:
            return "-"
        value = sum(_BITS[letter] for letter in set(clause[2]))
        for shift in {shift for who in clause[1] for shift in _SHIFTS[who]}:
            bits = bits & ~(7 << shift) | value << shift
    return f"{bits:04o}"


def node(task: Task, found: bytes) -> str | None:
    """Return the line that makes a link, a fifo or a device anew, or None if no line can."""
    item = task.items[found]
    if unspeakable(found) is not None:
        return None
    if item.type is FileType.SYMLINK:
        target = task.system.link(item.path)
        if target is None or unspeakable(target) is not None:
            return None
        letter = "L" if item.change is Change.CREATED else "L+"
        return f"{letter} {word(item.path)} - - - - {argument(target)}"
    facts = task.system.facts(item.path)
    if facts is None or item.change is not Change.CREATED or item.type is FileType.SOCKET:
        return None
    owner = f"{item.mode:04o} {task.system.owner(facts.st_uid)} {task.system.group(facts.st_gid)} -"
    if stat.S_ISFIFO(facts.st_mode):
        return f"p {word(item.path)} {owner}"
    letter = "c" if stat.S_ISCHR(facts.st_mode) else "b"
    return f"{letter} {word(item.path)} {owner} {os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"
