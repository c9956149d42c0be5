"""Docstrings are sentences: a function's begins with a verb, and each first paragraph ends with a stop."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import impermanenced

ROOT = Path(impermanenced.__file__).parent
# First words that no imperative begins with: articles, pronouns, question words, prepositions, values.
NO_VERBS = """
    A About After All Also An Another Any As At Before Below Both By Bytes Each Either Every
    Everything Fewer For From He How If In Inside It Its Lists Made Message Most Neither No None
    Nobody Nothing Number Of Old On Once One Only Or Other Our Path Patterns Rows Said She Since
    So Some Such Text That The Their Then There These They This Those To True False Until Verdict We
    What When Where Whether Which Who Whoever Whom Whose Why With Without Writers Written
"""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def documented(path: Path) -> Iterator[tuple[ast.Module | ast.ClassDef | Function, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            text = ast.get_docstring(node)
            if text is not None:
                yield node, text


def faults(path: Path) -> Iterator[str]:
    for node, text in documented(path):
        place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {text.splitlines()[0]!r}"
        if not text.split("\n\n")[0].endswith((".", ":")):
            yield f"{place} does not end with a full stop"
        first = text.split()[0]
        if isinstance(node, Function) and (
            not re.fullmatch(r"[A-Z][a-z]+", first) or first in NO_VERBS.split()
        ):
            yield f"{place} does not begin with a verb"


ROOMS = sorted({path.parent for path in ROOT.rglob("*.py")})


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_docstrings_are_sentences(room: Path) -> None:
    found = [fault for path in sorted(room.glob("*.py")) for fault in faults(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["The bytes of it.", "None: there is none.", "`path` of it.", "(a, b) of each.", "Return it"]
)
def test_what_is_no_sentence_is_found(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    module = tmp_path / "module.py"
    module.write_text(f'"""A module."""\n\ndef function():\n    """{text}"""\n')
    assert len(list(faults(module))) == 1
