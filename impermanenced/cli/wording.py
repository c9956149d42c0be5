"""Ages, names and columns in a person's words.  The present time is always an argument."""

from __future__ import annotations

import datetime
import functools
import pwd

from ..lazy import Deferred
from ..model import Writer
from ..text import time_to_text, to_text

textwrap = Deferred("textwrap")
unicodedata = Deferred("unicodedata")

BRACED = 4  # characters that names must have in common to be written with braces
BRACES = 6  # names between braces, at most
SHORT = 40  # characters up to which braces are always used


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a number and its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def age(then: float, now: float) -> str:
    """Return how long ago a time was, in words."""
    passed = now - then
    if passed < -60:
        return "in the future"
    if passed < 60:
        return "just now"
    if passed < 3600:
        return f"{passed // 60:.0f} min ago"
    if passed < 86400:
        return f"{passed // 3600:.0f} h ago"
    if passed < 2 * 365 * 86400:
        return f"{plural(int(passed // 86400), 'day')} ago"
    return f"{passed // (365 * 86400):.0f} years ago"


def span(seconds: float | None) -> str:
    """Return how long something took, in one unit, or "-" for None."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 2 * 86400), ("h", 2 * 3600), ("min", 2 * 60)):
        if seconds >= length:
            return f"{seconds * 2 // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock(seconds: float, now: float, *, exact: bool = False) -> str:
    """Return the local time of day, with the date if it is not today's."""
    then = datetime.datetime.fromtimestamp(seconds).astimezone()
    today = datetime.datetime.fromtimestamp(now).astimezone().date()
    day = "" if then.date() == today else "%Y-%m-%d "
    return then.strftime(day + ("%H:%M:%S" if exact else "%H:%M"))


def when(seconds: float | None, now: float) -> str:
    """Return the local day and time of a boot, in words where it is near, or "-" for None."""
    text = time_to_text(seconds)
    if text is None:
        return "-"
    then = datetime.datetime.fromisoformat(text).astimezone()
    days = (datetime.datetime.fromtimestamp(now).astimezone().date() - then.date()).days
    if days in (0, 1):
        return then.strftime("today %H:%M" if days == 0 else "yesterday %H:%M")
    return then.strftime("%a %H:%M" if 0 < days < 7 else "%Y-%m-%d %H:%M")


@functools.cache
def user(uid: int) -> str:
    """Return the name of a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def unit(name: str) -> str:
    """Return the name of a unit for a terminal: it may hold any bytes but a slash and NUL."""
    return to_text(name.encode("utf-8", "surrogateescape"))


def program_of(found: Writer) -> str:
    """Return the name that ps shows, but whole: the kernel keeps 15 bytes of it, a script is not its
    interpreter.
    """
    comm, file = to_text(found.comm), to_text(found.exe.rpartition(b"/")[2])
    return file if file.startswith(comm) else comm


def writer(found: Writer | None) -> str:
    """Return the service that wrote, or else the program and its user, or "" if neither is known."""
    if found is None:
        return ""
    its_unit = unit(found.whose)
    if its_unit.endswith(".service") and not found.unit.startswith("user@"):
        whose = found.uid if found.kind == "user" else None
        return its_unit if whose is None else f"{its_unit} ({user(whose)})"
    program = program_of(found) or its_unit
    if found.uid is None:
        return program
    return f"{program} ({user(found.uid)})" if program else user(found.uid)


def _in_common(texts: list[str]) -> str:
    """Return what all texts begin with."""
    first, last = min(texts), max(texts)
    return next((first[:index] for index, one in enumerate(first) if last[index : index + 1] != one), first)


def braces(directory: str, names: list[str]) -> str:
    """Return names in a directory as `/etc/ssh/ssh_host_{ed25519,rsa}_key`, or the directory if that would be
    long and say little.
    """
    prefix = _in_common(names)
    suffix = _in_common([name[len(prefix) :][::-1] for name in names])[::-1]
    middles = sorted({name[len(prefix) : len(name) - len(suffix)] for name in names})
    short = f"{directory}/{prefix}{{{','.join(middles)}}}{suffix}"
    apart = len(prefix) + len(suffix) < BRACED and len(short) > SHORT
    if apart or len(names) > BRACES or any("{" in name for name in names):
        return directory + "/"
    return short


@functools.cache
def _has_home(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_dir == f"/home/{name}"
    except (KeyError, OverflowError):
        return False


def homely(path: str) -> str:
    """Return a path in a home of this machine as `~alice/code`, for display only."""
    if not path.startswith("/home/"):
        return path
    name, slash, rest = path.removeprefix("/home/").partition("/")
    return f"~{name}{slash}{rest}" if rest and _has_home(name) else path


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def shorten(text: str, columns: int) -> str:
    """Return the text with its middle left out, if needed: both ends of a path are telling."""
    if width(text) <= columns:
        return text
    head = _fitting(text, columns // 3)
    tail = _fitting(text[::-1], columns - 1 - width(head))[::-1]
    return f"{head}…{tail}"


def cut(text: str, columns: int) -> str:
    """Return the text with its end left out, if needed."""
    return text if width(text) <= columns else _fitting(text, columns - 1) + "…"


def _fitting(text: str, columns: int) -> str:
    """Return as much of the beginning as fits."""
    taken = 0
    for index, character in enumerate(text):
        taken += width(character)
        if taken > columns:
            return text[:index]
    return text


def wrap(text: str, columns: int, first: str, rest: str) -> list[str]:
    """Return a sentence in lines that fit, words and paths unbroken, each line behind its indent."""
    lines: list[str] = textwrap.wrap(
        text,
        max(columns, 40),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return the text with blanks up to this width."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks
