"""A file does one thing, and a function fits on a screen."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import impermanenced

ROOT = Path(impermanenced.__file__).parent
FILE, FUNCTION, MEDIAN = 400, 60, 10  # lines


def lengths(path: Path) -> list[tuple[int, str]]:
    """Return (lines, file and name) of each function, from `def` to its end, with its docstring."""
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return [((node.end_lineno or 0) - node.lineno + 1, f"{path}:{node.name}") for node in functions]


def test_files_are_small() -> None:
    sizes = [(len(path.read_text().splitlines()), str(path)) for path in ROOT.rglob("*.py")]
    assert [found for found in sizes if found[0] > FILE] == []


def test_functions_are_small() -> None:
    found = [one for path in ROOT.rglob("*.py") for one in lengths(path)]
    assert [one for one in found if one[0] > FUNCTION] == []
    assert statistics.median(lines for lines, _ in found) <= MEDIAN
