"""The documents about declarations: their states, and the paths that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config.placement import INITRD, SYSTEM
from ..keep.state import Declared, Reason
from . import fields as f
from .fields import VERSION, Object, path_fields

REASONS: Mapping[str, Reason] = {one.value: one for one in Reason}


def states_to_json(found: Sequence[Declared]) -> Object:
    """Return what the bus carries: the state of each declaration."""
    return {"version": VERSION, "declarations": [declared_to_json(one) for one in found]}


def declared_to_json(one: Declared) -> Object:
    """Return the object of one declaration."""
    return {
        **path_fields(one.path),
        **path_fields(one.source, "source"),
        **path_fields(one.persist, "persist"),
        "directory": one.directory,
        "method": one.method,
        "phase": INITRD if one.early else SYSTEM,
        "declared_by": one.by,
        "state": one.state.value,
        "reason": one.reason.value,
        "why": one.words,
        "hint": one.hint,
        "commands": list(one.commands),
        "kept": one.kept,
    }


def states_from_json(content: bytes) -> list[Declared]:
    """Return the states that the daemon answers with.  Raises ServiceError."""
    return f.loaded(content, "list of declarations", _states)


def _states(fields: Object) -> list[Declared]:
    return list(f.each(fields, "declarations", _declared))


def _declared(fields: Object) -> Declared:
    return Declared(
        path=f.absolute(fields),
        source=f.absolute(fields, "source"),
        directory=f.flag(fields, "directory"),
        persist=f.absolute(fields, "persist"),
        method=f.text(fields, "method"),
        early=f.one_of(fields, "phase", {INITRD: True, SYSTEM: False}),
        by=f.text(fields, "declared_by"),
        reason=f.one_of(fields, "reason", REASONS),
        words=f.text(fields, "why"),
        hint=f.text(fields, "hint"),
        commands=f.texts(fields, "commands"),
        kept=f.flag(fields, "kept"),
    )


def persisted_to_json(kept: Sequence[bytes], found: Sequence[Declared]) -> Object:
    """Return the document of `persisted --json`: the paths that are kept, and the declarations that keep
    nothing.
    """
    return {
        "version": VERSION,
        "paths": [path_fields(path) for path in kept],
        "not_kept": [declared_to_json(one) for one in found if not one.kept],
    }
