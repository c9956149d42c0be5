"""What nothing declares in the persist volumes, as rows for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..keep.strays import Found, Stray
from ..model import FileType
from ..text import size_to_text, to_text
from . import wording

MOST = 20  # rows, unless all are asked for


def section(found: Found, *, whole: bool, columns: int) -> list[str]:
    """Return what `status --persist` says of strays."""
    if not found.strays:
        return ["", "  nothing else is in the persist volumes."] if found.complete else []
    ordered = sorted(found.strays, key=lambda one: (-one.size, one.path))
    most = len(ordered) if whole else MOST
    lines = ["", f"  nothing declares, in the persist volumes ({total(found.strays)}):"]
    lines += rows(ordered[:most], columns)
    if len(ordered) > most:
        lines.append(f"    and {len(ordered) - most:,} more (--all shows them)")
    if not found.complete:
        lines.append("    not complete: there is more, or a part could not be read")
    return [*lines, "", "Away with it, for 30 days at first:  impermanence tidy"]


def total(found: Sequence[Stray]) -> str:
    """Return how many strays there are and what they take, in words."""
    least = "" if all(one.complete for one in found) else "at least "
    size = size_to_text(sum(one.size for one in found))
    return f"{wording.plural(len(found), 'thing')}, {least}{size}"


def rows(found: Sequence[Stray], columns: int) -> Iterator[str]:
    """Yield a row for each stray."""
    if not found:
        return
    sizes = [_size(one) for one in found]
    wide = max(map(len, sizes))
    for one, size in zip(found, sizes, strict=True):
        slash = "/" if one.type in (FileType.DIRECTORY, FileType.SUBVOLUME) else ""
        path = wording.shorten(f"{to_text(one.path)}{slash}", max(20, columns - wide - 40))
        files = f"  {wording.plural(one.files, 'file')}" if slash and one.files else ""
        used = f"  {one.used}" if one.used else ""
        yield f"    {wording.pad(size, wide, right=True)}  {path}{files}{used}"


def _size(one: Stray) -> str:
    return size_to_text(one.size) if one.complete else "large"
