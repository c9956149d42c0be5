"""The paths that a backup has to read to have everything that is kept by declarations."""

from __future__ import annotations

from collections.abc import Iterable

from ..paths import ancestors
from .state import Declared, Reason


def paths(found: Iterable[Declared]) -> list[bytes]:
    """Return the paths that hold what is kept, sorted, none below another.

    Where a link keeps it, that is the place that the link leads to: a backup of the link would have the link
    alone.
    """
    places = {one.source if one.reason is Reason.LINKED else one.path: one for one in found if one.kept}
    whole = {path for path, one in places.items() if one.directory}
    return sorted(path for path in places if whole.isdisjoint(ancestors(path)))
