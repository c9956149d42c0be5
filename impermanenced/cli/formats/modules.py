"""The modules for NixOS and home-manager: impermanence, preservation, and impermanence in a home.

Each is written as a module of its own, which can be imported, or pasted without its braces.

Hard facts (nix-community/impermanence and nix-community/preservation, as of 2025)
    impermanence takes owner and mode for directories and for the directory around a file, not for a file;
    it gives the live directory around a file the same owner and mode.  Real bind mounts only: `method` was an
    option of its home-manager module before (branch home-manager-v1), and is refused since.
    In both, a home that is not /home/NAME has to be named.  Declaring a path twice is an error.
    preservation does nothing unless it is enabled; what lies deeper in a home gets parents of root's unless
    tmpfiles makes them, which the documentation's example does by settings named after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ...config.placement import BIND, INITRD, SYMLINK, SYNC, SYSTEM
from ...report.suggest import Wanted
from . import nix
from .writing import Option, Task, Written, about, by_user, differs, fields, hides

HEADS = {
    "impermanence": ("A module for NixOS beside github:nix-community/impermanence.",),
    "preservation": ("A module for NixOS beside github:nix-community/preservation.",),
    "home-manager": (
        "A module for NixOS beside home-manager's and github:nix-community/impermanence.",
        "In a home.nix the option begins with home.persistence; home-manager-v1 wants the home in the path.",
    ),
}
# preservation's documentation prepares these in the initrd: they are read before the root is complete.
_EARLY = (b"/etc/machine-id", b"/var/lib/nixos")
_USERS = tuple(b"/etc/" + name for name in b"group gshadow passwd shadow subgid subuid".split())
_OLD_METHOD = "  # method: only the branch home-manager-v1 has it"
_NO_DETAILS = "  # impermanence has neither mount options nor the phase of one entry"
_NO_OWNER = "  # owner and mode of a file are those of the file itself"

Entry = Callable[[Wanted, bool], str]


def impermanence(task: Task) -> Written:
    written = Written(["{"])
    for persist, block in task.blocks():
        good = [one for one in block if written.take(one, _why_not(one))]
        if not good:
            continue
        written.lines.append(f"  environment.persistence.{nix.string(persist.decode())} = {{")
        if hides(block):
            written.lines.append("    hideMounts = true;")
        written.lines += [*_users(good, _impermanence_entry, hidden=hides(block)), "  };"]
    written.lines.append("}")
    return written


def preservation(task: Task) -> Written:
    written = Written(["{"])
    if task.wanted:
        written.lines.append("  preservation.enable = true;")
    good: list[Wanted] = []
    for persist, block in task.blocks():
        fine = [one for one in block if written.take(one, _why_not(one))]
        if not fine:
            continue
        good += fine
        written.lines.append(f"  preservation.preserveAt.{nix.string(persist.decode())} = {{")
        if hides(block):
            written.lines.append('    commonMountOptions = [ "x-gvfs-hide" ];')
        written.lines += [*_users(fine, _preservation_entry, hidden=hides(block)), "  };"]
    written.lines += [*_parents(task, good), "}"]
    return written


def home_manager(task: Task) -> Written:
    written = Written(["{"])
    for persist, block in task.blocks():
        for user, entries in by_user(block):
            if user is None:
                written.refused += [(one, "it lies in no home") for one in entries]
                continue
            good = [one for one in entries if written.take(one, _why_not(one))]
            if not good:
                continue
            option = f"home-manager.users.{nix.name(user)}.home.persistence.{nix.string(persist.decode())}"
            written.lines.append(f"  {option} = {{")
            if hides(block):
                written.lines.append("    hideMounts = true;")
            written.lines += [*_lists(good, _impermanence_entry, "    ", hidden=hides(block)), "  };"]
    written.lines.append("}")
    return written


def _why_not(one: Wanted) -> str | None:
    if one.path in _USERS and not one.declared:
        return "NixOS makes it of users.users, passwords of hashedPasswordFile"
    if one.method == SYNC:
        return "no module keeps a file as a copy"
    if one.details.exclude:
        return "no module leaves out a part of a directory"
    return nix.why_not(one.path) or nix.why_not(one.persist)


def _users(block: list[Wanted], entry: Entry, *, hidden: bool) -> list[str]:
    lines = []
    for user, entries in by_user(block):
        if user is None:
            lines += _lists(entries, entry, "    ", hidden=hidden)
        else:
            lines += [f"    users.{nix.name(user)} = {{", *_home(user, entries)]
            lines += [*_lists(entries, entry, "      ", hidden=hidden), "    };"]
    return lines


def _home(user: str, entries: Iterable[Wanted]) -> list[str]:
    homes = {one.home for one in entries if one.home is not None and one.home != b"/home/" + user.encode()}
    return [f"      home = {nix.string(home.decode())};" for home in homes]


def _lists(entries: list[Wanted], entry: Entry, indent: str, *, hidden: bool) -> list[str]:
    lines = []
    for key, directory in (("directories", True), ("files", False)):
        found = [entry(one, hidden) for one in entries if one.directory == directory]
        lines += nix.several(key, found, indent)
    return lines


def _said(one: Wanted, options: Mapping[str, Option]) -> str:
    path = one.name.decode()
    if not options:
        return nix.string(path)
    return nix.value({"directory" if one.directory else "file": path, **options})


def _impermanence_entry(one: Wanted, hidden: bool) -> str:
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
    if one.method != BIND:
        options["method"] = one.method
        note = _OLD_METHOD
    return _said(one, options) + (note or about(one))


def _preservation_entry(one: Wanted, hidden: bool) -> str:
    options: dict[str, Option] = {**fields(one.own)}
    if one.method == SYMLINK:
        options["how"] = one.method
    if parent := fields(one.parent):
        options |= {"configureParent": True, "parent": parent}
    mount = [*one.details.options, *(["x-gvfs-trash"] if one.details.trash else [])]
    if differs(one, hidden=hidden) and one.hide:
        mount.insert(0, "x-gvfs-hide")
    if mount:
        options["mountOptions"] = mount
    if one.declared and one.method == SYMLINK and one.details.target:
        options["createLinkTarget"] = True
    if one.path in _EARLY or one.details.phase == INITRD:
        options["inInitrd"] = True
    return _said(one, options) + about(one)


def _parents(task: Task, good: list[Wanted]) -> list[str]:
    """Return lines for the directories above, for tmpfiles; a home itself is created with its user."""
    homes = {one.home for one in good}
    lines = []
    for way in task.suggestion.ways:
        needed = any(one.path.startswith(way.path + b"/") for one in good)
        if needed and way.path not in homes and nix.why_not(way.path) is None:
            options = {"user": way.user, "group": way.group, "mode": f"{way.mode:04o}"}
            lines.append(f"    {nix.string(way.path.decode())}.d = {nix.value(options)};")
    return ["  systemd.tmpfiles.settings.preservation = {", *lines, "  };"] if lines else []
