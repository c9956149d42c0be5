"""The table of hazards in docs/rollback.md names, for each, tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECTION = "## Hazards\n"
NAMED = re.compile(r"`([\w/.-]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    section = (ROOT / "docs/rollback.md").read_text().partition(SECTION)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[1:]]


@cache
def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_each_row_has_a_hazard_a_behaviour_and_tests() -> None:
    assert len(rows()) > 20
    for row in rows():
        assert len(row) == 3, row
        assert NAMED.sub("", row[2]).strip() == "" != row[2], f"{row[0]}: something else than tests"


def test_each_test_that_is_named_exists() -> None:
    named = [found for row in rows() for found in NAMED.findall(row[2])]
    for file, name in named:
        path = ROOT / (file if file.startswith("vm-tests/") else f"tests/{file}")
        assert path.is_file(), file
        assert name in functions_of(path), f"{file} has no {name}"
        assert name.startswith("test_")
