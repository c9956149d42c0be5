"""The threat model names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs/security.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def functions(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_promise_has_a_test_that_exists() -> None:
    rows = DOCUMENT.read_text().partition("which test holds it\n")[2].partition("\n## ")[0]
    promises = [line for line in rows.splitlines() if line.startswith("| ")][1:]
    assert len(promises) > 20
    for promise in promises:
        named = NAMED.findall(promise)
        assert named, promise
        for file, name in named:
            assert name.startswith("test_") and name in functions(file), f"{file}::{name}"
