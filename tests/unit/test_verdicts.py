"""Precision and recall of the verdicts over the labelled corpus, each path appraised as on a machine.

What only a machine tells (packages, tmpfiles.d, the first bytes) is a fact of the row.  The figures are
printed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from impermanenced.model import Verdict
from impermanenced.report.knowledge import DATA, Knowledge, load

from ..corpus.machine import said_of
from ..corpus.reader import HELD_OUT, PATHS, rows

# What holds today: these only ever go up.  Precision, recall, agreement on the loss class.
HOLDS = {PATHS: (0.99, 0.99, 0.88), HELD_OUT: (0.95, 0.97, 0.79)}


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load([DATA])


@pytest.mark.parametrize("file", HOLDS, ids=lambda file: file.stem)
def test_precision_and_recall(
    knowledge: Knowledge, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for number, row in enumerate(rows(file)):
        root = tmp_path / str(number)
        root.mkdir()
        found.append((row, said_of(row, knowledge, root)))
    true = [(row, entry) for row, entry in found if row.crud and entry.verdict is Verdict.CRUD]
    precision = len(true) / sum(entry.verdict is Verdict.CRUD for _, entry in found)
    recall = len(true) / sum(row.crud for row, _ in found)
    right = sum(row.loss == entry.loss for row, entry in true) / len(true)
    with capsys.disabled():
        sys.stdout.write(
            f"\nverdicts, {file.stem}: {len(found)} paths, precision {precision:.3f}, recall {recall:.3f}; "
            f"loss class {right:.3f}\n"
        )
    wrong = [
        f"{os.fsdecode(row.path)}: {row.expected} {row.loss or ''}, said to be {entry.verdict} {entry.loss}: "
        f"{entry.rule} {entry.because}"
        for row, entry in found
        if row.crud != (entry.verdict is Verdict.CRUD) or (row.crud and row.loss != entry.loss)
    ]
    reached = (precision, recall, right)
    assert all(figure >= floor for figure, floor in zip(reached, HOLDS[file], strict=True)), "\n".join(wrong)
