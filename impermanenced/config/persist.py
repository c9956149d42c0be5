"""The tables `[persist."…"]`: what persists, where, and how it gets to its place."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..lazy import NamedTuple
from ..model import Declaration
from ..paths import ancestors, within
from ..text import to_text
from . import modules, overlaps, presets, settings
from .homes import home_of
from .placement import BIND, INITRD, SYNC, SYSTEM, Details, Ownership, Placement
from .values import OWNER, Values, Where, find, path_of, quoted, table_of

# The kernel and systemd make these anew at each boot.
FLEETING = (b"/dev", b"/proc", b"/run", b"/sys")
_DEFAULT = "default-permissions"
_LISTS = ("mount-options", "preset", "without")  # which files add to


class _Entry(NamedTuple):
    """A declared path before the homes of users and the paths of persist volumes are known."""

    where: Where
    path: bytes
    directory: bool
    table: Values
    parent: Ownership
    user: str | None  # the name of the table of a user


class _Block:
    """One persist volume, as far as the files that have been read say something of it."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self.values: Values = {}
        self.users: dict[str, Values] = {}
        self.entries: list[_Entry] = []


class Blocks:
    """The persist volumes of the files that have been read so far."""

    def __init__(self) -> None:
        self._blocks: dict[str, _Block] = {}

    def take(self, value: object, where: Where) -> None:
        """Add what one file says.  Raises ConfigError."""
        if not isinstance(value, dict):
            where.fail(f"{quoted(value)} is not a table", f"write {settings.PERSIST}")
        for name, table in value.items():
            here = where / name
            if not isinstance(table, dict):
                here.fail("what persists belongs to a persist volume", f"write it below {settings.PERSIST}")
            block = self._blocks.setdefault(name, _Block(here))
            values = table_of(settings.PERSIST, modules.translated(table, here), here)
            block.entries += _entries(values, here, None)
            for user, of_user in (find(values, "users", dict) or {}).items():
                place = here / "users" / user
                if not OWNER.fullmatch(user):
                    place.fail(f"{quoted(user)} is not a user name")
                theirs = table_of(settings.USER, modules.translated(of_user, place), place)
                block.entries += _entries(theirs, place, user)
                _check_path(theirs, "home", place)
                block.users[user] = _added(block.users.get(user, {}), theirs)
            _check_path(values, "path", here)
            if (common := find(values, _DEFAULT, dict)) is not None:
                values[_DEFAULT] = _ownership(table_of(settings.PERMISSIONS, common, here / _DEFAULT))
            block.values = _added(block.values, values)

    def finish(self, root: bytes) -> tuple[tuple[bytes, ...], tuple[Placement, ...]]:
        """Return the paths of the persist volumes, and the placements.  Raises ConfigError.

        `root` is where the root of the system is mounted, whose users have homes.
        """
        paths = {id(block): _path(name, block) for name, block in self._blocks.items()}
        blocks = [one for one in self._blocks.values() if find(one.values, "enable", bool) is not False]
        homes = _homes(blocks, root)
        made = [
            (_placement(entry, block, paths[id(block)], homes), entry.where)
            for block in blocks
            for entry in block.entries
        ]
        made += [
            (_placement(entry, block, paths[id(block)], homes), entry.where)
            for block in blocks
            for entry in _of_presets(block, paths[id(block)], made, homes, foreign=root != b"/")
        ]
        persist = dict.fromkeys(paths[id(block)] for block in blocks)
        persist |= dict.fromkeys(placement.declaration.persist for placement, _ in made)
        for placement, where in made:
            _check_place(placement.declaration, persist, where)
        return tuple(persist), tuple(overlaps.merged(made))


def _added(before: Values, values: Values) -> Values:
    lists = {
        key: tuple(dict.fromkeys((*(find(before, key, tuple) or ()), *(find(values, key, tuple) or ()))))
        for key in _LISTS
    }
    return {**before, **values, **lists}


def _check_path(values: Values, key: str, where: Where) -> None:
    if (text := find(values, key, str)) is not None:
        values[key] = path_of(text, where / key)


def _entries(values: Values, where: Where, user: str | None) -> Iterator[_Entry]:
    for key, section in (("directories", settings.DIRECTORY), ("files", settings.FILE)):
        for index, item in enumerate(find(values, key, list) or []):
            here = (where / key).item(index)
            if not isinstance(item, str | dict):
                here.fail(f"{quoted(item)} is neither a path nor a table with one")
            table: Values = (
                {"path": item}
                if isinstance(item, str)
                else table_of(section, modules.translated(item, here), here)
            )
            text = find(table, "path", str)
            if text is None:
                here.fail(
                    "a table without a path", f"for example {{path = {settings.of(section)['path'].sample}}}"
                )
            path = path_of(text, here, relative=user is not None)
            if path in (b"/", b""):
                here.fail(f"{quoted(text)} is the whole {'home' if user else 'root'}")
            _check_path(table, "store", here)
            if find(table, "phase", str) == INITRD and find(table, "method", str) == SYNC:
                (here / "method").fail(
                    "a copy cannot be made in the initrd", f'leave out phase, or let method be "{BIND}"'
                )
            around = table.get("parent-directory", {})
            parent = _ownership(table_of(settings.PARENT, around, here / "parent-directory"))
            yield _Entry(here, path, key == "directories", table, parent, user)


