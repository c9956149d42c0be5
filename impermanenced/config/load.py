"""The configuration: TOML files become one frozen `Config`.

`settings` lists the settings and `values` checks one value; this module says how files add up and what the
values mean together.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

from ..lazy import NamedTuple, regex
from ..losses import Gate, of_gate
from ..model import Declaration
from ..paths import within
from ..state import ARCHIVE, STATE, VOLUME_NAME
from ..text import to_text
from . import files, given, settings
from .given import Given
from .persist import Blocks
from .placement import Placement
from .values import NOTHING, Space, Values, Where, find, likely, made, path_of, quoted, table_of

DEFAULT = b"/etc/impermanence/config.toml"
DROP_INS = b"config.d"

_PLAIN_NAME = regex(VOLUME_NAME)

_NOTICE, _WARNING, _CRITICAL = Space(1 << 30), Space(5 << 30), Space(20 << 30)


class VolumeSettings(NamedTuple):
    """One `[[volume]]`; None means that the value is found on the machine."""

    name: str | None = None
    mountpoint: bytes = b"/"
    path: bytes | None = None  # None: the mountpoint
    subvolume: bytes | None = None  # a path from the top level
    blank: bytes | None = None  # a path from the top level; b"": there is none, so everything is new


class ArchiveSettings(NamedTuple):
    """The section `[archive]`."""

    directory: bytes = ARCHIVE
    keep_min: int = 3
    keep_days: int = 30
    keep_bytes: Space = NOTHING
    free_min: Space = NOTHING
    keep_unreviewed: tuple[str, ...] = of_gate(Gate.BLOCK)


class RollbackSettings(NamedTuple):
    """The section `[rollback]`."""

    wipe: bool = True
    on_failure: str = "keep"
    on_missing_blank: str = "keep"
    require: tuple[bytes, ...] = ()


class LevelSettings(NamedTuple):
    """The amounts of undeclared data that are announced; NOTHING switches a level off."""

    notice: Space = _NOTICE
    warning: Space = _WARNING
    critical: Space = _CRITICAL


class GateSettings(NamedTuple):
    """The section `[gate]`."""

    warn: tuple[str, ...] = of_gate(Gate.WARN)
    block: tuple[str, ...] = of_gate(Gate.BLOCK)
    warn_bytes: Space = NOTHING
    block_bytes: Space = NOTHING
    inhibit: bool = False


class Config(NamedTuple):
    """The whole configuration."""

    path: bytes  # the main file, whether it exists or not
    files: tuple[bytes, ...]  # the files that were read
    volumes: tuple[VolumeSettings, ...]
    archive: ArchiveSettings
    rollback: RollbackSettings
    declarations: tuple[Declaration, ...]
    persist: tuple[bytes, ...]  # paths of the persist volumes
    ignore: tuple[str, ...]  # gitignore patterns relative to "/"
    placements: tuple[Placement, ...] = ()  # one for each declaration, in their order
    levels: LevelSettings = LevelSettings()
    gate: GateSettings = GateSettings()
    given: tuple[Given, ...] = ()  # declared files


class _Reading:
    """The values of the files that have been read so far."""

    def __init__(self) -> None:
        self.volumes: list[tuple[VolumeSettings, Where]] = []
        self.archive: Values = {}
        self.archive_where: Where | None = None
        self.rollback: Values = {}
        self.persist = Blocks()
        self.given: list[tuple[Values, Where]] = []
        self.ignore: list[str] = []
        self.levels: Values = {}
        self.gate: Values = {}


# Files add up


def load(path: bytes | None, *, default: bytes = DEFAULT) -> Config:
    """Return the configuration in this file alone, or in the default file and its drop-ins.

    A missing default file is an empty configuration.  Raises ConfigError, NotPermitted for a file that may
    not be read, and UsageError for a named file that does not exist.
    """
    reading = _Reading()
    read: list[bytes] = []
    directory = os.path.join(os.path.dirname(default), DROP_INS)
    for file in [path] if path is not None else [default, *files.drop_ins(directory)]:
        document = files.read(file, named=path is not None)
        if document is not None:
            read.append(file)
            _take(reading, document, Where(to_text(file)))
    return _config(reading, path if path is not None else default, read)


def _take(reading: _Reading, document: Values, where: Where) -> None:
    parts = ("volume", "archive", "rollback", "persist", "declare", "watch", "gate")
    for key, value in document.items():
        here = where / key
        if key == "volume":
            _take_volumes(reading, value, here)
        elif key == "archive":
            _add_up(reading.archive, table_of(settings.ARCHIVE, value, here))
            reading.archive_where = here
        elif key == "rollback":
            _add_up(reading.rollback, table_of(settings.ROLLBACK, value, here))
        elif key == "persist":
            reading.persist.take(value, here)
        elif key == "declare":
            reading.given += given.take(value, here)
        elif key == "watch":
            values = table_of(settings.WATCH, value, here)
            reading.ignore += find(values, "ignore", list) or []
            values.pop("ignore", None)
            reading.levels |= {name.removesuffix("-bytes"): space for name, space in values.items()}
        elif key == "gate":
            _add_up(reading.gate, table_of(settings.GATE, value, here))
        else:
            here.fail("there is no such key", likely(key, parts))


def _add_up(before: Values, values: Values) -> None:
    """Add the values of a later file: lists are joined, any other value replaces the earlier one."""
    for key, value in values.items():
        if isinstance(value, tuple) and not isinstance(value, Space):
            value = tuple(dict.fromkeys((*(find(before, key, tuple) or ()), *value)))
        before[key] = value


def _take_volumes(reading: _Reading, value: object, where: Where) -> None:
    if not isinstance(value, list):
        where.fail("one table", "there can be several: write [[volume]]")
    for index, table in enumerate(value):
        here = where.item(index)
        values = table_of(settings.VOLUME, table, here)
        for key in ("mountpoint", "path"):
            if (text := find(values, key, str)) is not None:
                values[key] = path_of(text, here / key)
        reading.volumes.append((made(VolumeSettings, values), here))


# What it means together


def _config(reading: _Reading, path: bytes, files: Sequence[bytes]) -> Config:
    archive = made(ArchiveSettings, reading.archive)
    _check_volumes(reading, archive)
    volumes = tuple(volume for volume, _ in reading.volumes) or (VolumeSettings(),)
    root = _root(volumes)
    persist, placements = reading.persist.finish(root)
    return Config(
        path=path,
        files=tuple(files),
        volumes=volumes,
        archive=archive,
        rollback=made(RollbackSettings, reading.rollback),
        declarations=tuple(placement.declaration for placement in placements),
        persist=persist,
        ignore=tuple(reading.ignore),
        placements=placements,
        levels=made(LevelSettings, reading.levels),
        gate=made(GateSettings, reading.gate),
        given=given.finish(reading.given, placements, root),
    )


def _root(volumes: Sequence[VolumeSettings]) -> bytes:
    """Return where the root of the system is mounted that the volumes belong to."""
    foreign = any((volume.path or volume.mountpoint) != volume.mountpoint for volume in volumes)
    roots = [volume.mountpoint for volume in volumes if (volume.path or volume.mountpoint) == b"/"]
    return (roots or [b"/nowhere"])[0] if foreign else b"/"


def _check_volumes(reading: _Reading, archive: ArchiveSettings) -> None:
    if within(archive.directory, STATE) and reading.archive_where:
        (reading.archive_where / "directory").fail(
            f"{quoted(archive.directory.decode())} is the state directory's",
            f"the default is {quoted(ARCHIVE.decode())}",
        )
    for volume, where in reading.volumes:
        _check_layout(volume, where, archive, reading.archive_where)
        _check_name(volume, where)
    for (one, _), (other, where) in itertools.combinations(reading.volumes, 2):
        if one.subvolume is not None and one.subvolume == other.subvolume:
            (where / "subvolume").fail(f"{quoted(one.subvolume.decode())} is another volume already")
        if one.mountpoint == other.mountpoint:
            (where / "mountpoint").fail(f"{quoted(to_text(one.mountpoint))} is another volume's already")
        if _volume_name(one) is not None and _volume_name(one) == _volume_name(other):
            (where / "name").fail(
                f"{quoted(_volume_name(one))} is another volume's name already",
                'give each its own: name = "..."',
            )


def _volume_name(volume: VolumeSettings) -> str | None:
    if volume.name is not None or volume.subvolume is None:
        return volume.name
    return volume.subvolume.decode().rpartition("/")[2]


def _check_name(volume: VolumeSettings, where: Where) -> None:
    name = _volume_name(volume)
    if name is not None and not _PLAIN_NAME.fullmatch(name):
        (where / ("subvolume" if volume.name is None else "name")).fail(
            f"{quoted(name)} is no plain name for a volume: letters, digits and . _ @ - are",
            'name the volume: name = "root" below [[volume]]',
        )


def _check_layout(
    volume: VolumeSettings, where: Where, archive: ArchiveSettings, archive_where: Where | None
) -> None:
    subvolume, blank = volume.subvolume, volume.blank
    for key, path in (("subvolume", subvolume), ("blank", blank)):
        if path and within(path, STATE):
            (where / key).fail(f"{quoted(path.decode())} is the state directory's")
    if subvolume is None:
        return
    inside = f"is inside the volume {quoted(subvolume.decode())} and would go with it"
    if blank and within(blank, subvolume):
        (where / "blank").fail(
            f"{quoted(blank.decode())} {inside}",
            "keep the blank beside the volume",
        )
    if within(archive.directory, subvolume):
        (archive_where / "directory" if archive_where else where).fail(
            f"the archive {quoted(archive.directory.decode())} {inside}",
            "keep the archive beside the volume",
        )
