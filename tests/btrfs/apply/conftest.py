"""The machine that `apply` runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Filesystem

from .machine import Machine


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path) -> Machine:
    return Machine(filesystem, tmp_path)
