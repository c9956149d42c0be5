"""Declarations out of an evaluated NixOS configuration: what the modules have made of everybody's functions.

    nix eval --json .#nixosConfigurations.HOST.config.environment.persistence
    nix eval --json .#nixosConfigurations.HOST.config.preservation

An evaluated option has a value for everything, and names of the module's own beside those that people set.
Nulls, the usual values and these names are left out; a name that nobody here knows is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from . import settings
from .persist import Blocks
from .placement import Placement
from .values import Where, quoted, shown

# What the modules keep for themselves in an evaluated entry.
_INTERNAL = frozenset(
    ("_module", "defaultPerms", "dirPath", "enableDebugging", "enableWarnings", "filePath", "home",
     "relativePath", "target")
)  # fmt: skip
_TRANSLATED = ("inInitrd", "configureParent")  # which `modules` knows
_AROUND = (("environment", "persistence"), ("preservation", "preserveAt"))
_USUAL: Mapping[str, str] = {"user": "root", "group": "root", "mode": "0755"}

Table = dict[str, object]


class Evaluated:
    """The persist volumes of one evaluated configuration."""

    def __init__(self, document: object, name: str) -> None:
        """Read what JSON says; `name` is for messages.  Raises ConfigError."""
        self.left_out: list[str] = []  # names that mean nothing here, each with its place
        where = Where(name)
        blocks = Blocks()
        volumes = _inner(document, where)
        blocks.take({key: self._block(one, where / key, key) for key, one in volumes.items()}, where)
        self.persist, self.placements = blocks.finish(b"/")

    def _block(self, raw: object, where: Where, name: str) -> object:
        if not isinstance(raw, dict):
            return raw
        store = raw.get("persistentStoragePath") or name
        table = self._known(raw, settings.PERSIST, where)
        table |= self._entries(raw, where, store, None, None)
        users = raw.get("users")
        if isinstance(users, dict):
            place = where / "users"
            table["users"] = {user: self._user(one, place / user, store, user) for user, one in users.items()}
        if (common := _ownership(raw.get("defaultPerms"), _USUAL)) is not None:
            table["defaultPerms"] = common
        return table

    def _user(self, raw: object, where: Where, store: object, user: str) -> object:
        if not isinstance(raw, dict):
            return raw
        table = self._known(raw, settings.USER, where)
        if isinstance(home := raw.get("home"), str):
            table["home"] = home
        name = raw.get("username") or raw.get("name") or user
        return table | self._entries(raw, where, store, str(name), home)

    def _entries(
        self, raw: Mapping[str, object], where: Where, store: object, user: str | None, home: object
    ) -> Table:
        found: Table = {}
        for key, section in (("directories", settings.DIRECTORY), ("files", settings.FILE)):
            entries = raw.get(key)
            if isinstance(entries, list):
                found[key] = [
                    self._entry(one, section, (where / key).item(index), store, user, home)
                    for index, one in enumerate(entries)
                ]
        return found

    def _entry(
        self, raw: object, section: str, where: Where, store: object, user: str | None, home: object
    ) -> object:
        if not isinstance(raw, dict):
            return raw
        table = self._known(raw, section, where)
        if table.get("persistentStoragePath") == store:
            del table["persistentStoragePath"]
        usual = _USUAL if user is None else {"user": user}
        for key, value in usual.items():
            if table.get(key) == value:
                del table[key]
        for key in ("parentDirectory", "parent"):
            table.pop(key, None)
            if (around := _ownership(raw.get(key), usual)) is not None:
                table[key] = around
        for key in ("directory", "file"):
            path = table.get(key)
            if isinstance(home, str) and isinstance(path, str) and path.startswith(home.rstrip("/") + "/"):
                table[key] = path[len(home.rstrip("/")) + 1 :]
        return table

    def _known(self, raw: Mapping[str, object], section: str, where: Where) -> Table:
        """Return what has a value and a meaning; the tables and lists in it come apart."""
        known = settings.of(section)
        apart = ("directories", "files", "users", "home", "defaultPerms")
        table: Table = {}
        for key, value in raw.items():
            if value is None or value == [] or key in _INTERNAL or key in apart:
                continue
            if key in known or key in _TRANSLATED:
                table[key] = value
            elif (key, section) != ("name", settings.USER):
                self.left_out.append(shown(str(where / key)))
        return table


def _inner(document: object, where: Where) -> Table:
    """Return the persist volumes, whichever part of the configuration the document is."""
    found = document
    for outer, inner in _AROUND:
        if isinstance(found, dict) and isinstance(found.get(outer), dict):
            found = found[outer]
        if isinstance(found, dict) and isinstance(found.get(inner), dict):
            found = found[inner]
    if not isinstance(found, dict):
        hint = "nix eval --json .#nixosConfigurations.HOST.config.environment.persistence"
        where.fail(f"{quoted(found)} is no object with persist volumes", hint)
    return found


def _ownership(raw: object, usual: Mapping[str, str]) -> Table | None:
    """Return owner, group and mode where they are not the usual ones, or None."""
    if not isinstance(raw, dict):
        return None
    found = {key: raw[key] for key in _USUAL if raw.get(key) is not None and raw[key] != usual.get(key)}
    return found or None


def sorted_by_path(placements: Iterable[Placement]) -> list[Placement]:
    """Return placements in the order in which a file lists them: the system's, then user by user."""
    return sorted(placements, key=lambda one: (one.declaration.persist, one.user or "", one.declaration.path))
