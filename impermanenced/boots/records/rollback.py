"""rollback.env: what the hook needs."""

from __future__ import annotations

from ...lazy import NamedTuple
from ...state import ARCHIVE, ROLLBACK
from .keyvalue import NAME, Fields, assemble, line, path_fault, split

ON_FAILURE = ("keep", "stop")
ON_MISSING_BLANK = ("keep", "create-empty", "stop")


class RollbackVolume(NamedTuple):
    """One volume, as the hook needs it."""

    name: str
    subvolume: bytes  # a path from the top level, as the others
    blank: bytes | None  # None: an empty subvolume is made
    blank_uuid: str | None = None  # None: any read-only subvolume of that name will do
    require: tuple[bytes, ...] = ()  # absolute paths inside the blank
    before: bytes | None = None  # the release before the blank, beside it, which takes over after bad boots
    before_uuid: str | None = None


class RollbackEnv(NamedTuple):
    """The settings of the hook."""

    volumes: tuple[RollbackVolume, ...]
    fsid: str | None = None  # None if the record was made without the disk: the device decides
    device: bytes | None = None  # None: it is found by fsid, or else by root= of the kernel command line
    archive: bytes = ARCHIVE
    wipe: bool = True
    on_failure: str = "keep"
    on_missing_blank: str = "keep"


def parse_rollback(content: bytes, path: bytes = ROLLBACK) -> RollbackEnv:
    """Return the settings of the hook.

    Raises RecordError with file and line, also for volumes that the hook could not switch safely.
    """
    head, groups = split(content, path)
    wipe = head.choice("WIPE", ("yes", "no")) == "yes"
    device = head.one("DEVICE")
    if device is not None and (not device[0].startswith(b"/dev/") or path_fault(device[0][1:])):
        raise head.error("DEVICE is not a plain path under /dev", device[1])
    rollback = RollbackEnv(
        volumes=tuple(_rollback_volume(group) for group in groups),
        fsid=head.uuid("FSID"),
        device=None if device is None else device[0],
        archive=head.need("ARCHIVE", head.plain_path("ARCHIVE")),
        wipe=wipe,
        on_failure=head.choice("ON_FAILURE", ON_FAILURE),
        on_missing_blank=head.choice("ON_MISSING_BLANK", ON_MISSING_BLANK),
    )
    head.finish()
    fault = layout_fault(rollback)
    if fault is not None:
        raise head.error(fault)
    return rollback


def _rollback_volume(fields: Fields) -> RollbackVolume:
    blank = fields.need("BLANK", fields.path_or_empty("BLANK"))
    volume = RollbackVolume(
        name=fields.need("VOLUME", fields.text("VOLUME", NAME, "a plain name")),
        subvolume=fields.need("SUBVOLUME", fields.plain_path("SUBVOLUME")),
        blank=blank or None,
        blank_uuid=fields.uuid("BLANK_UUID"),
        require=tuple(_required(fields, value, line) for value, line in fields.many("REQUIRE")),
        before=fields.plain_path("BEFORE"),
        before_uuid=fields.uuid("BEFORE_UUID"),
    )
    fields.finish()
    return volume


def _required(fields: Fields, value: bytes, line: int) -> bytes:
    if not value.startswith(b"/") or b"\0" in value or b".." in value.split(b"/"):
        raise fields.error("REQUIRE is not an absolute path", line)
    return value


def _inside(path: bytes, directory: bytes) -> bool:
    return (path + b"/").startswith(directory + b"/")


def layout_fault(rollback: RollbackEnv) -> str | None:
    """Return why these volumes cannot be switched, or None if they can."""
    if not rollback.volumes:
        return "no VOLUME"
    for number, volume in enumerate(rollback.volumes):
        for other in rollback.volumes[:number]:
            if volume.name == other.name:
                return f"two volumes are named {volume.name}"
            if _inside(volume.subvolume, other.subvolume) or _inside(other.subvolume, volume.subvolume):
                return f"volume {volume.name} and volume {other.name} lie in one another"
    for volume in rollback.volumes:
        if _inside(rollback.archive, volume.subvolume) or _inside(volume.subvolume, rollback.archive):
            return f"the archive and volume {volume.name} lie in one another"
        for other in rollback.volumes:
            if other.blank is not None and _inside(other.blank, volume.subvolume):
                return f"the blank of {other.name} lies in volume {volume.name}"
    return next(filter(None, map(_release_fault, rollback.volumes)), None)


def _release_fault(volume: RollbackVolume) -> str | None:
    """Return why the release before the blank could not change places with it, or None."""
    if volume.before is None and volume.before_uuid is None:
        return None
    if None in (volume.blank, volume.blank_uuid, volume.before, volume.before_uuid):
        return f"volume {volume.name} has not all of BLANK, BLANK_UUID, BEFORE and BEFORE_UUID"
    paths = [path.rpartition(b"/") for path in (volume.blank, volume.before) if path is not None]
    # Two read-only subvolumes change places only in one directory.
    if paths[0][0] != paths[1][0] or paths[0] == paths[1]:
        return f"the release before the blank of {volume.name} does not lie beside it"
    if volume.before_uuid == volume.blank_uuid:
        return f"the release before the blank of {volume.name} is the blank"
    return None


def format_rollback(rollback: RollbackEnv) -> bytes:
    """Return the file's bytes."""
    lines = [
        line("FSID", rollback.fsid),
        line("DEVICE", rollback.device),
        line("ARCHIVE", rollback.archive),
        line("WIPE", "yes" if rollback.wipe else "no"),
        line("ON_FAILURE", rollback.on_failure),
        line("ON_MISSING_BLANK", rollback.on_missing_blank),
    ]
    for volume in rollback.volumes:
        lines += [
            line("VOLUME", volume.name),
            line("SUBVOLUME", volume.subvolume),
            line("BLANK", volume.blank or b""),
            line("BLANK_UUID", volume.blank_uuid),
            line("BEFORE", volume.before),
            line("BEFORE_UUID", volume.before_uuid),
            *(line("REQUIRE", path) for path in volume.require),
        ]
    return assemble(lines, parse_rollback)
