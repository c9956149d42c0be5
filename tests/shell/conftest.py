from __future__ import annotations

import pytest

from tests.shell.hook import BUILDS, Initrd


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The program as it is installed, and one that stops at the first wrong access."""
    monkeypatch.setattr(Initrd, "build", request.param)
    return str(request.param)
