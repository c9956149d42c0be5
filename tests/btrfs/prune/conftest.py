"""The machine whose old roots are deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Filesystem

from .machine import System


@pytest.fixture
def system(filesystem: Filesystem, tmp_path: Path) -> Iterator[System]:
    yield System(filesystem, tmp_path)
