"""The machine that is set up."""

from __future__ import annotations

import pytest

from tests.conftest import Filesystem

from .machine import DEBIAN, Stock


@pytest.fixture
def stock(filesystem: Filesystem) -> Stock:
    """A Debian as its installer leaves it."""
    return Stock(filesystem, DEBIAN)
