"""boots/N.env: what a boot did with its volumes.  /run has the same for the running boot."""

from __future__ import annotations

from ...lazy import NamedTuple, regex
from ...state import BOOTS
from .keyvalue import LONG_NUMBER, NAME, TIME, WORD, Fields, assemble, line, split

ACTIONS = (
    "wiped",  # the volumes are fresh copies of their blanks
    "booted",  # the volumes are fresh copies of old roots
    "kept",  # a request asked for it, or the last good root is held
    "trial",  # WIPE=no
    "refused",  # the hook did not find what the record says; the previous root goes on
    "failed",  # a step went wrong; the previous root goes on
    "other",  # something else boots than a volume of the record; nothing is touched (only in /run)
    "off",  # not even a mount (only in /run)
)

IMAGE = "hibernation-image"  # the reason code of a refusal: an image that nobody resumed waits

_RELEASE = regex(r"[!-~]{1,128}")


class BootVolume(NamedTuple):
    """One volume of a boot."""

    name: str
    subvolume: bytes
    uuid: str | None = None  # the UUID of the subvolume that boots
    source: bytes | None = None  # what it was made from; b"": nothing, it is empty; None: no new one was made
    source_uuid: str | None = None
    generation: int | None = None  # the generation of the new subvolume when it was made
    old: bytes | None = None  # where this boot archived the previous life; None: there was no switch
    old_uuid: str | None = None


class BootRecord(NamedTuple):
    """The record of a boot."""

    number: int | None  # None: no record was written; only in the result in /run
    boot_id: str  # as /proc/sys/kernel/random/boot_id has it
    time: int  # seconds since 1970, by the clock of the initrd
    release: str  # the release of the kernel
    action: str  # one of ACTIONS
    reason: str = ""  # in the hook's words
    reason_code: str | None = None  # of a row of `boots.reasons`; None: as asked, or not known
    boot: int | None = None  # the old root that was booted
    request: str | None = None  # the id of the request that this boot obeyed
    request_left: int | None = None  # boots for which that request still holds
    hold: bool = False  # the hook fell back to a good root, and wipes no more until it is asked to
    recovered: tuple[bytes, ...] = ()  # where leftovers of a cut were put
    volumes: tuple[BootVolume, ...] = ()


def parse_record(content: bytes, path: bytes = BOOTS) -> BootRecord:
    """Return the record of a boot.  Raises RecordError.  `number` is None only in the result in /run."""
    head, groups = split(content, path)
    reason = head.one("REASON")
    record = BootRecord(
        number=head.number("NUMBER"),
        boot_id=head.need("BOOT_ID", head.uuid("BOOT_ID")),
        time=head.need("TIME", head.number("TIME", TIME)),
        release=head.need("RELEASE", head.text("RELEASE", _RELEASE, "a kernel release")),
        action=head.choice("ACTION", ACTIONS),
        reason="" if reason is None else reason[0].decode("utf-8", "backslashreplace"),
        reason_code=head.text("REASON_CODE", WORD, "letters, digits and dashes"),
        boot=head.number("BOOT"),
        request=head.text("REQUEST", WORD, "letters, digits and dashes"),
        request_left=head.number("REQUEST_LEFT"),
        hold=head.optional_choice("HOLD", ("yes",)) is not None,
        recovered=tuple(value for value, _ in head.many("RECOVERED")),
        volumes=tuple(_boot_volume(group) for group in groups),
    )
    head.finish()
    return record


def _boot_volume(fields: Fields) -> BootVolume:
    volume = BootVolume(
        name=fields.need("VOLUME", fields.text("VOLUME", NAME, "a plain name")),
        subvolume=fields.need("SUBVOLUME", fields.plain_path("SUBVOLUME")),
        uuid=fields.uuid("UUID"),
        source=fields.path_or_empty("SOURCE"),
        source_uuid=fields.uuid("SOURCE_UUID"),
        generation=fields.number("GENERATION", LONG_NUMBER),
        old=fields.plain_path("OLD"),
        old_uuid=fields.uuid("OLD_UUID"),
    )
    fields.finish()
    return volume


def format_record(record: BootRecord) -> bytes:
    """Return the file's bytes."""
    lines = [
        line("NUMBER", record.number),
        line("BOOT_ID", record.boot_id),
        line("TIME", record.time),
        line("RELEASE", record.release),
        line("ACTION", record.action),
        line("REASON", record.reason or None),
        line("REASON_CODE", record.reason_code),
        line("BOOT", record.boot),
        line("REQUEST", record.request),
        line("REQUEST_LEFT", record.request_left),
        line("HOLD", "yes" if record.hold else None),
        *(line("RECOVERED", path) for path in record.recovered),
    ]
    for volume in record.volumes:
        lines += [
            line("VOLUME", volume.name),
            line("SUBVOLUME", volume.subvolume),
            line("UUID", volume.uuid),
            line("SOURCE", volume.source),
            line("SOURCE_UUID", volume.source_uuid),
            line("GENERATION", volume.generation),
            line("OLD", volume.old),
            line("OLD_UUID", volume.old_uuid),
        ]
    return assemble(lines, parse_record)
