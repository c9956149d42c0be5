"""What `impermanence diff -b` shows: two moments, side by side."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from ..boots import compared
from ..boots.compared import Compared, Moments
from ..document.comparison import comparison_to_json, volume_to_json
from ..document.fields import Object, printed
from ..drift.between import Between
from ..drift.moves import Move
from ..kernel import openat2
from ..lazy import NamedTuple
from ..model import Change, Difference, FileType
from ..paths import within
from ..text import size_to_text, to_text
from ..volumes.configured import configured
from . import output, paths, progress, unified, wording
from .verb import Shared

MOVED = "r......"


class Part(NamedTuple):
    """What is shown of one volume."""

    of: Compared
    differences: Sequence[Difference]
    moves: Sequence[Move]

    def was_size(self, difference: Difference) -> int | None:
        """Return the bytes of what the earlier moment has at the same path, or None if there is no file."""
        if difference.change is Change.CREATED or self.of.was_fd is None:
            return None
        if difference.change is Change.DELETED:
            return difference.size
        try:
            return openat2.facts(self.of.was_fd, self.of.volume.inside(difference.path)).st_size
        except OSError:  # a path that is too long for one call
            return None


def show(span: tuple[str, str], path: bytes | None, view: str, shared: Shared) -> None:
    """Print what two moments differ in, everywhere or at a path and below it."""
    with configured(shared.config) as (config, machine):
        between = compared.moments(config, machine, *span)
        watched: list[Between] = []
        found: list[Object] = []
        lines: list[str] = []
        totals = Totals()
        with progress.shown(functools.partial(_progress, watched)):
            for one in compared.compare(machine, between, watched.append):
                part = _part(one, machine, path)
                totals.add(part)
                if shared.json:
                    sizes = [part.was_size(each) for each in part.differences]
                    found.append(volume_to_json(one, part.differences, part.moves, sizes))
                else:
                    lines += VIEWS[view](part)
        if shared.json:
            output.write(printed(comparison_to_json(between, found)))
        else:
            head = output.style(shared).bold(totals.words(between))
            output.write_long(
                "".join(f"{line}\n" for line in (head, *([""] if lines else []), *lines)), shared
            )


def _progress(watched: Sequence[Between], _: float) -> str:
    met, known = watched[-1].progress if watched else (0, 0)
    return progress.share(met, known, "compared")


def _part(one: Compared, machine: paths.HasVolumes, path: bytes | None) -> Part:
    differences, moves = one.comparison.differences, one.comparison.moves
    if path is None:
        return Part(one, differences, moves)
    known = {each.path for each in differences} | {place for move in moves for place in (move.old, move.new)}
    meant = paths.likely(machine, path, paths.directory(path), known.__contains__)
    return Part(
        one,
        [each for each in differences if within(each.path, meant)],
        [each for each in moves if within(each.old, meant) or within(each.new, meant)],
    )


class Totals:
    """The sums of what is shown."""

    def __init__(self) -> None:
        self.differences = self.moves = 0
        self.came = self.went = 0  # bytes of what is new, and of what is gone
        self.complete = True

    def add(self, part: Part) -> None:
        """Count what is shown of one volume."""
        self.differences += len(part.differences)
        self.moves += len(part.moves)
        self.came += sum(one.held for one in part.differences if one.change is Change.CREATED)
        self.went += sum(one.held for one in part.differences if one.change is Change.DELETED)
        self.complete = self.complete and part.of.comparison.complete

    def words(self, between: Moments) -> str:
        """Return the first line."""
        moves = f", {wording.plural(self.moves, 'move')}" if self.moves else ""
        sizes = f", {size_to_text(self.came)} came, {size_to_text(self.went)} went"
        rest = "" if self.complete else "; a part could not be read"
        count = wording.plural(self.differences, "difference")
        return f"from {between.was.name} to {between.now.name}: {count}{moves}{sizes}{rest}"


# Views


def _lines(part: Part) -> Iterator[str]:
    """Yield a line for each path, sorted by path."""
    rows = [(one.path, f"{one.letters} {to_text(one.path)}") for one in part.differences]
    rows += [(one.new, f"{MOVED} {to_text(one.old)} -> {to_text(one.new)}") for one in part.moves]
    for _, line in sorted(rows):
        yield line


def _stat(part: Part) -> Iterator[str]:
    """Yield a line for each path, with sizes."""
    rows = [(one.path, one.letters, to_text(one.path), _sizes(part, one)) for one in part.differences]
    rows += [
        (
            one.new,
            MOVED,
            f"{to_text(one.old)} -> {to_text(one.new)}",
            size_to_text(one.size) if one.size else "",
        )
        for one in part.moves
    ]
    widest = min(max((wording.width(path) for _, _, path, _ in rows), default=0), output.columns() - 36)
    for _, letters, path, sizes in sorted(rows):
        yield f"{letters} {wording.pad(path, widest)}  {sizes}".rstrip()


def _sizes(part: Part, one: Difference) -> str:
    if one.type is not FileType.FILE and one.change is not Change.REPLACED:
        return ""
    if one.change is Change.CREATED:
        return f"+{size_to_text(one.size)}"
    if one.change is Change.DELETED:
        return f"-{size_to_text(one.size)}"
    was = part.was_size(one)
    if was is None or was == one.size:
        return size_to_text(one.size)
    return f"{size_to_text(was)} -> {size_to_text(one.size)}"


def _tree(part: Part) -> Iterator[str]:
    """Yield the paths as a tree: each directory once, above what is in it."""
    rows = {one.path: (one.letters, "") for one in part.differences}
    rows |= {one.new: (MOVED, f"  (was {to_text(one.old)})") for one in part.moves}
    above: list[bytes] = []
    for path in sorted(rows, key=lambda path: path.split(b"/")):
        parts = path.strip(b"/").split(b"/")
        shared = 0
        while shared < min(len(above), len(parts) - 1) and above[shared] == parts[shared]:
            shared += 1
        for depth in range(shared, len(parts) - 1):
            yield f".......  {'  ' * depth}{to_text(parts[depth])}/"
        letters, note = rows[path]
        yield f"{letters}  {'  ' * (len(parts) - 1)}{to_text(parts[-1]) or '/'}{note}"
        above = parts


def _unified(part: Part) -> Iterator[str]:
    """Yield what changed in each text file."""
    for move in part.moves:
        yield f"{MOVED} {to_text(move.old)} -> {to_text(move.new)}"
    for one in part.differences:
        yield from unified.lines(part.of, one)


VIEWS = {"": _lines, "stat": _stat, "tree": _tree, "unified": _unified}
