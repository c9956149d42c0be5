"""A word shown to people is never a type tag: nothing in the program is decided by the text of a sentence.

What tells one case from another is an enum, a code or a field, so that any sentence can be written anew.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import impermanenced

ROOT = Path(impermanenced.__file__).parent
SEARCHES = {
    "startswith", "endswith", "removeprefix", "removesuffix", "find", "rfind", "index", "count", "partition",
    "rpartition", "split", "replace", "match", "fullmatch", "search",
}  # fmt: skip
# Fields and attributes that hold sentences.
SENTENCES = {"because", "hint", "message", "reason", "rule", "strerror", "unpushed", "what", "why", "words"}
# Formats of others, whose texts are what they are.
FORMATS = {
    "report/appraisal/git.py": {"ref: refs/heads/"},  # .git/HEAD
    "report/providers/dpkg.py": {"\nAuto-Installed: 1"},  # apt's extended_states
    "bus/client.py": {"\nhint: ", "GDBus.Error:  : "},  # how an error of ours goes over the bus
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def is_sentence(text: str) -> bool:
    """Whether somebody would read it: at least two words."""
    return len(re.findall(r"[A-Za-z]{2,}", text)) > 1 and " " in text.strip()


def text_of(node: ast.expr) -> str:
    """The literal, or the literal parts of an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        return node.value if isinstance(node.value, str) else node.value.decode("latin-1")
    if isinstance(node, ast.JoinedStr):
        return " ".join(text_of(part) for part in node.values)
    return ""


def assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names of a module, each with its value."""
    for node in module.body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            yield name_of(node.target), node.value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    yield from zip(map(name_of, target.elts), node.value.elts, strict=True)
                else:
                    yield name_of(target), node.value


def constants() -> set[str]:
    """The names that stand for a sentence, wherever they are defined."""
    values = [pair for _, module in modules() for pair in assigned(module)]
    others = {name for name, value in values if not is_sentence(text_of(value))}
    return {name for name, value in values if is_sentence(text_of(value))} - others


def deciding(module: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each value that something is decided by, with what it is held against."""
    for node in ast.walk(module):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
                if not isinstance(operator, ast.Is | ast.IsNot):
                    yield from ((left, right), (right, left))
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES
        ):
            yield from ((argument, node.func.value) for argument in node.args)
        elif isinstance(node, ast.MatchValue):
            yield node.value, node.value


def parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def faults(place: str, module: ast.Module, sentences: set[str]) -> Iterator[str]:
    for side, against in deciding(module):
        for one in parts(side):
            text, name = text_of(one), name_of(one)
            if text in FORMATS.get(place, ()):
                continue
            if is_sentence(text):
                yield f"{place}:{one.lineno}: decided by the sentence {text!r}"
            if name in sentences:
                yield f"{place}:{one.lineno}: decided by the sentence {name}"
            if isinstance(against, ast.Attribute) and against.attr in SENTENCES and len(text) > 1:
                yield f"{place}:{one.lineno}: .{against.attr} is held against {text!r}"


def test_nothing_is_decided_by_a_sentence() -> None:
    sentences = constants()
    assert len(sentences) > 10
    found = [fault for place, module in modules() for fault in faults(place, module, sentences)]
    assert not found, "\n".join(found)


def test_what_it_is_there_to_find_is_found() -> None:
    for code in (
        'view.rule.startswith(HIDDEN)',
        'kind == REFUSED and "hibernation image" in self.reason',
        'reason.startswith("git: main is")',
        '[one for one in because if one == NOTHING]',
        'error.message == "nobody"',
        'if words in ("a", "the record is gone"): pass',
        'x.find(f"of {name} is")',
        'match said:\n    case "nothing declares it": pass',
    ):  # fmt: skip
        assert list(faults("x.py", ast.parse(code), {"HIDDEN", "NOTHING"})), code
