"""The boots and the request for the next one: documents, and their text."""

from __future__ import annotations

import datetime
import textwrap
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...boots import outcome
from ...boots.history import Boot, History
from ...boots.outcome import Trouble
from ...boots.records import EndRecord, NextRequest
from ...boots.requests import Pending
from ...text import JSON_VERSION, path_fields, size_to_text, time_to_text, to_text
from .. import wording

UNDO = "impermanence next cancel"
_WHEN = 17
_KERNEL = 14
_INDENT = " " * 8


def document(
    history: History, request: Pending | None, sizes: Mapping[bytes, int] | None = None
) -> dict[str, Any]:
    """`sizes`: what old roots hold, by path."""
    return {
        "version": JSON_VERSION,
        "hold": history.hold,
        "next": None if request is None else request_document(request),
        "boots": [_boot(boot, sizes or {}) for boot in history.boots],
    }


def request_document(pending: Pending) -> dict[str, Any]:
    request = pending.request
    return {
        "action": None if request is None else request.action,
        "boot": None if request is None else request.boot,
        "boots": None if request is None else request.boots,
        "asked": time_to_text(pending.time),
        "fault": pending.fault,
    }


def _boot(boot: Boot, sizes: Mapping[bytes, int]) -> dict[str, Any]:
    record = boot.record
    return {
        "number": boot.number,
        "boot_id": boot.boot_id,
        "time": time_to_text(boot.time),
        "kernel": record.release if record else None,
        "action": record.action if record else None,
        "reason": to_text(record.reason.encode()) if record else None,
        "booted": record.boot if record else None,
        "hold": record.hold if record else False,
        "ended": boot.ended,
        "last_entry": time_to_text(boot.last_entry),
        "shutdown": boot.shutdown,
        "left": _left(boot.left),
        "kept_by": boot.went_on,
        "old_roots": [
            {
                **path_fields(root.path),
                "volume": root.volume,
                "there": root.there,
                "bytes": sizes.get(root.path),
            }
            for root in boot.old_roots
        ],
        "fault": boot.fault,
    }


def _left(end: EndRecord | None) -> dict[str, Any] | None:
    return None if end is None else {"paths": end.crud, "bytes": end.size, "complete": end.complete}


