"""One table of loss classes: the manual says what it says, and no other module has a table of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import impermanenced
from impermanenced.losses import Gate, LossClass, Traits, mark, of_gate

PACKAGE = Path(impermanenced.__file__).parent
MANUAL = PACKAGE.parent / "docs/impermanence.1.scd"
CLASSES = frozenset(map(str, LossClass))
# Words that mean a class and nothing else; others are also types of files, keys of documents and the like.
PLAIN = {"secret", "database", "service-state"}
# What systemd.exec(5) calls the directories of a unit.
OTHERS = {("system/unit_files.py", frozenset({"cache", "log"}))}


def line(loss: LossClass) -> str:
    """Return what the manual says of a class before it is described."""
    traits = loss.traits
    marks = [", known by its place"] * traits.place + [", not on the desktop"] * (not traits.desktop)
    return f"*{loss}*: {traits.weight}, {traits.gate}{''.join(marks)}"


def test_the_manual_has_each_class_in_order() -> None:
    section = MANUAL.read_text().partition("# LOSS CLASSES\n")[2].partition("\n# ")[0]
    assert re.findall(r"^\*.*$", section, re.MULTILINE) == [line(loss) for loss in LossClass]
    assert len(re.findall(r"^\t\S.*\.$", section, re.MULTILINE)) == len(LossClass), "each is described"


def test_the_worst_stand_first() -> None:
    weights = [loss.traits.weight for loss in LossClass]
    assert weights == sorted(set(weights), reverse=True)
    gravity = [list(Gate).index(loss.traits.gate) for loss in LossClass]
    assert gravity == sorted(gravity), "a class that blocks does not hurt less than one that warns"


def test_each_class_is_of_one_verdict() -> None:
    assert [loss for verdict in Gate for loss in of_gate(verdict)] == list(LossClass)


def test_a_class_is_found_by_its_word() -> None:
    assert [LossClass(str(loss)) for loss in LossClass] == list(LossClass)
    assert isinstance(LossClass("secret").traits, Traits)


def test_marks() -> None:
    marks = {loss: mark(loss.traits.weight) for loss in LossClass}
    shown = [marks[loss] for loss in (LossClass.DATABASE, LossClass.DOCUMENT, LossClass.CONFIG)]
    assert shown == ["!!", "!", ""]


def words(node: ast.AST) -> frozenset[str]:
    """Return the classes that stand as literals directly in an expression."""
    return frozenset(
        child.value
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.Constant) and isinstance(child.value, str) and child.value in CLASSES
    )


def named(node: ast.AST) -> str:
    """Return the last word of what an expression reads: of `entry.loss` and of `entry["loss"]` it is loss."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return str(node.slice.value) if isinstance(node.slice, ast.Constant) else ""
    return node.id if isinstance(node, ast.Name) else ""


def is_about_losses(node: ast.expr) -> bool:
    return any("loss" in named(child) for child in ast.walk(node))


def found_in(tree: ast.Module) -> Iterator[frozenset[str]]:
    """Yield the classes that a module names by itself: alone, in a table, or beside what is called a loss."""
    for node in ast.walk(tree):
        here = words(node)
        table = isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict) and len(here) > 1
        if here & PLAIN or table or (here and isinstance(node, ast.expr) and is_about_losses(node)):
            yield here


def test_no_other_module_names_classes() -> None:
    found = {
        (str(path.relative_to(PACKAGE)), here)
        for path in PACKAGE.rglob("*.py")
        if path.name != "losses.py"
        for here in found_in(ast.parse(path.read_text()))
    }
    assert found == OTHERS


def test_tables_of_classes_are_noticed() -> None:
    for source in (
        'QUIET = ("log", "cache")',
        'WEIGHTS = {"config": 3, "history": 2}',
        'x = entry.loss == "cache"',
        'x = entry["loss"] or "unknown"',
        'x = Content("secret", "private key")',
    ):
        assert list(found_in(ast.parse(source))), source
    for source in ('KIND = "cache"', 'x = entry.type == "subvolume"', 'f({"document": 1, "other": 2})'):
        assert not list(found_in(ast.parse(source))), source
