"""The files by which the hook and the running system leave things for each other.

    .impermanence/                  the state directory, a subvolume
        rollback.env                what the hook needs; written by `setup`, read by the hook
        next                        the request for the next boot
        boots/N.env                 what boot N did with its volumes; written by the hook
        boots/N.end                 what boot N left behind; written when it was shut down
        boots/N.good                empty: boot N completed
        boots/N.lost                what boot N lost, by a later look at its old root
        boots/N.pin                 empty: the old roots of boot N stay
        boots/N.reviewed            empty: somebody has looked at what boot N lost
        boots/N.plan                the plan of a switch that was cut, put aside by the hook
        jobs/N.env                  what `persist` and its like have done, or are doing
        staging/ trash/             the hook's, while it switches
        staging/blank.next          the next release of a blank, while it is made
        releases/VOLUME.N.env       where release N of a volume's blank comes from
        releases/VOLUME.N.manifest  what it holds (gzip)
        sending/                    snapshots of old roots, while they are sent elsewhere or brought back
        compiled/                   what the hook hands to the system that starts; written by `apply`
        setup.env                   where a set-up of the machine, or the way back, is; its own alone
        ledger.sqlite               who wrote what
    ARCHIVE/N-BOOTID[.VOLUME][-M]   an old root: the life of boot N; M where the name was taken
    BLANK                           what the next boot wipes to
    BLANK@N                         release N of the blank, where that is not the blank
    BLANK@next                      one on its way to its name
    ARCHIVE/N-unused-BOOTID.*       a new root that boot N found in staging, and that nobody had written to
    VOLUME/.impermanence-originals/ what `persist` has put a link in the place of
    /run/impermanence/              what the hook says of this boot

Paths are from the top level, except those in /run.  `boots.records` describes the form of the files.
"""

from __future__ import annotations

import contextlib
import datetime
import enum
import os
import re
from collections.abc import Iterable

from .lazy import NamedTuple, regex

STATE = b".impermanence"
ROLLBACK = STATE + b"/rollback.env"
NEXT = STATE + b"/next"
BOOTS = STATE + b"/boots"
COMPILED = STATE + b"/compiled"
STAGING = STATE + b"/staging"
ORIGINALS = STATE + b"-originals"  # at the top of a volume: what links have taken the place of
JOBS = STATE + b"/jobs"
RELEASES = STATE + b"/releases"
DIRECTORIES = (BOOTS, STAGING, STATE + b"/trash")
NEXT_BLANK = STAGING + b"/blank.next"
SETUP = STATE + b"/setup.env"
LEDGER = b"ledger.sqlite"  # in the state directory, which is `/` for the thread that opens it

ARCHIVE = b"old_roots"  # unless the configuration says otherwise

SOURCE = b"etc/impermanence/rollback.env"  # in a root: what a copy inside its initrd is made from

RUN = b"/run/impermanence"
RESULT = b"rollback.env"  # in RUN: what the hook did in this boot
AS_ASKED = b"as-asked"  # in RUN, empty: the hook did in this boot what was asked, and nobody has to be told
INSIDE = b"inside"  # in RUN: what the namespace of an update is mounted on
NEW_ROOT = b"new-root"  # in RUN: where the root that set-up makes is mounted meanwhile
RAN = b"boot-id"  # in RUN: in which boot the hook ran; written before it does anything

NO_BOOT_ID = "00000000-0000-0000-0000-000000000000"  # the life before the first record

# Regular expressions of the parts of names, and of values in records.
BOOT_NUMBER = r"0|[1-9][0-9]{0,8}"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
VOLUME_NAME = r"[A-Za-z0-9_@][A-Za-z0-9._@-]{0,63}"


class BootFile(enum.StrEnum):
    """The kinds of files in boots/."""

    RECORD = "env"
    END = "end"
    LOST = "lost"
    GOOD = "good"
    PIN = "pin"
    REVIEWED = "reviewed"
    PLAN = "plan"


