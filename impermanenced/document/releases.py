"""The documents of `blank --json` and `update --json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..releases.accounts import Names
from ..releases.change import Changed
from ..releases.difference import Differences
from ..releases.listing import Known, Releases
from ..releases.retention import Done, Old, Plan
from ..releases.versions import Package
from ..text import time_to_text, to_text
from .doctor import finding_to_json
from .fields import VERSION, Object, path_fields


def releases_to_json(releases: Releases, known: Iterable[Known] | None = None) -> Object:
    """Return the object with all releases of a volume, or with those that are given."""
    return {
        "version": VERSION,
        "volume": releases.volume.name,
        "releases": [release_to_json(one) for one in (releases.known if known is None else known)],
        "strange": [path_fields(path) for path in releases.strange],
        "broken": list(releases.broken),
    }


def release_to_json(known: Known) -> Object:
    """Return the object of one release."""
    release, place = known.release, known.place
    return {
        "number": known.number,
        "uuid": release.uuid if release is not None else place.uuid if place is not None else None,
        **(path_fields(place.path) if place is not None else {"path": None}),
        "time": None if release is None else time_to_text(release.time),
        "made_by": None if release is None else release.maker,
        "words": None if release is None else to_text(release.words.encode()),
        "base": None if release is None else release.base,
        "manifest": None if release is None else release.manifest,
        "files": None if release is None else release.files,
        "bytes": None if release is None else release.size,
        "current": known.current,
        "before": known.before,
        "failed": known.failed,
        "written": known.written,
        "boots": known.boots,
        "good": known.good,
    }


def difference_to_json(found: Differences) -> Object:
    """Return the object of what one release has and another has not."""
    return {
        "version": VERSION,
        "packages": packages_to_json(found.packages),
        "paths": [
            {**path_fields(one.path), "type": one.type, "change": one.change, "letters": one.letters}
            for one in found.paths
        ],
        "note": found.note,
    }


def packages_to_json(packages: Iterable[Package]) -> list[Object]:
    """Return the objects of packages that differ."""
    return [{"name": one.name, "before": one.before, "after": one.after} for one in packages]


def verification_to_json(
    known: Known, faults: Sequence[str], paths: Sequence[bytes], *, content: bool
) -> Object:
    """Return the object of what `verify` has found."""
    return {
        "version": VERSION,
        "release": release_to_json(known),
        "content": content,
        "whole": not faults and not paths,
        "faults": list(faults),
        "paths": [path_fields(path) for path in paths],
    }


def change_to_json(done: Changed, notes: Sequence[str] = ()) -> Object:
    """Return the object of a change of the blank; its release is null if nothing was changed."""
    note = done.along.note
    return {
        "version": VERSION,
        "release": None if done.release is None else release_to_json(done.release),
        "before": release_to_json(done.before),
        "findings": [finding_to_json(one) for one in done.findings],
        "brought": [path_fields(path) for path in done.along.brought.paths],
        "removed": [path_fields(path) for path in done.along.brought.removed],
        "kernel": done.along.kernel,
        "notes": [*notes, *([] if note is None else [note])],
    }


def accounts_to_json(names: Names, done: Changed | None) -> Object:
    """Return the object of whose accounts differ from the blank's, and of the release that has them; None:
    there is none.
    """
    return {
        "version": VERSION,
        "accounts": [
            {**path_fields(path), "names": [to_text(name) for name in found]} for path, found in names.items()
        ],
        "change": None if done is None else change_to_json(done),
    }


def retention_to_json(plan: Plan, done: Done | None) -> Object:
    """Return the object of which releases would go or went, and which stay and why; `done` is None if nothing
    was done.
    """

    def old_to_json(old: Old) -> Object:
        return {"number": old.number, "volume": old.volume.name, **path_fields(old.place.path)}

    return {
        "go": [old_to_json(old) for old in plan.go],
        "stay": [{**old_to_json(old), "reason": why} for old, why in plan.stay],
        "deleted": [old_to_json(old) for old in done.gone] if done else [],
        "failed": [{**old_to_json(old), "reason": why} for old, why in done.failed] if done else [],
    }
