"""The report as the bus carries it: every field is written and read back.

Precision.  A document has times in whole seconds, rounded down, as RFC 3339 in local time with its offset,
and so has a report that was read from one.  Nobody reads fractions in a list of losses, and text that changes
with each look cannot be compared.  A time outside the years 1 to 9999, which a file may carry, becomes 1970.
Everything else comes back as it was, byte by byte.

The public documents (`status`) leave out what only the reader at the other end of the bus needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..lazy import regex
from ..losses import CLASSES, LossClass
from ..model import (
    Advice,
    AdviceKind,
    Change,
    Decision,
    Difference,
    Entry,
    FileType,
    Forecast,
    Others,
    Report,
    Spared,
    Unlisted,
    Verdict,
    Volume,
    Writer,
)
from ..text import time_to_text
from . import fields as f
from .fields import Misfit, Object, dump, loaded, path_fields

_TYPES: Mapping[str, FileType] = {one.value: one for one in FileType}
_CHANGES: Mapping[str, Change] = {one.value: one for one in Change}
_VERDICTS: Mapping[str, Verdict] = {one.value: one for one in Verdict}
_ADVICE: Mapping[str, AdviceKind] = {one.value: one for one in AdviceKind}
_SPARED: Mapping[str, Spared] = {one.value: one for one in Spared}
_LETTERS = regex(r"[-+ct.][p.][u.][g.][x.][a.][m.]")


# Written


def writer_to_json(writer: Writer | None) -> Object | None:
    """Return the object of a writer, or None."""
    if writer is None:
        return None
    return {
        "unit": f.escaped(writer.unit),
        "kind": writer.kind,
        "exe": f.escaped(writer.exe),
        "comm": f.escaped(writer.comm),
        "pid": writer.pid,
        "uid": writer.uid,
        "first": time_to_text(writer.first),
        "last": time_to_text(writer.last),
    }


def entry_to_json(entry: Entry) -> Object:
    """Return the public fields of an entry."""
    difference = entry.difference
    return {
        "volume": entry.volume,
        **path_fields(difference.path),
        "type": difference.type,
        "change": difference.change,
        "size": difference.size,
        "allocated": difference.held,
        "uid": difference.uid,
        "gid": difference.gid,
        "mode": f"{difference.mode:04o}",
        "mtime": time_to_text(difference.mtime // 10**9),
        "ctime": time_to_text(difference.ctime // 10**9) if difference.ctime else None,
        "letters": difference.letters,
        "verdict": entry.verdict,
        "loss": entry.loss,
        "rule": entry.rule,
        "writer": writer_to_json(entry.writer),
        "score": entry.score,
        "application": entry.application,
        "state_of": f.escaped(entry.unit),
        "package": entry.package,
        **path_fields(entry.group, "group"),
        "lost": entry.lost,
        "because": list(entry.because),
        "advice": [{"kind": kind, "argument": argument} for kind, argument in entry.advice],
    }


def report_to_json(report: Report) -> Object:
    """Return the whole document as one object."""
    return {**whole_head_to_json(report), "entries": [whole_entry_to_json(entry) for entry in report.entries]}


def whole_entry_to_json(entry: Entry) -> Object:
    """Return all fields of an entry."""
    difference = entry.difference
    return {
        **entry_to_json(entry),
        "inode": difference.inode,
        **(path_fields(difference.target, "target") if difference.target is not None else {"target": None}),
        "subvolume": difference.subvolume,
        "hidden": entry.hidden,
        "unpushed": entry.unpushed,
        "bookkeeping": entry.bookkeeping,
    }


def volume_to_json(volume: Volume) -> Object:
    """Return the public fields of a volume."""
    return {
        "name": volume.name,
        **path_fields(volume.mountpoint, "mountpoint"),
        **path_fields(volume.subvolume, "subvolume"),
        **(path_fields(volume.blank, "blank") if volume.blank is not None else {"blank": None}),
    }


def _whole_volume_to_json(volume: Volume) -> Object:
    return {
        **volume_to_json(volume),
        **path_fields(volume.path),
        "root_id": volume.root_id,
        "blank_id": volume.blank_id,
    }


def head_to_json(report: Report) -> Object:
    """Return the fields of a report but its volumes and entries."""
    head: Object = {
        "version": f.VERSION,
        "complete": report.complete,
        "watching_since": time_to_text(report.watching_since),
        "gaps": [[time_to_text(begin), time_to_text(end)] for begin, end in report.gaps],
        "overflows": report.overflows,
        "settled": time_to_text(report.settled),
        "notes": list(report.notes),
        "faults": list(report.faults),
    }
    if report.curtailed:
        head["curtailed"] = report.curtailed
    if report.forecast is not None:
        head["next_boot"] = forecast_to_json(report.forecast)
    if report.others is not None:
        head["others"] = {"entries": report.others.entries, "bytes": report.others.size}
    if report.unlisted:
        head["unlisted"] = [
            {"loss": one.loss, "paths": one.paths, "bytes": one.size} for one in report.unlisted
        ]
    return head


def forecast_to_json(forecast: Forecast) -> Object:
    """Return the object of a forecast."""
    decision = forecast.decision
    return {
        "action": decision.action,
        "boot": decision.boot,
        "reason": decision.why or None,
        "reason_code": decision.code,
        "advice": decision.advice,
        "spared": forecast.spared,
    }


def whole_head_to_json(report: Report) -> Object:
    """Return all that a report says besides its entries."""
    return {**head_to_json(report), "volumes": [_whole_volume_to_json(volume) for volume in report.volumes]}


def report_pieces(report: Report) -> Iterator[str]:
    """Yield the text of the whole document, piece by piece, so that no large one has to be held."""
    yield dump(whole_head_to_json(report)).removesuffix("}") + ', "entries": ['
    for number, entry in enumerate(report.entries):
        yield (",\n" if number else "") + dump(whole_entry_to_json(entry))
    yield "]}"


# Read


def report_from_json(content: bytes) -> Report:
    """Return the report that `report_pieces` wrote.  Raises ServiceError, which says what is wrong
    and where.

    Every field has to be there, with its type and in its range; unknown keys are ignored.
    """
    return loaded(content, "report", _report)


def _report(fields: Object) -> Report:
    volumes = f.each(fields, "volumes", _volume)
    if not volumes:
        raise Misfit("volumes", "there is none")
    names = {volume.name for volume in volumes}
    entries = f.each(fields, "entries", _entry)
    for place, entry in enumerate(entries):
        if entry.volume not in names:
            raise Misfit(f"entries[{place}].volume", "is not the name of one of the volumes")
    return head_from_json(fields)._replace(volumes=volumes, entries=entries)


def head_from_json(fields: Object) -> Report:
    """Return the report that `head_to_json` wrote, without volumes and entries."""
    return Report(
        complete=f.flag(fields, "complete"),
        watching_since=f.optional(f.time, fields, "watching_since"),
        overflows=f.number(fields, "overflows"),
        volumes=(),
        entries=(),
        gaps=tuple(_gaps(fields)),
        settled=f.optional(f.time, fields, "settled"),
        notes=f.texts(fields, "notes"),
        others=f.inside(fields, "others", _others) if "others" in fields else None,
        faults=f.texts(fields, "faults") if "faults" in fields else (),
        forecast=f.inside(fields, "next_boot", _forecast) if "next_boot" in fields else None,
        unlisted=f.each(fields, "unlisted", _unlisted) if "unlisted" in fields else (),
        curtailed=f.number(fields, "curtailed") if "curtailed" in fields else 0,
    )


def _gaps(fields: Object) -> Iterator[tuple[float, float]]:
    for place, gap in enumerate(f.items(fields, "gaps")):
        if type(gap) is not list or len(gap) != 2:
            raise Misfit(f"gaps[{place}]", "is not a pair of times")
        ends: Object = {"[0]": gap[0], "[1]": gap[1]}
        try:
            yield f.time(ends, "[0]"), f.time(ends, "[1]")
        except Misfit as error:
            raise error.below(f"gaps[{place}]") from None


def _forecast(fields: Object) -> Forecast:
    decision = Decision(
        f.text(fields, "action"),
        f.optional(f.number, fields, "boot"),
        f.optional(f.text, fields, "reason") or "",
        f.optional(f.text, fields, "reason_code"),
        f.optional(f.text, fields, "advice"),
    )
    return Forecast(decision, f.optional(_spared, fields, "spared"))


def _spared(fields: Object, key: str) -> Spared:
    return f.one_of(fields, key, _SPARED)


def _others(fields: Object) -> Others:
    return Others(f.number(fields, "entries"), f.number(fields, "bytes"))


def _unlisted(fields: Object) -> Unlisted:
    return Unlisted(_loss(fields, "loss"), f.number(fields, "paths"), f.number(fields, "bytes"))


def _volume(fields: Object) -> Volume:
    return Volume(
        name=f.text(fields, "name"),
        mountpoint=f.absolute(fields, "mountpoint"),
        path=f.absolute(fields),
        subvolume=f.path(fields, "subvolume"),
        root_id=f.number(fields, "root_id"),
        blank=f.optional(f.path, fields, "blank"),
        blank_id=f.optional(f.number, fields, "blank_id"),
    )


def _entry(fields: Object) -> Entry:
    return Entry(
        f.text(fields, "volume"),
        _difference(fields),
        f.one_of(fields, "verdict", _VERDICTS),
        f.text(fields, "rule"),
        f.optional(_loss, fields, "loss"),
        f.optional(writer, fields, "writer"),
        f.number(fields, "score", 100),
        f.text(fields, "application"),
        f.octets(fields, "state_of").decode("utf-8", "surrogateescape"),
        f.text(fields, "package"),
        f.path(fields, "group"),
        f.number(fields, "lost"),
        f.texts(fields, "because"),
        f.each(fields, "advice", _advice),
        f.flag(fields, "hidden"),
        f.text(fields, "unpushed"),
        f.flag(fields, "bookkeeping"),
    )


def _difference(fields: Object) -> Difference:
    letters = f.text(fields, "letters")
    if not _LETTERS.fullmatch(letters):
        raise Misfit("letters", f"{letters[:20]!a} are not the seven letters of a change")
    size = f.number(fields, "size")
    allocated = f.number(fields, "allocated") if "allocated" in fields else size
    return Difference(
        f.absolute(fields),
        f.one_of(fields, "type", _TYPES),
        f.one_of(fields, "change", _CHANGES),
        letters,
        f.number(fields, "inode"),
        size,
        f.uid(fields, "uid"),
        f.uid(fields, "gid"),
        f.mode(fields, "mode"),
        f.time(fields, "mtime") * 10**9,
        f.optional(f.path, fields, "target"),
        f.optional(f.number, fields, "subvolume"),
        (f.optional(f.time, fields, "ctime") or 0) * 10**9,
        None if allocated == size else allocated,
    )


def _loss(fields: Object, key: str) -> LossClass:
    return f.one_of(fields, key, CLASSES)


def writer(fields: Object, key: str) -> Writer:
    """Return the writer that `writer_to_json` wrote."""
    return f.inside(fields, key, _writer)


def _writer(fields: Object) -> Writer:
    return Writer(
        f.octets(fields, "unit").decode("utf-8", "surrogateescape"),
        f.octets(fields, "exe"),
        f.octets(fields, "comm"),
        f.number(fields, "pid"),
        f.optional(f.uid, fields, "uid"),
        f.time(fields, "first"),
        f.time(fields, "last"),
        f.text(fields, "kind"),
    )


def _advice(fields: Object) -> Advice:
    return Advice(f.one_of(fields, "kind", _ADVICE), f.text(fields, "argument"))
