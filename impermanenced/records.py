"""The files that the running system and the initrd hook share: KEY=value, one parser a side.

    rollback.env       RollbackEnv   what the hook needs; written here, read by the hook
    next               NextRequest   the one-shot request for the next boot; written here
    boots/N.env        BootRecord    what boot N did with its volumes; written by the hook
    boots/N.end        EndRecord     what boot N left behind when it was shut down; written by the daemon
    /run/impermanence/rollback.env   the same for this boot, also when no record could be written

Every line is `KEY=value` and ends with a newline; there are no comments and no empty lines.
Bytes outside printable ASCII, and `%`, stand as `%XX` (upper-case hex) and nothing else does, so
a value has one spelling; there is no `%00`.  `VERSION=1` comes first.  `VOLUME=` begins a volume:
what follows up to the next one belongs to it.  Unknown or repeated keys are refused: both sides
would rather do nothing than half of what was meant.  The golden files in tests/golden hold the
two parsers together.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from .errors import RecordError
from .wire import to_text

VERSION = 1
LARGEST = 65536  # bytes; a shell reads these files line by line

# Names under it.
ROLLBACK = b"rollback.env"
NEXT = b"next"
BOOTS = b"boots"
GOOD = b".good"  # boots/N.good: an empty file that says boot N completed
END = b".end"

NO_BOOT_ID = "00000000-0000-0000-0000-000000000000"  # the life before the first record

ON_FAILURE = ("keep", "stop")
ON_MISSING_BLANK = ("keep", "create-empty", "stop")
REQUESTS = ("wipe", "keep", "boot")
ACTIONS = (
    "wiped",  # the volumes are fresh copies of their blanks
    "booted",  # the volumes are fresh copies of old roots
    "kept",  # somebody asked for it
    "trial",  # WIPE=no
    "refused",  # the hook did not find what the record says; the previous root goes on
    "failed",  # a step went wrong; the previous root goes on
    "off",  # not even a mount (only in /run)
)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_TIME = re.compile(r"0|[1-9][0-9]{0,11}")
_NAME = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9._@-]{0,63}")
_GENERATION = re.compile(r"0|[1-9][0-9]{0,17}")
_RELEASE = re.compile(r"[!-~]{1,128}")
_WORD = re.compile(r"[A-Za-z0-9-]{1,64}")
_LINE = re.compile(rb"([A-Z_]+)=((?:[ -$&-~]|%(?:0[1-9A-F]|1[0-9A-F]|25|7F|[89A-F][0-9A-F]))*)")
_ESCAPE = re.compile(rb"%([0-9A-F]{2})")
_UNSAFE_BYTE = re.compile(rb"[^ -$&-~]")
# Names that a shell or a terminal could take for something else; the hook refuses them.
_UNSAFE_PATH = re.compile(rb"""[\x00-\x1f\x7f"'`$\\*?\[\](){}<>|&;!#]""")

T = TypeVar("T")
Fields = list[tuple[str, bytes, int]]  # key, value, line number


@dataclass(frozen=True, slots=True)
class RollbackVolume:
    name: str
    subvolume: bytes  # path from the top level, as all of these
    blank: bytes | None  # None: an empty subvolume is made
    blank_uuid: str | None = None  # None: any read-only subvolume of that name will do
    require: tuple[bytes, ...] = ()  # absolute paths inside the blank


@dataclass(frozen=True, slots=True)
class RollbackEnv:
    volumes: tuple[RollbackVolume, ...]
    fsid: str | None = None  # None (a record made where the disk is not): the device decides
    device: bytes | None = None  # None: found by fsid, else root= of the kernel command line
    archive: bytes = b"old_roots"
    wipe: bool = True
    on_failure: str = "keep"
    on_missing_blank: str = "keep"


@dataclass(frozen=True, slots=True)
class NextRequest:
    action: str  # of REQUESTS
    id: str  # unique: tells a consumed request from a new one
    boot: int | None = None  # number of the old root, for "boot"
    boots: int = 1  # for how many boots it holds


@dataclass(frozen=True, slots=True)
class BootVolume:
    name: str
    subvolume: bytes
    uuid: str | None = None  # of the subvolume that boots
    source: bytes | None = None  # what it was made from; b"": made empty; None: it is the previous one
    source_uuid: str | None = None
    generation: int | None = None  # of the new subvolume when it was made
    old: bytes | None = None  # where this boot archived the previous life; None: there was no switch
    old_uuid: str | None = None


