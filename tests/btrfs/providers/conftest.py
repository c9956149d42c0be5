"""The volume that packages and systemd's tools answer for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Filesystem

from .machine import System


@pytest.fixture
def system(filesystem: Filesystem, tmp_path: Path) -> System:
    return System(filesystem, tmp_path / "work")
