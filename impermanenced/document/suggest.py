"""The document of `suggest --json`."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Advice
from ..report.suggest import Remedy, Suggestion, Wanted
from .fields import VERSION, Object, path_fields


def suggestion_to_json(suggestion: Suggestion, persist: bytes) -> Object:
    """Return the object; `persist` is the path of the persist volume of new declarations."""
    return {
        "version": VERSION,
        **path_fields(persist, "persist"),
        "losses": suggestion.losses,
        "covered": suggestion.covered,
        "declarations": [_declaration_to_json(one) for one in suggestion.wanted],
        "uncovered": [_remedy_to_json(remedy) for remedy in suggestion.remedies],
    }


def _declaration_to_json(one: Wanted) -> Object:
    return {
        **path_fields(one.path),
        "directory": one.directory,
        **path_fields(one.persist, "persist"),
        "home_of": one.user,
        "user": one.own.user,
        "group": one.own.group,
        "mode": one.own.mode,
        "parent": {"user": one.parent.user, "group": one.parent.group, "mode": one.parent.mode},
        "method": one.method,
        "declared": one.declared,
        "better": [_advice_to_json(ways) for ways in one.instead],
        "why": one.why,
        "paths": one.count,
        "size": one.size,
    }


def _remedy_to_json(remedy: Remedy) -> Object:
    return {
        "kind": remedy.kind,
        "advice": _advice_to_json(remedy.advice),
        "package": remedy.package or None,
        "paths": [path_fields(path) for path in remedy.paths],
    }


def _advice_to_json(ways: Iterable[Advice]) -> list[Object]:
    return [{"kind": kind.value, "argument": argument} for kind, argument in ways]
