"""The presets of the configuration, made of the rules: those that are essential, and each application's own.

`tools/compile-knowledge` writes them where `config` reads them, which knows no rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ...losses import LossClass
from ...model import AdviceKind
from . import trie
from .facts import BY_ITSELF, CRUD, Rule

# What an application cannot go on without; settings come with its package, and logs and caches go.
_OWN = (LossClass.DATABASE, LossClass.SERVICE_STATE, LossClass.SECRET, LossClass.DOCUMENT)
# In a home no package brings settings, and a history is the person's.
_OWN_IN_HOMES = (*_OWN, LossClass.CONFIG, LossClass.HISTORY)

Part = dict[str, object]


def compile(rules: Sequence[Rule]) -> str:
    """Return what `config/presets` reads: the parts of each preset, a line for each."""
    presets: dict[str, list[Part]] = {}
    for rule in rules:
        if rule.essential:
            presets.setdefault(rule.essential, []).append(_part(rule, _paths(rule)))
    applications: dict[str, list[Part]] = {}
    for rule in rules:
        paths = _own_paths(rule)
        if paths:
            name = name_of(rule.application)
            if name not in presets:
                applications.setdefault(name, []).append(_part(rule, paths))
    tables = (("presets", presets), ("applications", applications))
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(table)}" for key, table in tables) + "\n}\n"


def name_of(application: str) -> str:
    """Return the name of the preset of an application."""
    return application.lower().replace(" ", "-")


def _own_paths(rule: Rule) -> list[str]:
    """Return the places of a rule that its application cannot go on without."""
    if not _is_own(rule):
        return []
    return [path for path in _paths(rule) if rule.loss in (_OWN_IN_HOMES if path.startswith("~") else _OWN)]


def _is_own(rule: Rule) -> bool:
    plain = not rule.part and not rule.default and rule.application != BY_ITSELF
    # Neither a mount nor a link holds what programs replace.
    holds = not any(kind == AdviceKind.INTO_BLANK for kind, _ in rule.advice)
    return plain and holds and rule.verdict == CRUD


def _paths(rule: Rule) -> list[str]:
    """Return the places of a rule that a declaration can name, in the system or in a home (~/)."""
    found: Iterable[str] = rule.keeps or rule.paths
    return [path for path in found if path.startswith(("/", "~/")) and not trie.is_wild(path)]


def _part(rule: Rule, paths: list[str]) -> Part:
    return {"application": rule.application, "what": rule.what, "paths": paths, "initrd": rule.initrd}


def _lines(table: dict[str, list[Part]]) -> str:
    lines = (f"{json.dumps(name)}: {json.dumps(parts)}" for name, parts in sorted(table.items()))
    return "{\n" + ",\n".join(lines) + "\n}"
