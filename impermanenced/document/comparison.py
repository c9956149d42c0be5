"""The document of `diff -b --json`: what two moments differ in."""

from __future__ import annotations

from collections.abc import Sequence

from ..boots.compared import Compared, Moments
from ..boots.moments import Moment, Root
from ..drift.moves import Move
from ..model import Difference
from ..text import time_to_text
from .fields import VERSION, Object, path_fields


def comparison_to_json(between: Moments, found: Sequence[Object]) -> Object:
    """Return the object; `found` are those of the volumes, of `volume_to_json`."""
    return {
        "version": VERSION,
        "from": moment_to_json(between.was),
        "to": moment_to_json(between.now),
        "volumes": list(found),
    }


def moment_to_json(moment: Moment) -> Object:
    """Return the object of a moment."""
    boot = moment.boot
    return {
        "name": moment.name,
        "boot": None if boot is None else boot.number,
        "boot_id": None if boot is None else boot.boot_id,
        "time": None if boot is None else time_to_text(boot.time),
    }


def volume_to_json(
    compared: Compared,
    differences: Sequence[Difference],
    moves: Sequence[Move],
    was_sizes: Sequence[int | None],
) -> Object:
    """Return the object of one volume; `was_sizes` are in the order of the differences."""
    return {
        "name": compared.volume.name,
        "from": _root_to_json(compared.was),
        "to": _root_to_json(compared.now),
        "complete": compared.comparison.complete,
        "moves": [
            {
                **path_fields(one.old, "old"),
                **path_fields(one.new, "new"),
                "type": one.type.value,
                "size": one.size,
            }
            for one in moves
        ],
        "differences": [
            difference_to_json(one, size) for one, size in zip(differences, was_sizes, strict=True)
        ],
    }


def _root_to_json(root: Root | None) -> Object | None:
    return None if root is None else {**path_fields(root.path), "subvolume": root.id}


def difference_to_json(difference: Difference, was_size: int | None) -> Object:
    """Return the object of one difference; `was_size` is what the earlier moment has there, if anything."""
    return {
        **path_fields(difference.path),
        "type": difference.type.value,
        "change": difference.change.value,
        "letters": difference.letters,
        "size": difference.size,
        "was_size": was_size,
        "allocated": difference.held,
        "uid": difference.uid,
        "gid": difference.gid,
        "mode": f"{difference.mode:04o}",
        "mtime": time_to_text(difference.mtime // 10**9),
    }
