"""Declared files: `[[declare]]` says what a file is, as a link to its source or as a copy of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..lazy import NamedTuple
from ..model import Declaration
from ..paths import within
from ..text import to_text
from . import settings
from .homes import home_of
from .persist import FLEETING
from .placement import COPY, SYMLINK, Ownership, Placement
from .values import Values, Where, find, path_of, quoted, table_of


class Given(NamedTuple):
    """One declared file.  `placement` has its path, its method (SYMLINK or COPY), and how it is created."""

    placement: Placement
    source: bytes

    @property
    def path(self) -> bytes:
        return self.placement.declaration.path


def take(value: object, where: Where) -> list[tuple[Values, Where]]:
    """Return the tables of one file.  Raises ConfigError."""
    if not isinstance(value, list):
        where.fail("one table", "there can be several: write [[declare]]")
    found = []
    for index, table in enumerate(value):
        here = where.item(index)
        values = table_of(settings.DECLARE, table, here)
        for key in ("path", "source"):
            text = find(values, key, str)
            if text is None:
                here.fail(f"a declared file needs {key}", 'for example source = "/persist/files/motd"')
            values[key] = path_of(text, here / key)
        found.append((values, here))
    return found


def finish(
    entries: Sequence[tuple[Values, Where]], placements: Sequence[Placement], root: bytes
) -> tuple[Given, ...]:
    """Return the declared files.  Raises ConfigError for one in the way of another declaration."""
    found: dict[bytes, tuple[Given, Where]] = {}
    for values, where in entries:
        given = _given(values, where, root)
        path = given.path
        if path in found:
            where.fail(f"{quoted(to_text(path))} is declared in {found[path][1]} already", "leave one out")
        for fleeting in FLEETING:
            if within(path, fleeting):
                where.fail(f"{quoted(to_text(path))} is in {to_text(fleeting)}, which every boot makes anew")
        if path == b"/" or within(given.source, path):
            where.fail(f"{quoted(to_text(path))} holds its own source", "keep the source elsewhere")
        for one in placements:
            if within(path, one.declaration.path):
                where.fail(
                    f"{quoted(to_text(path))} is kept by {one.declaration.source}",
                    "leave one out: a file cannot be both kept and made anew",
                )
        found[path] = given, where
    return tuple(given for given, _ in found.values())


def _given(values: Values, where: Where, root: bytes) -> Given:
    path, source = find(values, "path", bytes) or b"", find(values, "source", bytes) or b""
    own = Ownership(find(values, "user", str), find(values, "group", str), find(values, "mode", str))
    declaration = Declaration(path, False, b"", f"{where.file}, {where.key}")
    method = find(values, "method", str) or SYMLINK
    placement = Placement(declaration, method, False, own, Ownership())
    if own.user is not None:
        home = home_of(own.user, root)
        if within(path, home):
            placement = placement._replace(user=own.user, home=home, parent=Ownership(own.user))
    return Given(placement, source)


__all__ = ["COPY", "SYMLINK", "Given", "finish", "take"]
