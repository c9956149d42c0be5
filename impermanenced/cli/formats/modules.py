"""The modules for NixOS beside impermanence's: for a system, and for homes.

Each is written as a module of its own, which can be imported, or pasted without its braces.

Hard facts (nix-community/impermanence at 7b1d382; tests/nix/options has its options)
    It takes owner and mode for directories and for the directory around a file, not for a file; it gives the
    live directory around a file the same owner and mode.  Directories are mounted: `method` is an option of
    files alone.  A user's home is that of users.users, and naming it is an error.  Declaring a path twice is
    an error.
    Directories on the way are created as root's, or as the user's below a home, always with mode 0755, and
    what is live gets owner and mode of what persists.  No option says otherwise, so lines of tmpfiles.d do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from ...config.placement import SYMLINK, SYNC, SYSTEM, Ownership
from ...report.suggest import Wanted, Way
from ...report.suggest.ownership import DIRECTORY
from . import nix
from .writing import Option, Task, Written, about, by_user, differs, fields, hides

HEADS = {
    "impermanence": ("A module for NixOS beside github:nix-community/impermanence.",),
    "home-manager": (
        "A module for NixOS beside home-manager's and github:nix-community/impermanence.",
        "In a home.nix the option begins with home.persistence.",
    ),
}
_USERS = tuple(b"/etc/" + name for name in b"group gshadow passwd shadow subgid subuid".split())
_MOUNTED = "  # method: impermanence mounts every directory"
_NO_DETAILS = "  # impermanence has neither mount options nor the phase of one entry"
_NO_OWNER = "  # owner and mode of a file are those of the file itself"

Entry = Callable[[Wanted, bool], str]


def impermanence(task: Task) -> Written:
    written = Written(["{"])
    found: list[Wanted] = []
    for persist, block in task.blocks():
        good = [one for one in block if written.take(one, why_not(one) or _why_not_here(one))]
        if not good:
            continue
        found += good
        written.lines.append(f"  environment.persistence.{nix.string(persist.decode())} = {{")
        if hides(block):
            written.lines.append("    hideMounts = true;")
        for user, entries in by_user(good):
            if user is None:
                written.lines += lists(entries, _entry, "    ", hidden=hides(block))
            else:
                lines = lists(entries, _entry, "      ", hidden=hides(block))
                written.lines += [f"    users.{nix.name(user)} = {{", *lines, "    };"]
        written.lines.append("  };")
    written.lines += [*_parents(task, found), "}"]
    return written


def home_manager(task: Task) -> Written:
    written = Written(["{"])
    found: list[Wanted] = []
    for persist, block in task.blocks():
        for user, entries in by_user(block):
            if user is None:
                written.refused += [(one, "it lies in no home") for one in entries]
                continue
            good = [one for one in entries if written.take(one, why_not(one))]
            if not good:
                continue
            found += good
            option = f"home-manager.users.{nix.name(user)}.home.persistence.{nix.string(persist.decode())}"
            written.lines.append(f"  {option} = {{")
            if hides(block):
                written.lines.append("    hideMounts = true;")
            written.lines += [*lists(good, _entry, "    ", hidden=hides(block)), "  };"]
    written.lines += [*_parents(task, found), "}"]
    return written


def why_not(one: Wanted) -> str | None:
    """Return why no module of NixOS can say a declaration, or None."""
    if one.path in _USERS and not one.declared:
        return "NixOS makes it of users.users, passwords of hashedPasswordFile"
    if one.method == SYNC:
        return "no module keeps a file as a copy"
    if one.details.exclude:
        return "no module leaves out a part of a directory"
    return nix.why_not(one.path) or nix.why_not(one.persist)


def _why_not_here(one: Wanted) -> str | None:
    """Return why impermanence cannot say a declaration, or None: its evaluation fails at such a file."""
    top = os.path.dirname(one.path) == b"/"
    return "impermanence takes no file that lies in / itself" if top and not one.directory else None


def lists(entries: list[Wanted], entry: Entry, indent: str, *, hidden: bool) -> list[str]:
    """Return the lines of both lists of a block, each entry as `entry` writes it."""
    lines = []
    for key, directory in (("directories", True), ("files", False)):
        found = [entry(one, hidden) for one in entries if one.directory == directory]
        lines += nix.several(key, found, indent)
    return lines


def said(one: Wanted, options: Mapping[str, Option]) -> str:
    """Return an entry: its path alone, where there is nothing else to say."""
    path = one.name.decode()
    if not options:
        return nix.string(path)
    return nix.value({"directory" if one.directory else "file": path, **options})


def special(task: Task, good: list[Wanted]) -> Iterator[Way]:
    """Yield the directories on the way that no module would create as they are now.

    It creates a home with its user, and below it what is the user's with mode 0755.
    """
    declared = {one.path for one in good}
    for way in task.suggestion.ways:
        home = task.system.user(way.path)
        usual = ("root", "root", DIRECTORY)
        if home is not None:
            usual = (home[0].name, task.system.group(home[0].gid), DIRECTORY)
        is_home = way.path in {one.home for one in good} or (home is not None and home[1] == way.path)
        as_usual = (way.user, way.group, way.mode) == usual
        if is_home or as_usual or way.path in declared or nix.why_not(way.path) is not None:
            continue
        if any(one.path.startswith(way.path + b"/") for one in good):
            yield way


def _entry(one: Wanted, hidden: bool) -> str:
    options: dict[str, Option] = {}
    note = ""
    if one.directory:
        options |= fields(one.own)
        if differs(one, hidden=hidden):
            options["hideMount"] = one.hide
        if one.details.trash:
            options["allowTrash"] = True
    elif parent := fields(one.parent):
        options["parentDirectory"] = parent
    if one.declared and not one.directory and fields(one.own):
        note = _NO_OWNER
    if one.details.phase != SYSTEM or one.details.options:
        note = _NO_DETAILS
    if one.method == SYMLINK and one.directory:
        note = _MOUNTED
    elif one.method == SYMLINK:
        options["method"] = SYMLINK
    return said(one, options) + (note or about(one))


def _parents(task: Task, good: list[Wanted]) -> list[str]:
    """Return lines for tmpfiles, for both ends of what no option of impermanence creates."""
    around = {os.path.dirname(one.path) for one in good if not one.directory and one.parent != Ownership()}
    lines = []
    for way in special(task, good):
        if way.path in around:
            continue
        options = nix.value({"user": way.user, "group": way.group, "mode": f"{way.mode:04o}"})
        stores = dict.fromkeys(one.persist for one in good if one.path.startswith(way.path + b"/"))
        for path in (way.path, *(store + way.path for store in stores)):
            lines.append(f"    {nix.string(path.decode())}.d = {options};")
    return ["  systemd.tmpfiles.settings.impermanence = {", *lines, "  };"] if lines else []
