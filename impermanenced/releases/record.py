"""releases/VOLUME.N.env: where a release of a blank comes from.  It is written once."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..boots.records.keyvalue import LONG_NUMBER, TIME, assemble, line, split
from ..lazy import regex
from ..state import RELEASES

_DIGEST = regex(r"[0-9a-f]{64}")


class Maker(enum.StrEnum):
    """The kinds of work that make a release."""

    FOUND = "found"  # the blank was there before anybody counted
    SETUP = "setup"
    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"  # a declaration needs something in the blank


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the blank of one volume."""

    number: int
    uuid: str  # of its subvolume
    transid: int  # of the last change of anything in it; a later one means that somebody wrote to it
    time: int  # seconds since 1970
    maker: Maker
    words: str = ""  # what was done: a command, or paths
    base: int | None = None  # the number of the release that it was made from
    manifest: str | None = None  # SHA-256 of what it holds (`manifest`)
    files: int = 0  # names of any type
    size: int = 0  # bytes of regular files


def parse_release(content: bytes, path: bytes = RELEASES) -> Release:
    """Return the record of a release.  Raises RecordError."""
    head, groups = split(content, path)
    if groups:
        raise head.error("the record of a release has no VOLUME")
    words = head.one("WORDS")
    release = Release(
        number=head.need("NUMBER", head.number("NUMBER")),
        uuid=head.need("UUID", head.uuid("UUID")),
        transid=head.need("TRANSID", head.number("TRANSID", LONG_NUMBER)),
        time=head.need("TIME", head.number("TIME", TIME)),
        maker=Maker(head.choice("MAKER", tuple(Maker))),
        words="" if words is None else words[0].decode("utf-8", "backslashreplace"),
        base=head.number("BASE"),
        manifest=head.text("MANIFEST", _DIGEST, "a SHA-256 in hexadecimal"),
        files=head.number("FILES", LONG_NUMBER) or 0,
        size=head.number("BYTES", LONG_NUMBER) or 0,
    )
    head.finish()
    return release


def format_release(release: Release) -> bytes:
    """Return the file's bytes."""
    lines = [
        line("NUMBER", release.number),
        line("UUID", release.uuid),
        line("TRANSID", release.transid),
        line("TIME", release.time),
        line("MAKER", release.maker),
        line("WORDS", release.words or None),
        line("BASE", release.base),
        line("MANIFEST", release.manifest),
        line("FILES", release.files),
        line("BYTES", release.size),
    ]
    return assemble(lines, parse_release)
