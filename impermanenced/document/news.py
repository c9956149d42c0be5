"""The news: what was announced, as the bus carries it and `watch --json` prints it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..keep.state import STATES, Reason
from ..losses import CLASSES, LossClass
from ..model import Change, Writer
from ..text import time_to_text
from . import fields as f
from .declared import REASONS
from .fields import Object, loaded, path_fields
from .report import writer, writer_to_json

CRUD, MORE, BOOT, OVERFLOW, LEVEL = "crud", "more", "boot", "overflow", "level"
DECLARATION = "declaration"
CHANGED = "changed"  # several paths changed in different ways

_CHANGES: Mapping[str, str] = {one: one for one in (*(change.value for change in Change), CHANGED)}


@dataclass(frozen=True, slots=True)
class Undeclared:
    """The news that something undeclared was written."""

    time: float  # when it was announced, seconds since 1970
    path: bytes  # the path, or the directory that all paths are in
    change: str  # the change that all have, or CHANGED
    loss: LossClass  # the worst class
    size: int  # bytes
    count: int  # paths
    writer: Writer | None


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of writes that were not announced one by one: too many at once, or the boot's own."""

    time: float
    path: bytes  # the directory that all paths are in
    size: int  # bytes
    count: int  # paths
    boot: bool


@dataclass(frozen=True, slots=True)
class Overflow:
    """The news that the kernel dropped events."""

    time: float
    overflows: int  # times since the daemon's start


@dataclass(frozen=True, slots=True)
class Reached:
    """The news that undeclared data has reached a level of the configuration."""

    time: float
    level: str
    size: int  # undeclared bytes in all
    count: int  # undeclared paths in all


@dataclass(frozen=True, slots=True)
class Holds:
    """The news that a declaration does not hold as it was made, or that it holds again."""

    time: float
    path: bytes
    reason: Reason
    words: str  # the reason, for a person


@dataclass(frozen=True, slots=True)
class Other:
    """Something of a kind that this program does not know: a daemon of another version may have more."""

    time: float
    kind: str
    document: Object  # as it came


Announcement = Undeclared | Sum | Overflow | Reached | Holds | Other


def news_to_json(news: Announcement) -> Object:
    """Return what the bus carries and `watch --json` prints."""
    if isinstance(news, Other):
        return news.document
    return {"version": f.VERSION, "time": time_to_text(news.time), **_about(news)}


def _about(news: Undeclared | Sum | Overflow | Reached | Holds) -> Object:
    match news:
        case Undeclared():
            return {
                "kind": CRUD,
                **path_fields(news.path),
                "change": news.change,
                "loss": news.loss,
                "bytes": news.size,
                "count": news.count,
                "writer": writer_to_json(news.writer),
            }
        case Sum():
            kind = BOOT if news.boot else MORE
            return {"kind": kind, **path_fields(news.path), "bytes": news.size, "count": news.count}
        case Overflow():
            return {"kind": OVERFLOW, "overflows": news.overflows}
        case Reached():
            return {"kind": LEVEL, "level": news.level, "bytes": news.size, "count": news.count}
        case Holds():
            state = {"state": STATES[news.reason].value, "reason": news.reason.value, "why": news.words}
            return {"kind": DECLARATION, **path_fields(news.path), **state}


def news_from_json(text: str) -> Announcement:
    """Return one piece of news from the daemon, with its time in whole seconds.  Raises ServiceError."""
    return loaded(text.encode("utf-8", "surrogateescape"), "news", _news)


def _news(fields: Object) -> Announcement:
    kind = f.text(fields, "kind")
    return _KINDS.get(kind, _other)(fields)


def _other(fields: Object) -> Other:
    return Other(f.time(fields, "time"), f.text(fields, "kind"), fields)


def _undeclared(fields: Object) -> Undeclared:
    return Undeclared(
        f.time(fields, "time"),
        f.absolute(fields),
        f.one_of(fields, "change", _CHANGES),
        f.one_of(fields, "loss", CLASSES),
        f.number(fields, "bytes"),
        f.number(fields, "count"),
        f.optional(writer, fields, "writer"),
    )


def _sum(fields: Object) -> Sum:
    size, count = f.number(fields, "bytes"), f.number(fields, "count")
    return Sum(f.time(fields, "time"), f.absolute(fields), size, count, fields["kind"] == BOOT)


def _overflow(fields: Object) -> Overflow:
    return Overflow(f.time(fields, "time"), f.number(fields, "overflows"))


def _reached(fields: Object) -> Reached:
    return Reached(
        f.time(fields, "time"), f.text(fields, "level"), f.number(fields, "bytes"), f.number(fields, "count")
    )


def _holds(fields: Object) -> Holds:
    reason = f.one_of(fields, "reason", REASONS)
    return Holds(f.time(fields, "time"), f.absolute(fields), reason, f.text(fields, "why"))


_KINDS: Mapping[str, Callable[[Object], Announcement]] = {
    CRUD: _undeclared,
    MORE: _sum,
    BOOT: _sum,
    OVERFLOW: _overflow,
    LEVEL: _reached,
    DECLARATION: _holds,
}
