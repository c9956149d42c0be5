"""textual is where `make venv` has put it: beside the packages of Debian, which the other tests run with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TUI = Path(__file__).parents[2] / ".venv/tui"


@pytest.fixture(autouse=True)
def with_textual() -> Iterator[None]:
    """Have textual found in this test alone."""
    if not (TUI / "textual").is_dir():
        pytest.skip("needs textual: make .venv/.test-stamp")
    before = list(sys.path)
    sys.path.insert(0, str(TUI))
    yield
    sys.path[:] = before