@dataclass(frozen=True, slots=True)
class BootRecord:
    number: int | None  # None: no record was written; only in the result in /run
    boot_id: str  # as /proc/sys/kernel/random/boot_id has it
    time: int  # seconds since 1970, by the clock of the initrd
    release: str  # of the kernel
    action: str  # of ACTIONS
    reason: str = ""
    boot: int | None = None  # the old root that was booted
    request: str | None = None  # id of the request that this boot obeyed
    request_left: int | None = None  # boots for which that request still holds
    hold: bool = False  # the hook fell back to a good root, and wipes no more until it is asked to
    recovered: tuple[bytes, ...] = ()  # where leftovers of a cut were put
    volumes: tuple[BootVolume, ...] = ()


@dataclass(frozen=True, slots=True)
class EndRecord:
    """Written after the last session ended and before the filesystems are unmounted: not by a boot that was
    cut off."""

    boot_id: str
    time: int  # seconds since 1970
    crud: int  # paths that nothing declares
    size: int  # bytes of these
    complete: bool  # False: a part could not be read


def read(path: bytes, name: bytes, *, dir_fd: int | None = None) -> bytes:
    """One of these files, read as the hook would; FileNotFoundError, or RecordError about `name`.

    It returns more than LARGEST bytes of a file that is too large to be parsed.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"{to_text(name)}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise RecordError(f"{to_text(name)}: not a regular file")
        with open(fd, "rb", closefd=False) as stream:
            return stream.read(LARGEST + 1)
    finally:
        os.close(fd)


# -- text of one value ---------------------------------------------------------------------------


def escape(raw: bytes) -> bytes:
    return _UNSAFE_BYTE.sub(lambda match: b"%%%02X" % match[0][0], raw)


def _unescape_byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)])


def path_fault(path: bytes) -> str | None:
    """Why the hook would not take this path from the top level; None when it would."""
    if not path:
        return "is empty"
    if _UNSAFE_PATH.search(path):
        return "has a control character or one that means something to a shell"
    if path.startswith(b"-"):
        return "starts with a dash"
    if any(part in {b"", b".", b".."} for part in path.split(b"/")):
        return "is not a plain path from the top level"
    if path.split(b"/")[0] == b".impermanence":
        return "lies in the state directory"
    return None


def archive_name(number: int, boot_id: str, volume: str | None = None) -> bytes:
    """Name of an old root: the number and boot id of the boot whose life it is.

    The first volume of rollback.env has no suffix, the others have `.NAME`.
    """
    return f"{number}-{boot_id}{'' if volume is None else '.' + volume}".encode()


_ARCHIVED = re.compile(rb"(0|[1-9][0-9]{0,8})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.(.+))?")


def parse_archive_name(name: bytes) -> tuple[int, str, str | None] | None:
    """Number, boot id and volume name of an old root; None for other things in the archive."""
    match = _ARCHIVED.fullmatch(name)
    if match is None:
        return None
    volume = match[3].decode("ascii", "replace") if match[3] is not None else None
    if volume is not None and not _NAME.fullmatch(volume):
        return None
    return int(match[1]), match[2].decode(), volume


# -- lines ---------------------------------------------------------------------------------------


class _Fields:
    """The fields of a file, or of one volume in it: each is taken once, and nothing may be left."""

    def __init__(self, path: bytes, fields: Fields) -> None:
        self.path = path
        self.fields = fields

    def error(self, words: str, line: int | None = None) -> RecordError:
        place = to_text(self.path) if line is None else f"{to_text(self.path)}:{line}"
        return RecordError(f"{place}: {words}")

    def many(self, key: str) -> list[tuple[bytes, int]]:
        found = [(value, line) for name, value, line in self.fields if name == key]
        self.fields = [field for field in self.fields if field[0] != key]
        return found

    def one(self, key: str) -> tuple[bytes, int] | None:
        found = self.many(key)
        if len(found) > 1:
            raise self.error(f"{key} for the second time", found[1][1])
        return found[0] if found else None

    def text(self, key: str, pattern: re.Pattern[str], words: str) -> str | None:
        found = self.one(key)
        if found is None:
            return None
        text = found[0].decode("ascii", "replace")
        if not pattern.fullmatch(text):
            raise self.error(f"{key} is not {words}", found[1])
        return text

    def number(self, key: str, pattern: re.Pattern[str] = _NUMBER) -> int | None:
        text = self.text(key, pattern, "a number")
        return None if text is None else int(text)

    def uuid(self, key: str) -> str | None:
        return self.text(key, _UUID, "a UUID in lower case")

    def optional_choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        pattern = re.compile("|".join(re.escape(choice) for choice in choices))
        return self.text(key, pattern, f"one of {', '.join(choices)}")

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        return self.need(key, self.optional_choice(key, choices))

    def path_or_empty(self, key: str) -> bytes | None:
        found = self.one(key)
        if found is None:
            return None
        fault = path_fault(found[0]) if found[0] else None
        if fault is not None:
            raise self.error(f"{key} {fault}", found[1])
        return found[0]

    def plain_path(self, key: str) -> bytes | None:
        path = self.path_or_empty(key)
        if path == b"":
            raise self.error(f"{key} is empty")
        return path

    def need(self, key: str, value: T | None) -> T:
        if value is None:
            raise self.error(f"{key} is missing")
        return value

    def finish(self) -> None:
        for key, _, line in self.fields:
            raise self.error(f"unknown key {key} here", line)


def _split(content: bytes, path: bytes) -> tuple[_Fields, list[_Fields]]:
    """The fields before the first VOLUME, and those of each volume."""
    head = _Fields(path, [])
    volumes: list[_Fields] = []
    if not content:
        raise head.error("the file is empty")
    if len(content) > LARGEST:
        raise head.error(f"larger than {LARGEST} bytes")
    if not content.endswith(b"\n"):
        raise head.error("the last line has no end")
    for number, line in enumerate(content[:-1].split(b"\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise head.error("not KEY=value", number)
        key, value = match[1].decode(), _ESCAPE.sub(_unescape_byte, match[2])
        if number == 1:
            if (key, value) != ("VERSION", b"1"):
                raise head.error("does not begin with VERSION=1: not a file of this version", number)
            continue
        if key == "VOLUME":
            volumes.append(_Fields(path, []))
        (volumes[-1] if volumes else head).fields.append((key, value, number))
    return head, volumes


def _line(key: str, value: bytes | str | int | None) -> list[bytes]:
    """No line for None: the reader's default is the same."""
    if value is None:
        return []
    raw = value if isinstance(value, bytes) else str(value).encode()
    return [key.encode() + b"=" + escape(raw) + b"\n"]


