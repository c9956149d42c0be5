"""Declarations that stand in each other's way: an error names both."""

from __future__ import annotations

from collections.abc import Iterable

from ..paths import ancestors
from ..text import to_text
from .placement import SYMLINK, Placement
from .values import Where, quoted


def merged(made: Iterable[tuple[Placement, Where]]) -> list[Placement]:
    """Return the placements, each path once, in their order.

    Raises ConfigError for a path that is declared in two ways, or inside another one that keeps it already
    or leads elsewhere.
    """
    found: dict[bytes, tuple[Placement, Where]] = {}
    for placement, where in made:
        before, place = found.setdefault(placement.declaration.path, (placement, where))
        if _without_source(before) != _without_source(placement):
            shown = quoted(to_text(placement.declaration.path))
            where.fail(f"{shown} is declared otherwise in {place}", "leave one out")
    for path, inner in found.items():
        for above in ancestors(path):
            if above in found:
                _check_nested(*inner, *found[above])
    return [placement for placement, _ in found.values()]


def _without_source(placement: Placement) -> Placement:
    return placement._replace(declaration=placement.declaration._replace(source=""))


def _check_nested(inner: Placement, where: Where, outer: Placement, place: Where) -> None:
    path, around = (quoted(to_text(one.declaration.path)) for one in (inner, outer))
    if not outer.declaration.directory:
        where.fail(f"{path} is inside {around}, which {place} declares as a file", "one of the two is wrong")
    if inner.declaration.persist == outer.declaration.persist:
        where.fail(
            f"{path} is inside {around}, which {place} declares",
            "leave it out: it is kept with the directory around it",
        )
    if outer.method == SYMLINK:
        where.fail(
            f"{path} is inside {around}, which {place} makes a symbolic link",
            'mount the directory around it: method = "bind"',
        )
