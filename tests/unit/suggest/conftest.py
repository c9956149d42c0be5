"""The system whose losses are to be declared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.report.suggest import System

from .system import PASSWD


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Another system, below `tmp_path`."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text("alice:x:1000:\nusers:x:100:alice\n")
    with System(lambda path: os.fsencode(tmp_path) + path, native=False) as found:
        yield found