def _file(lines: Iterable[list[bytes]], parse: Callable[[bytes], object]) -> bytes:
    """The file's bytes, proven to be readable."""
    content = b"".join(piece for line in [_line("VERSION", VERSION), *lines] for piece in line)
    parse(content)
    return content


# -- rollback.env --------------------------------------------------------------------------------


def parse_rollback(content: bytes, path: bytes = ROLLBACK) -> RollbackEnv:
    """RecordError names file and line; also for volumes that the hook could not switch safely."""
    head, groups = _split(content, path)
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


def _rollback_volume(fields: _Fields) -> RollbackVolume:
    blank = fields.need("BLANK", fields.path_or_empty("BLANK"))
    volume = RollbackVolume(
        name=fields.need("VOLUME", fields.text("VOLUME", _NAME, "a plain name")),
        subvolume=fields.need("SUBVOLUME", fields.plain_path("SUBVOLUME")),
        blank=blank or None,
        blank_uuid=fields.uuid("BLANK_UUID"),
        require=tuple(_required(fields, value, line) for value, line in fields.many("REQUIRE")),
    )
    fields.finish()
    return volume


def _required(fields: _Fields, value: bytes, line: int) -> bytes:
    if not value.startswith(b"/") or b"\0" in value or b".." in value.split(b"/"):
        raise fields.error("REQUIRE is not an absolute path", line)
    return value


def _inside(path: bytes, directory: bytes) -> bool:
    return (path + b"/").startswith(directory + b"/")


def layout_fault(rollback: RollbackEnv) -> str | None:
    """Why these volumes cannot be switched; None when they can."""
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
    return None


def format_rollback(rollback: RollbackEnv) -> bytes:
    lines = [
        _line("FSID", rollback.fsid),
        _line("DEVICE", rollback.device),
        _line("ARCHIVE", rollback.archive),
        _line("WIPE", "yes" if rollback.wipe else "no"),
        _line("ON_FAILURE", rollback.on_failure),
        _line("ON_MISSING_BLANK", rollback.on_missing_blank),
    ]
    for volume in rollback.volumes:
        lines += [
            _line("VOLUME", volume.name),
            _line("SUBVOLUME", volume.subvolume),
            _line("BLANK", volume.blank or b""),
            _line("BLANK_UUID", volume.blank_uuid),
            *(_line("REQUIRE", path) for path in volume.require),
        ]
    return _file(lines, parse_rollback)


# -- next ----------------------------------------------------------------------------------------


