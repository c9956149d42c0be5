"""Mistakes in rule files beyond their form: rules that can never decide, and rules without an argument."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...model import FileType
from . import files, parse
from .facts import CRUD, Rule
from .lookup import Knowledge

ALICE = "/home/alice"


def examine(directory: bytes) -> tuple[list[Rule], list[str]]:
    """Return the rules of a directory's files, and a line for each mistake in them."""
    rules: list[Rule] = []
    problems: list[str] = []
    for name in sorted(os.listdir(directory)):
        if name.endswith(b".toml"):
            try:
                rules += files.read(os.path.join(directory, name), trusted=True)
            except parse.Malformed as error:
                problems += error.problems
    return rules, problems + examine_rules(rules)


def examine_rules(rules: Sequence[Rule]) -> list[str]:
    """Return a line for each mistake in these rules."""
    knowledge = Knowledge(rules)
    problems = _twice(rules)
    for rule in rules:
        place = f"{rule.file}: line {rule.line}: {rule.application}"
        if not rule.documented:
            problems.append(f"{place}: documented is missing: where does it say so?")
        if not rule.examples:
            problems.append(f"{place}: examples are missing")
        for example in rule.examples:
            path, type = example_of(example)
            decides, name = knowledge.rules_of(path, type)
            if rule.names:
                decides = name
            if decides is None:
                problems.append(f"{place}: {example}: no rule matches this example")
            elif decides is not rule:
                other = f"{decides.file}: line {decides.line}: {decides.application}"
                problems.append(f"{place}: {example}: another rule decides ({other})")
            elif name is not None and name.verdict != rule.verdict == CRUD:
                problems.append(f"{place}: {example}: no loss by its name ({name.file}: line {name.line})")
            elif rule.part and _stands_alone(knowledge, rule, path, type):
                problems.append(f"{place}: {example}: a part of nothing: no rule names what is around it")
    return problems


def example_of(text: str) -> tuple[bytes, FileType]:
    """Return the path of an example, in the home of Alice, and its type: a directory's ends with a slash."""
    path = ALICE + text[1:] if text.startswith("~/") else text
    type = FileType.DIRECTORY if path.endswith("/") else FileType.FILE
    return path.rstrip("/").encode(), type


def _stands_alone(knowledge: Knowledge, rule: Rule, path: bytes, type: FileType) -> bool:
    fact = knowledge.of(path, type)
    root = fact.root if fact is not None else path
    return root == path or knowledge.rules_of(root, FileType.DIRECTORY)[0] is rule


def _twice(rules: Sequence[Rule]) -> list[str]:
    """Return a line for each pattern that two rules have: the first of them never decides."""
    seen: dict[str, Rule] = {}
    problems = []
    for rule in rules:
        for text in (*rule.paths, *rule.names):
            other = seen.setdefault(text, rule)
            if other is not rule:
                problems.append(
                    f"{other.file}: line {other.line}: {other.application}: {text} is shadowed by "
                    f"{rule.file}: line {rule.line}: {rule.application}"
                )
    return problems