def _of_presets(
    block: _Block,
    persist: bytes,
    made: list[tuple[Placement, Where]],
    homes: dict[str, bytes],
    *,
    foreign: bool,
) -> Iterator[_Entry]:
    """Yield what the presets of a block and of its users add to what is declared one by one, which goes
    before.
    """
    taken = {placement.declaration.path for placement, _ in made}
    tables: list[tuple[Where, Values, str | None]] = [(block.where, block.values, None)]
    tables += [(block.where / "users" / user, values, user) for user, values in block.users.items()]
    for where, values, user in tables:
        home = None if user is None else homes[_user(user, block)]
        names, without = (find(values, key, tuple) or () for key in ("preset", "without"))
        presets.check(names, without, where, home=home is not None)
        chosen = presets.chosen(names, without, persist, home=home, foreign=foreign)
        found = {path: (part, directory) for part, path, directory in chosen}
        above = b"" if home is None else home + b"/"
        others = taken | {above + path for path in found}
        for path, (part, directory) in found.items():
            if above + path not in taken and others.isdisjoint(ancestors(above + path)):
                table: Values = {"path": path, "phase": INITRD if part.initrd else SYSTEM}
                if home is not None and not directory:  # most programs replace their files there
                    table["method"] = SYNC
                yield _Entry(where / "preset", path, directory, table, Ownership(), user)


# What it means together


def _path(name: str, block: _Block) -> bytes:
    path = find(block.values, "path", bytes) or path_of(name, block.where)
    if path == b"/":
        block.where.fail("the persist volume cannot be /")
    return path


def _homes(blocks: list[_Block], root: bytes) -> dict[str, bytes]:
    """Return the homes of all users, by the names that they have in the system."""
    homes: dict[str, bytes] = {}
    for block in blocks:
        for name, values in block.users.items():
            if (home := find(values, "home", bytes)) is not None:
                homes[_user(name, block)] = home
    for block in blocks:
        for name in block.users:
            user = _user(name, block)
            if user not in homes:
                homes[user] = home_of(user, root)
    return homes


def _user(name: str, block: _Block) -> str:
    return find(block.users[name], "username", str) or name


def _placement(entry: _Entry, block: _Block, persist: bytes, homes: dict[str, bytes]) -> Placement:
    user = None if entry.user is None else _user(entry.user, block)
    home = None if user is None else homes[user]
    default = find(block.values, _DEFAULT, Ownership) or Ownership()
    own = _ownership(entry.table)
    declaration = Declaration(
        entry.path if home is None else os.path.join(home, entry.path),
        entry.directory,
        find(entry.table, "store", bytes) or persist,
        f"{entry.where.file}, {entry.where.key}",
    )
    return Placement(
        declaration=declaration,
        method=find(entry.table, "method", str) or BIND,
        hide=_switch(entry, block, "hide-mount", "hide-mounts"),
        own=_or(own, default if entry.directory else Ownership(default.user, default.group), user),
        parent=_or(entry.parent, default, user),
        user=user,
        home=home,
        details=_details(entry, block, default),
    )


def _details(entry: _Entry, block: _Block, default: Ownership) -> Details:
    of_user = block.users[entry.user] if entry.user is not None else {}
    options = [
        option
        for values in (block.values, of_user, entry.table)
        for option in find(values, "mount-options", tuple) or ()
    ]
    target = find(entry.table, "create-link-target", bool)
    return Details(
        phase=find(entry.table, "phase", str) or SYSTEM,
        trash=_switch(entry, block, "allow-trash", "allow-trash"),
        options=tuple(dict.fromkeys(options)),
        target=target is not False,
        exclude=find(entry.table, "exclude", tuple) or (),
        default=default,
    )


def _switch(entry: _Entry, block: _Block, own: str, common: str) -> bool:
    """Return what the entry says, or else what is said for all."""
    value = find(entry.table, own, bool)
    return value if value is not None else find(block.values, common, bool) or False


def _ownership(values: Values) -> Ownership:
    return Ownership(find(values, "user", str), find(values, "group", str), find(values, "mode", str))


def _or(own: Ownership, default: Ownership, user: str | None) -> Ownership:
    return Ownership(own.user or default.user or user, own.group or default.group, own.mode or default.mode)


def _check_place(declaration: Declaration, stores: dict[bytes, None], where: Where) -> None:
    path = declaration.path
    for persist in stores:
        if within(path, persist) or (declaration.directory and within(persist, path)):
            relation = "inside" if within(path, persist) else "above"
            where.fail(
                f"{quoted(to_text(path))} is {relation} the persist volume {to_text(persist)}",
                "declare what is to live on, by its path in the root",
            )
    for fleeting in FLEETING:
        if within(path, fleeting):
            where.fail(
                f"{quoted(to_text(path))} is in {to_text(fleeting)}, which every boot makes anew",
                "nothing there can persist: leave it out",
            )
