"""next: the one-shot request for the next boot."""

from __future__ import annotations

from ...lazy import NamedTuple
from ...state import NEXT
from .keyvalue import WORD, assemble, line, split

REQUESTS = ("wipe", "keep", "boot")
OFF = "off-"  # what the id of the request of `setup --off` begins with


class NextRequest(NamedTuple):
    """A request for the next boot."""

    action: str  # one of REQUESTS
    id: str  # unique: tells a consumed request from a new one
    boot: int | None = None  # number of the old root, for "boot"
    boots: int = 1  # for how many boots it holds

    @property
    def off(self) -> bool:
        """Return whether this is what `setup --off` asks for, until setup is run again."""
        return self.id.startswith(OFF)


def parse_next(content: bytes, path: bytes = NEXT) -> NextRequest:
    """Return a request.  Raises RecordError."""
    head, groups = split(content, path)
    if groups:
        raise head.error("a request has no VOLUME")
    boots = head.number("BOOTS")
    request = NextRequest(
        action=head.choice("ACTION", REQUESTS),
        id=head.need("ID", head.text("ID", WORD, "letters, digits and dashes")),
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
    """Return the file's bytes."""
    lines = [
        line("ACTION", request.action),
        line("BOOT", request.boot),
        line("BOOTS", request.boots),
        line("ID", request.id),
    ]
    return assemble(lines, parse_next)
