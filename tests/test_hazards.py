"""The tables of hazards, of the rollback and of what persists, name tests that exist for each."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLES = {"docs/rollback.md": "## Hazards\n", "docs/architecture.md": "### Hazards\n"}
NAMED = re.compile(r"`([\w/.-]+\.py)::(\w+)`")


def rows(page: str) -> list[list[str]]:
    section = (ROOT / page).read_text().partition(TABLES[page])[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[1:]]


@cache
def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("page", "least"), [("docs/rollback.md", 21), ("docs/architecture.md", 11)])
def test_each_row_has_a_hazard_a_behaviour_and_tests(page: str, least: int) -> None:
    assert len(rows(page)) >= least
    for row in rows(page):
        assert len(row) == 3, row
        assert NAMED.sub("", row[2]).strip() == "" != row[2], f"{row[0]}: something else than tests"


def test_each_test_that_is_named_exists() -> None:
    named = [found for page in TABLES for row in rows(page) for found in NAMED.findall(row[2])]
    for file, name in named:
        path = ROOT / (file if file.startswith("vm-tests/") else f"tests/{file}")
        assert path.is_file(), file
        assert name in functions_of(path), f"{file} has no {name}"
        assert name.startswith("test_")
