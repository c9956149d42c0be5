"""The document of `boots --json`, which is also the bus's answer to Boots."""

from __future__ import annotations

from collections.abc import Mapping

from ..boots.history import Boot
from ..boots.listing import Listing, lasted
from ..boots.records import EndRecord
from ..boots.requests import Pending
from ..report.visible import LEAST_COUNT, LEAST_SIZE, blurred
from ..text import time_to_text, to_text
from .fields import VERSION, Object, path_fields


def boots_to_json(listing: Listing, *, exact: bool = True) -> Object:
    """Return the boots and the request for the next one; sums of what belongs to others need not be exact."""
    request = listing.request
    return {
        "version": VERSION,
        "hold": listing.history.hold,
        "next": None if request is None else _request_to_json(request),
        "boots": [_boot_to_json(boot, listing.sizes, exact=exact) for boot in listing.history.boots],
    }


def _request_to_json(pending: Pending) -> Object:
    request = pending.request
    return {
        "action": None if request is None else request.action,
        "boot": None if request is None else request.boot,
        "boots": None if request is None else request.boots,
        "asked": time_to_text(pending.time),
        "fault": pending.fault,
    }


def _boot_to_json(boot: Boot, sizes: Mapping[bytes, int], *, exact: bool) -> Object:
    record = boot.record
    return {
        "number": boot.number,
        "boot_id": boot.boot_id,
        "time": time_to_text(boot.time),
        "kernel": record.release if record else None,
        "action": record.action if record else None,
        "reason": to_text(record.reason.encode()) if record else None,
        "reason_code": record.reason_code if record else None,
        "booted": record.boot if record and record.action == "booted" else None,
        "hold": record.hold if record else False,
        "ended": boot.ended,
        "last_entry": time_to_text(boot.last_entry),
        "shutdown": boot.shutdown,
        "seconds": None if (seconds := lasted(boot)) is None else int(seconds),
        "left": _left_to_json(boot.left, exact=exact),
        "pinned": boot.pinned,
        "reviewed": boot.reviewed,
        "from": _from(boot),
        "kept_by": boot.went_on,
        "old_roots": [
            {
                **path_fields(root.path),
                "volume": root.volume,
                "there": root.there,
                "waits_in": None if root.waits is None else to_text(root.waits),
                "bytes": sizes.get(root.path),
            }
            for root in boot.old_roots
        ],
        "fault": boot.fault,
    }


def _left_to_json(end: EndRecord | None, *, exact: bool) -> Object | None:
    if end is None:
        return None
    paths, size = end.crud, end.size
    if not exact:
        paths, size = blurred(paths, LEAST_COUNT), blurred(size, LEAST_SIZE)
    worst = end.worst if exact else None  # it may be another user's
    return {"paths": paths, "bytes": size, "complete": end.complete, "worst": worst}


def _from(boot: Boot) -> list[Object]:
    """Return what the volumes of a boot were made from, by the hook's record."""
    return [
        {"volume": one.name, **path_fields(one.source), "uuid": one.source_uuid}
        for one in (boot.record.volumes if boot.record else ())
        if one.source is not None
    ]