_BOOT_FILE = regex(rf"({BOOT_NUMBER})\.({'|'.join(BootFile)})")
_OLD_ROOT = regex(rf"({BOOT_NUMBER})-({UUID})(?:\.({VOLUME_NAME}))?")
_JOB_FILE = regex(rb"([1-9][0-9]{0,8})\.env")
_RELEASE_FILE = regex(rf"({VOLUME_NAME})\.({BOOT_NUMBER})\.env")
_UNUSED = regex(rf"({BOOT_NUMBER})-unused-{UUID}\.(?:{VOLUME_NAME})")
_AGAIN = regex(rb"-[1-9][0-9]*$")  # the suffix that the hook adds to a name that is taken
# Names of old roots of the well-known scripts; a month or a day may have one digit.
_CLASSIC = ("%Y-%m-%d_%H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y%m%dT%H%M%S", "%Y%m%d-%H%M%S", "%Y-%m-%d")
# Where these scripts put them, from the top level.
CLASSIC_ARCHIVES = (b"old_roots", b"@old-roots", b"@old_roots", b"@root-history", b".snapshots")


def uuid_bytes(text: str) -> bytes:
    """Return the bytes of a UUID that the expression above matches."""
    return bytes.fromhex(text.replace("-", ""))


def uuid_text(raw: bytes) -> str:
    """Return the 16 bytes of a UUID as text."""
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def boot_file(number: int, kind: BootFile) -> bytes:
    """Return the path of boots/N.*."""
    return BOOTS + f"/{number}.{kind}".encode()


def boot_files(names: Iterable[bytes]) -> dict[BootFile, frozenset[int]]:
    """Return the numbers of the boots that have a file of each kind; `names` are those in boots/."""
    matches = [match for name in names if (match := _BOOT_FILE.fullmatch(os.fsdecode(name)))]
    return {kind: frozenset(int(match[1]) for match in matches if match[2] == kind) for kind in BootFile}


def job_file(number: int) -> bytes:
    """Return the name of a job's record in jobs/."""
    return b"%d.env" % number


def job_number(name: bytes) -> int | None:
    """Return the number of the job whose record has this name, or None if it is not one's."""
    match = _JOB_FILE.fullmatch(name)
    return None if match is None else int(match[1])


def release_file(volume: str, number: int, *, manifest: bool = False) -> bytes:
    """Return the path of releases/VOLUME.N.env, or of the manifest beside it."""
    return RELEASES + f"/{volume}.{number}.{'manifest' if manifest else 'env'}".encode()


def parse_release_file(name: bytes) -> tuple[str, int] | None:
    """Return volume and number of a record of a release, or None for another name."""
    match = _RELEASE_FILE.fullmatch(os.fsdecode(name))
    return None if match is None else (match[1], int(match[2]))


def release_path(blank: bytes, number: int) -> bytes:
    """Return the path of a release that is not the blank."""
    return blank + b"@%d" % number


def passing_path(blank: bytes) -> bytes:
    """Return the path of a release on its way to its name."""
    return blank + b"@next"


def archive_name(number: int, boot_id: str, volume: str | None = None) -> bytes:
    """Name an old root by the number and boot id of the boot whose life it is.

    The first volume of rollback.env has no suffix, the others have `.NAME`.
    """
    return f"{number}-{boot_id}{'' if volume is None else '.' + volume}".encode()


def parse_archive_name(name: bytes) -> tuple[int, str, str | None] | None:
    """Return number, boot id and volume name of an old root, or None for anything else in the archive."""
    match = _OLD_ROOT.fullmatch(os.fsdecode(name))
    return None if match is None else (int(match[1]), match[2], match[3])


def parse_unused_name(name: bytes) -> int | None:
    """Return the number of the boot that put a new root away unused, or None for another name."""
    match = _UNUSED.fullmatch(os.fsdecode(name))
    return None if match is None else int(match[1])


def first_spelling(name: bytes) -> bytes:
    """Return the name that the hook would have given to an old root if it had not been taken."""
    return _AGAIN.sub(b"", name)


class ClassicName(NamedTuple):
    """What the name of an old root says that another tool has put away."""

    time: float | None = None  # when
    boot_id: str | None = None  # whose life it is
    volume: str | None = None  # the name before the time


def parse_classic_name(name: bytes) -> ClassicName | None:
    """Return what the name of a well-known script's old root says, or None for another name."""
    text = os.fsdecode(name)
    if re.fullmatch(UUID, text):
        return ClassicName(boot_id=text)
    volume, dot, rest = text.rpartition(".")
    for words, of in ((text, None), (rest, volume)) if dot else ((text, None),):
        if (time := _classic_time(words)) is not None and (of is None or re.fullmatch(VOLUME_NAME, of)):
            return ClassicName(time, volume=of)
    return None


def _classic_time(words: str) -> float | None:
    for form in _CLASSIC:
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.datetime.strptime(words, form).timestamp()
    if re.fullmatch(r"[1-9][0-9]{9}", words):  # seconds since 1970
        return float(words)
    return None
