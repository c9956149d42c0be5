"""Precision and recall of the verdicts over the labelled corpus: links and knowledge, by path and head alone.

What only a machine tells (packages, tmpfiles.d) is a fact of the row.  The figures are printed.
"""

from __future__ import annotations

import os
import sys

import pytest

from impermanenced.knowledge import DATA, Knowledge, load, recognise
from impermanenced.knowledge.facts import SCORES
from impermanenced.managed import links
from impermanenced.model import Difference, FileType
from impermanenced.score import WORTH

from ..corpus.reader import Row, rows

# What holds today.  The goal is 0.95 for both: these only ever go up.
PRECISION, RECALL = 0.90, 0.95


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load([DATA])


def is_crud(knowledge: Knowledge, row: Row) -> bool:
    """As appraisal decides, with the facts of the row in place of databases."""
    facts = row.facts
    target = os.fsencode(facts["target"]) if "target" in facts else None
    size = 0 if facts.get("empty") else 100
    letters = "+......" if row.change == "created" else "c......"
    difference = Difference(row.path, row.type, row.change, letters, 300, size, 0, 0, 0o644, 0, target)
    if row.type is FileType.SOCKET:
        return False
    if links.rule_of(difference) is not None or "package" in facts or "tmpfiles" in facts:
        return False
    fact = knowledge.of(row.path, row.type)
    if fact is None or fact.verdict_hint == "crud":
        return True
    return "conffile" in facts


@pytest.mark.parametrize("split", ["tune", "held-out"])
def test_precision_and_recall(knowledge: Knowledge, split: str, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [row for row in rows() if row.split == split]
    found = [(row, is_crud(knowledge, row)) for row in wanted]
    true = sum(row.crud and crud for row, crud in found)
    precision = true / sum(crud for _, crud in found)
    recall = true / sum(row.crud for row, _ in found)
    classes = [row for row, crud in found if crud and row.crud and row.loss]
    right = sum(_loss(knowledge, row) == row.loss for row in classes) / len(classes)
    with capsys.disabled():
        sys.stdout.write(
            f"\nverdicts, {split}: {len(wanted)} paths, precision {precision:.3f}, recall {recall:.3f}; "
            f"loss class {right:.3f}\n"
        )
    wrong = [f"{os.fsdecode(row.path)}: {row.expected}" for row, crud in found if crud != row.crud]
    assert precision >= PRECISION and recall >= RECALL, "\n".join(wrong)


def _loss(knowledge: Knowledge, row: Row) -> str:
    fact = knowledge.of(row.path, row.type)
    loss = fact.loss if fact is not None else "unknown"
    content = recognise(os.fsencode(row.facts.get("head", "")))
    return content.loss if content is not None and WORTH[content.loss] > WORTH[loss] else loss


def test_one_table_of_what_classes_weigh() -> None:
    assert dict(SCORES) == dict(WORTH)
