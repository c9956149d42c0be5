"""What presets hold on this machine: whether there is data, which unit has it, and whether it is declared."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..config.load import Config
from ..config.presets import Part, Preset, known
from ..copying import measure
from ..errors import Cancelled, UsageError
from ..kernel import openat2, proc
from ..kernel.holders import holders
from ..paths import ancestors
from ..report.accounts import System
from ..system import unit_files

MEASURED = 100_000  # files of one place whose sizes are added up
NEAREST = 3  # names that a mistyped one may have meant


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a part of a preset, as it is on this machine."""

    part: Part
    path: bytes
    directory: bool
    there: bool
    size: int = 0  # bytes that it takes on the disk
    files: int = 0
    complete: bool = True  # False: there is more than was added up
    unit: str = ""  # the unit whose directory it is, or that holds it open; "" if none is known
    open: bool = False  # whether that unit, or another process, holds it open
    source: bytes | None = None  # where a declaration keeps it; None: nothing declares it
    user: str = ""  # in whose home it is
    own: bool = False  # whether the unit is one of that user's manager


def named(name: str) -> Preset:
    """Return a preset.  Raises UsageError if there is none of this name."""
    presets = known()
    if name not in presets:
        raise UsageError(f"there is no preset {name}", _near(name, presets))
    return presets[name]


def _near(name: str, presets: Mapping[str, Preset]) -> str:
    near = [one for one in presets if name.lower() in one or one in name.lower()]
    return f"did you mean {', '.join(near[:NEAREST])}?" if near else "impermanence presets lists them"


def look(preset: Preset, config: Config | None, root: bytes = b"/") -> list[Place]:
    """Return the places of a preset, in its order, those in homes user by user; `root` is where the "/" of
    the system is mounted.

    `config` is None if the caller may not read it.
    """
    sources = {
        one.declaration.path: one.declaration.persist.rstrip(b"/") + one.declaration.path
        for one in (config.placements if config is not None else ())
    }
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        units = unit_files.from_files(fd)
        return [
            _place(fd, part, path, units, user, _source(path.rstrip(b"/"), sources))
            for user, part, path in _paths(preset, root)
        ]
    finally:
        os.close(fd)


def _paths(preset: Preset, root: bytes) -> Iterator[tuple[str, Part, bytes]]:
    """Yield the user, "" for the system, the part, and the path of each place."""
    for part in preset.parts:
        for path in part.paths:
            yield "", part, path
    if preset.home:
        with System(lambda path: root.rstrip(b"/") + path, native=root == b"/") as system:
            for user, home in sorted(system.people()):
                for part in preset.home:
                    for path in part.paths:
                        yield user.name, part, home + b"/" + path


def _source(path: bytes, sources: Mapping[bytes, bytes]) -> bytes | None:
    """Return where a declaration of the path, or of a directory above it, keeps it."""
    for above in (path, *ancestors(path)):
        if above in sources:
            return sources[above] + path[len(above) :]
    return None


def _place(
    root: int, part: Part, written: bytes, units: unit_files.Units, user: str, source: bytes | None
) -> Place:
    path, directory = written.rstrip(b"/"), written.endswith(b"/")
    owner = units.of(path)
    unit = owner[1].unit if owner is not None else ""
    found = Place(part, path, directory, False, unit=unit, source=source, user=user)
    try:
        facts = openat2.facts(root, path)
        size, files, complete = _size(root, path, facts)
    except OSError:
        return found
    held = next(_holding(path, (facts.st_dev, facts.st_ino)), None)
    return replace(
        found,
        there=True,
        size=size,
        files=files,
        complete=complete,
        unit=(held.name if held else "") or unit,
        open=held is not None,
        own=held is not None and held.kind == "user",
    )


def _size(root: int, path: bytes, facts: os.stat_result) -> tuple[int, int, bool]:
    if not stat.S_ISDIR(facts.st_mode):
        return facts.st_blocks * 512, 1, True
    left = iter(range(MEASURED))
    fd = openat2.open_directory(root, path, os.O_RDONLY)  # what is mounted there counts
    try:
        with contextlib.suppress(Cancelled):
            found = measure(fd, b".", cancelled=lambda: next(left, None) is None)
            return found.allocated, found.files, True
    finally:
        os.close(fd)
    return 0, 0, False


def _holding(path: bytes, inode: tuple[int, int]) -> Iterator[proc.Unit]:
    """Yield the units of the processes that hold something at or below a path, NO_UNIT for those of none."""
    with contextlib.suppress(OSError):
        for one in holders(path, lambda facts: (facts.st_dev, facts.st_ino) == inode):
            yield proc.unit_of(proc.cgroup(one.pid))
