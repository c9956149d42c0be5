"""The module for NixOS beside preservation's.

Hard facts (nix-community/preservation at 93416f4; tests/nix/options has its options)
    It does nothing unless it is enabled.  All that it creates is a line of tmpfiles.d, and a mode is written
    there as it stands: only an octal one is understood.
    What two declarations say of one directory has to be the same.  Below a home each directory on the way
    gets a declaration of its own (`how = "_intermediate"`), the user's with mode 0755, unless there is one
    with that path: so what is otherwise there is said by such a declaration, and by no `parent`.
    A mount option that is common to a block cannot be taken from one entry of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ...config.placement import INITRD, SYMLINK, Ownership
from ...report.suggest import Wanted
from . import nix, tmpfiles
from .modules import lists, said, special, why_not
from .writing import Option, Task, Written, about, by_user, fields

HEAD = ("A module for NixOS beside github:nix-community/preservation.",)

# Its documentation prepares these in the initrd: they are read before the root is complete.
_EARLY = (b"/etc/machine-id", b"/var/lib/nixos")
_HIDE, _TRASH = "x-gvfs-hide", "x-gvfs-trash"


def write(task: Task) -> Written:
    written = Written(["{"])
    if task.wanted:
        written.lines.append("  preservation.enable = true;")
    for persist, block in task.blocks():
        good = [one for one in block if written.take(one, why_not(one))]
        if not good:
            continue
        written.lines.append(f"  preservation.preserveAt.{nix.string(persist.decode())} = {{")
        hidden = _all_hidden(good)
        if hidden:
            written.lines.append(f'    commonMountOptions = [ "{_HIDE}" ];')
        ways = _intermediates(task, good)
        users = {one.user for one in good}
        for user, entries in by_user(good):
            above = [line for of, line in ways if of == user or (user is None and of not in users)]
            if user is None:
                written.lines += _block(entries, above, "    ", hidden=hidden)
            else:
                lines = [*_home(user, entries), *_block(entries, above, "      ", hidden=hidden)]
                written.lines += [f"    users.{nix.name(user)} = {{", *lines, "    };"]
        if None not in users:
            written.lines += nix.several("directories", [line for of, line in ways if of is None], "    ")
        written.lines.append("  };")
    written.lines.append("}")
    return written


def _all_hidden(good: list[Wanted]) -> bool:
    """Return whether the whole block can be hidden: what is new goes with the others."""
    declared = [one for one in good if one.declared]
    return bool(declared) and all(one.hide for one in declared)


def _block(entries: list[Wanted], above: list[str], indent: str, *, hidden: bool) -> list[str]:
    """Return both lists, the directories on the way among the directories."""
    lines = lists(entries, _entry, indent, hidden=hidden)
    if not above:
        return lines
    if not any(one.directory for one in entries):
        return [*nix.several("directories", above, indent), *lines]
    end = lines.index(f"{indent}];")
    return [*lines[:end], *(f"{indent}  {line}" for line in above), *lines[end:]]


def _home(user: str, entries: Iterable[Wanted]) -> list[str]:
    homes = {one.home for one in entries if one.home is not None and one.home != b"/home/" + user.encode()}
    return [f"      home = {nix.string(home.decode())};" for home in homes if nix.why_not(home) is None]


def _owned(own: Ownership) -> dict[str, str]:
    """Return the fields of an ownership, with a mode that tmpfiles understands or none."""
    found = fields(own)
    if "mode" in found:
        found["mode"] = tmpfiles.octal(found["mode"])
        if found["mode"] == "-":
            del found["mode"]
    return found


def _entry(one: Wanted, hidden: bool) -> str:
    options: dict[str, Option] = {**_owned(one.own)}
    if one.method == SYMLINK:
        options["how"] = SYMLINK
        if one.declared and one.details.target:
            options["createLinkTarget"] = True
        if one.user is not None and b"/" in one.name:
            options["configureParent"] = False  # the declarations of directories on the way do it
    elif mount := _mount_options(one, hidden=hidden):
        options["mountOptions"] = mount
    if parent := _around(one):
        options |= {"configureParent": True, "parent": parent}
    if one.path in _EARLY or one.details.phase == INITRD:
        options["inInitrd"] = True
    return said(one, options) + about(one)


def _around(one: Wanted) -> dict[str, str]:
    """Return what an entry says of the directory around it; of / nothing does."""
    return _owned(one.parent) if one.user is None and os.path.dirname(one.path) != b"/" else {}


def _mount_options(one: Wanted, *, hidden: bool) -> list[str]:
    own = [*([_HIDE] if one.hide and one.declared and not hidden else []), *one.details.options]
    return [*own, *([_TRASH] if one.details.trash else [])]


def _intermediates(task: Task, good: list[Wanted]) -> list[tuple[str | None, str]]:
    """Return (user or None, entry) for each directory on the way that is not as usual."""
    around = {os.path.dirname(one.path) for one in good if _around(one)}
    found: dict[bytes, tuple[str | None, str]] = {}
    for one in good:
        parent = os.path.dirname(one.path)
        if one.user is not None and parent != one.home and (own := _owned(one.parent)):
            found.setdefault(parent, _intermediate(one, parent, own))
    for way in special(task, good):
        own = {"user": way.user, "group": way.group, "mode": f"{way.mode:04o}"}
        below = [one for one in good if one.path.startswith(way.path + b"/")]
        inside = [one for one in below if one.home is not None and way.path.startswith(one.home + b"/")]
        if way.path not in around:
            found.setdefault(way.path, _intermediate(inside[0] if inside else None, way.path, own))
    declared = {one.path for one in good}
    return [found[path] for path in sorted(found) if path not in declared]


def _intermediate(one: Wanted | None, path: bytes, own: dict[str, str]) -> tuple[str | None, str]:
    user = None if one is None else one.user
    name = path if one is None or one.home is None else path[len(one.home.rstrip(b"/")) + 1 :]
    return user, nix.value({"directory": name.decode(), "how": "_intermediate", **own})