def parse_next(content: bytes, path: bytes = NEXT) -> NextRequest:
    head, groups = _split(content, path)
    if groups:
        raise head.error("a request has no VOLUME")
    boots = head.number("BOOTS")
    request = NextRequest(
        action=head.choice("ACTION", REQUESTS),
        id=head.need("ID", head.text("ID", _WORD, "letters, digits and dashes")),
        boot=head.number("BOOT"),
        boots=1 if boots is None else boots,
    )
    head.finish()
    if (request.action == "boot") != (request.boot is not None):
        raise head.error("BOOT goes with ACTION=boot, and only with it")
    if request.boots == 0:
        raise head.error("BOOTS is 0")
    return request


def format_next(request: NextRequest) -> bytes:
    lines = [
        _line("ACTION", request.action),
        _line("BOOT", request.boot),
        _line("BOOTS", request.boots),
        _line("ID", request.id),
    ]
    return _file(lines, parse_next)


# -- boots/N.env and the result in /run ----------------------------------------------------------


def parse_record(content: bytes, path: bytes = BOOTS) -> BootRecord:
    """The record of a boot; `number` is None only in the result in /run."""
    head, groups = _split(content, path)
    reason = head.one("REASON")
    record = BootRecord(
        number=head.number("NUMBER"),
        boot_id=head.need("BOOT_ID", head.uuid("BOOT_ID")),
        time=head.need("TIME", head.number("TIME", _TIME)),
        release=head.need("RELEASE", head.text("RELEASE", _RELEASE, "a kernel release")),
        action=head.choice("ACTION", ACTIONS),
        reason="" if reason is None else reason[0].decode("utf-8", "backslashreplace"),
        boot=head.number("BOOT"),
        request=head.text("REQUEST", _WORD, "letters, digits and dashes"),
        request_left=head.number("REQUEST_LEFT"),
        hold=head.optional_choice("HOLD", ("yes",)) is not None,
        recovered=tuple(value for value, _ in head.many("RECOVERED")),
        volumes=tuple(_boot_volume(group) for group in groups),
    )
    head.finish()
    return record


def _boot_volume(fields: _Fields) -> BootVolume:
    volume = BootVolume(
        name=fields.need("VOLUME", fields.text("VOLUME", _NAME, "a plain name")),
        subvolume=fields.need("SUBVOLUME", fields.plain_path("SUBVOLUME")),
        uuid=fields.uuid("UUID"),
        source=fields.path_or_empty("SOURCE"),
        source_uuid=fields.uuid("SOURCE_UUID"),
        generation=fields.number("GENERATION", _GENERATION),
        old=fields.plain_path("OLD"),
        old_uuid=fields.uuid("OLD_UUID"),
    )
    fields.finish()
    return volume


def format_record(record: BootRecord) -> bytes:
    lines = [
        _line("NUMBER", record.number),
        _line("BOOT_ID", record.boot_id),
        _line("TIME", record.time),
        _line("RELEASE", record.release),
        _line("ACTION", record.action),
        _line("REASON", record.reason or None),
        _line("BOOT", record.boot),
        _line("REQUEST", record.request),
        _line("REQUEST_LEFT", record.request_left),
        _line("HOLD", "yes" if record.hold else None),
        *(_line("RECOVERED", path) for path in record.recovered),
    ]
    for volume in record.volumes:
        lines += [
            _line("VOLUME", volume.name),
            _line("SUBVOLUME", volume.subvolume),
            _line("UUID", volume.uuid),
            _line("SOURCE", volume.source),
            _line("SOURCE_UUID", volume.source_uuid),
            _line("GENERATION", volume.generation),
            _line("OLD", volume.old),
            _line("OLD_UUID", volume.old_uuid),
        ]
    return _file(lines, parse_record)


# -- boots/N.end ---------------------------------------------------------------------------------


def parse_end(content: bytes, path: bytes = BOOTS) -> EndRecord:
    head, groups = _split(content, path)
    if groups:
        raise head.error("the end of a boot has no VOLUME")
    record = EndRecord(
        boot_id=head.need("BOOT_ID", head.uuid("BOOT_ID")),
        time=head.need("TIME", head.number("TIME", _TIME)),
        crud=head.need("CRUD", head.number("CRUD", _GENERATION)),
        size=head.need("BYTES", head.number("BYTES", _GENERATION)),
        complete=head.choice("COMPLETE", ("yes", "no")) == "yes",
    )
    head.finish()
    return record


def format_end(record: EndRecord) -> bytes:
    lines = [
        _line("BOOT_ID", record.boot_id),
        _line("TIME", record.time),
        _line("CRUD", record.crud),
        _line("BYTES", record.size),
        _line("COMPLETE", "yes" if record.complete else "no"),
    ]
    return _file(lines, parse_end)