def boots(found: Mapping[str, Any], *, columns: int, now: float) -> str:
    """Of `document`: a line a boot, and what needs words below it."""
    if not found["boots"]:
        return "no boot yet: the first one with the hook in the initrd makes the first record\n"
    kernel = max(6, min(_KERNEL, max(len(boot["kernel"] or "") for boot in found["boots"])))
    head = f"  {'boot':>4}  {'when':<{_WHEN}}{'kernel':<{kernel}}  {'ended':<7}  {'rollback':<10}  old root"
    lines = [head.rstrip()]
    for boot in found["boots"]:
        left = f"  {_number(boot):>4}  {_when(boot['time'], now):<{_WHEN}}"
        if boot["number"] is not None or boot["action"]:
            left += (
                f"{wording.cut(boot['kernel'] or '-', kernel):<{kernel}}  {_ended(boot):<7}  "
                f"{_rollback(boot):<10}  "
            )
        roots = list(_old_roots(boot)) or ["-"]
        room = max(columns - len(left), 12)
        lines.append(left + wording.cut(roots[0], room))
        lines += [" " * len(left) + wording.cut(root, room) for root in roots[1:]]
        for remark in _remarks(boot):
            lines += textwrap.wrap(
                remark,
                max(columns, 40),
                initial_indent=_INDENT,
                subsequent_indent=_INDENT + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    lines += ["", *notices(found, now), "Back into an old root:  impermanence next boot N"]
    return "\n".join(lines) + "\n"


def _number(boot: Mapping[str, Any]) -> str:
    return "-" if boot["number"] is None else str(boot["number"])


def _when(text: str | None, now: float) -> str:
    if text is None:
        return "-"
    then = datetime.datetime.fromisoformat(text).astimezone()
    days = (datetime.datetime.fromtimestamp(now).astimezone().date() - then.date()).days
    if days in (0, 1):
        return then.strftime("today %H:%M" if days == 0 else "yesterday %H:%M")
    return then.strftime("%a %H:%M" if 0 < days < 7 else "%Y-%m-%d %H:%M")


def _ended(boot: Mapping[str, Any]) -> str:
    """How it ended; before that, that it did not complete, and else what is known of it."""
    if boot["ended"] in ("running", "bad"):
        return str(boot["ended"])
    return str(boot["shutdown"] or boot["ended"])


def _rollback(boot: Mapping[str, Any]) -> str:
    if boot["fault"]:
        return "?"
    if boot["booted"] is not None:
        return f"booted {boot['booted']}"
    return boot["action"] or "-"


def _old_roots(boot: Mapping[str, Any]) -> Iterator[str]:
    if boot["kept_by"] is not None:
        yield f"kept by boot {boot['kept_by']}"
    for root in boot["old_roots"]:
        size = "" if root["bytes"] is None else f"{size_to_text(root['bytes']):>9}  "
        yield size + root["path"] if root["there"] else "gone"


def _remarks(boot: Mapping[str, Any]) -> Iterator[str]:
    if boot["fault"]:
        yield f"the record cannot be understood: {boot['fault']}"
    if boot["reason"]:
        yield f"{boot['action']}: {boot['reason']}"
    if boot["old_roots"] and boot["left"] and boot["left"]["paths"]:
        yield _lost(boot["left"])
    if boot["hold"]:
        yield "held: wiping pauses"


def _lost(left: Mapping[str, Any]) -> str:
    least = "" if left["complete"] else "at least "
    paths = "1 path" if left["paths"] == 1 else f"{left['paths']:,} paths"
    return f"lost {least}{paths} that nothing declared, {size_to_text(left['bytes'])}"


# What waits for the next boot


def notices(found: Mapping[str, Any], now: float) -> Iterator[str]:
    """What `status` and `boots` have to say of the next boot, if anything."""
    if found["hold"]:
        yield hold()
    if found["next"] is not None:
        yield pending(found["next"], now)


def hold() -> str:
    return (
        "wiping pauses: boots did not complete, and the last good root is held.\n"
        "  To go on, once the blank is mended:  impermanence next wipe"
    )


def trouble_line(found: Trouble) -> str:
    """What and since when; without control characters, whatever the hook said."""
    reason = to_text(found.reason.encode())
    since = f" since {_moment(found.since)}" if found.since else ""
    if found.kind == outcome.HELD:
        return f"wiping pauses{since}, after boots that did not complete: the last good root is held"
    row = f" for {found.boots:,} boots in a row{since}" if found.boots > 1 else since
    how = {
        outcome.REFUSED: "refused",
        outcome.FAILED: "failed",
        outcome.DIED: "broke off",
        outcome.ABSENT: "did not run",
    }[found.kind]
    return f"not rolled back{row}: the rollback {how}, {reason}"


def login_line(found: Trouble) -> str:
    """One line for every login: what, since when, what to do."""
    return f"impermanence: {trouble_line(found)}. {remedy(found)}"


def remedy(found: Trouble) -> str:
    if found.kind == outcome.HELD:
        return "Mend the blank, then: impermanence next wipe"
    if found.image:
        # This boot has written to the filesystems that the image believes it knows.
        return "Do not resume it any more: mkswap, or boot once with noresume"
    if found.kind == outcome.ABSENT:
        return "Nothing is lost. Build the initrd anew, with the hook in it"
    return "Nothing is lost. See: impermanence boots"


def not_rolled_back(found: Trouble) -> str:
    """For `status`."""
    return f"{trouble_line(found)}.\n  {remedy(found)}"


def _moment(seconds: int) -> str:
    return time.strftime("%a %Y-%m-%d %H:%M", time.localtime(seconds))


def pending(request: Mapping[str, Any], now: float) -> str:
    if request["fault"]:
        what = f"next: cannot be understood, and the hook will not wipe:\n  {request['fault']}"
        return f"{what}\n  Remove it:  {UNDO}"
    asked = wording.age(wording.seconds(request["asked"]), now)
    return f"next: {_short(request)}, asked for {asked}  (undo: {UNDO})"


def _short(request: Mapping[str, Any]) -> str:
    if request["action"] == "boot":
        return f"boot {request['boot']}"
    return f"{request['action']}{_times(request['boots'])}"


def _times(boots: int) -> str:
    return f" for {boots:,} boots" if boots > 1 else ""


def asked(request: NextRequest, before: Pending | None, *, dry_run: bool, trial: bool) -> str:
    """What a request will do, what it takes the place of, and how to undo it."""
    would = "would ask, without --dry-run: " if dry_run else ""
    lines = [f"{would}{_sentence(request)}"]
    if before is not None:
        what = _short(request_document(before)) if before.request else "a request that cannot be understood"
        lines.append(f"in place of: {what}")
    if trial and request.action == "wipe":
        lines.append("but this is a trial: nothing is wiped while rollback.wipe is false")
    if not dry_run:
        lines.append(f"undo: {UNDO}")
    return "\n".join(lines) + "\n"


def _sentence(request: NextRequest) -> str:
    if request.action == "keep":
        return f"the next {f'{request.boots:,} boots keep' if request.boots > 1 else 'boot keeps'} the root"
    if request.action == "boot":
        return f"the next boot gets a copy of old root {request.boot}; the running root is archived"
    return "the next boot wipes"


def nothing_asked(*, hold: bool, trial: bool) -> str:
    if hold:
        usual = "keeps the root: it is held since boots in a row did not complete (impermanence next wipe)"
    elif trial:
        usual = "keeps the root: this is a trial (rollback.wipe is false)"
    else:
        usual = "wipes"
    return f"nothing is asked for: the next boot {usual}\n"


def cancelled(before: Pending | None, *, dry_run: bool) -> str:
    if before is None:
        return "nothing was asked for: nothing to cancel\n"
    what = _short(request_document(before)) if before.request else "a request that cannot be understood"
    again = f"impermanence next {_words(before.request)}" if before.request else ""
    head = f"{'would cancel' if dry_run else 'cancelled'}: {what}"
    return head + (f"\nundo: {again}\n" if again and not dry_run else "\n")


def _words(request: NextRequest) -> str:
    if request.action == "boot":
        return f"boot {request.boot}"
    return request.action + (f" --boots {request.boots}" if request.boots > 1 else "")
