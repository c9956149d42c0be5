"""The language of our own configuration: tables below [persist], which a drop-in can hold as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...config.placement import SYSTEM, Details, Ownership
from ...lazy import regex
from ...paths import PATH_MAX
from ...report.suggest import Wanted
from ...report.suggest.ownership import FILE
from ...text import to_text
from .writing import Option, Task, Written, about, by_user, differs, fields, hides

HEAD = ("A drop-in of its own below /etc/impermanence/config.d/ can hold this as it is.",)
_BARE = regex(r"[A-Za-z0-9_-]+")


def write(task: Task) -> Written:
    written = Written()
    for persist, block in task.blocks():
        good = [one for one in block if written.take(one, _why_not(one))]
        hidden = hides(block)
        for user, entries in by_user(good):
            if written.lines:
                written.lines.append("")
            header = f"persist.{string(to_text(persist))}"
            written.lines.append(f"[{header}]" if user is None else f"[{header}.users.{_key(user)}]")
            if user is None:
                written.lines += _for_all(block, hidden=hidden)
            elif user is not None:
                written.lines += _home(entries)
            written.lines += _entries(entries, hidden=hidden)
        common = _for_all(block, hidden=hidden)
        if common and not any(one.user is None for one in good):
            written.lines += ["", f"[persist.{string(to_text(persist))}]", *common]
    return written


def _for_all(block: Iterable[Wanted], *, hidden: bool) -> list[str]:
    """Return the lines on what holds for all declarations of a persist volume."""
    lines = ["hide-mounts = true"] if hidden else []
    defaults = {one.details.default for one in block if one.declared}
    if len(defaults) == 1 and (common := fields(defaults.pop())):
        lines.append(f"default-permissions = {_table(common)}")
    return lines


def _why_not(one: Wanted) -> str | None:
    if b"\n" in one.path:
        return "its name has a newline"
    return "its path is longer than Linux takes" if len(one.path) >= PATH_MAX else None


def _home(entries: Iterable[Wanted]) -> list[str]:
    """Return the line that names the home, if it is not the usual one."""
    homes = {one.home: one.user for one in entries if one.home is not None and one.user is not None}
    usual = {b"/root": "root", **{b"/home/" + user.encode(): user for user in homes.values()}}
    return [f"home = {string(to_text(home))}" for home, user in homes.items() if usual.get(home) != user]


def _entries(entries: list[Wanted], *, hidden: bool) -> list[str]:
    lines = []
    for key, directory in (("directories", True), ("files", False)):
        found = [one for one in entries if one.directory == directory]
        if found:
            lines += [f"{key} = [", *(f"  {_entry(one, hidden=hidden)},{about(one)}" for one in found), "]"]
    return lines


def _entry(one: Wanted, *, hidden: bool) -> str:
    table: dict[str, Option] = {**fields(one.own if one.directory or one.declared else _of_file(one.own))}
    if one.method != "bind":
        table["method"] = one.method
    if differs(one, hidden=hidden):
        table["hide-mount"] = one.hide
    if parent := fields(one.parent):
        table["parent-directory"] = parent
    table |= _details(one.details)
    path = to_text(one.name)
    return _table({"path": path, **table}) if table else string(path)


def _details(details: Details) -> dict[str, Option]:
    table: dict[str, Option] = {}
    if details.phase != SYSTEM:
        table["phase"] = details.phase
    if details.trash:
        table["allow-trash"] = True
    if details.options:
        table["mount-options"] = details.options
    if not details.target:
        table["create-link-target"] = False
    if details.exclude:
        table["exclude"] = [to_text(path) for path in details.exclude]
    return table


def _of_file(own: Ownership) -> Ownership:
    """Return the ownership of a file that has to be created: it is empty, and no empty file is a program."""
    mode = own.mode
    if mode is not None and mode.isdigit():
        bits = int(mode, 8) & 0o666
        mode = None if bits == FILE else f"{bits:04o}"
    return own._replace(mode=mode)


def _table(table: Mapping[str, Option]) -> str:
    return "{" + ", ".join(f"{key} = {_value(value)}" for key, value in table.items()) + "}"


def _value(value: Option) -> str:
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(string(one) for one in value) + "]"
    return str(value).lower() if isinstance(value, bool) else string(str(value))


def _key(word: str) -> str:
    return word if _BARE.fullmatch(word) else string(word)


def string(text: str) -> str:
    """Return a string of printable text, as `text.to_text` returns it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
