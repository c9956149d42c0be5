"""The rules of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from impermanenced.report.knowledge import DATA, Knowledge, load

if TYPE_CHECKING:
    pass


@pytest.fixture(scope="module")
def packaged() -> Knowledge:
    return load([DATA])
