from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.cuts import build_helper


@pytest.fixture(scope="session")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that exchanges two names."""
    return build_helper(tmp_path_factory.mktemp("helper"))
