from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.shell.cuts import build_helper
from tests.shell.hook import HOOK, Initrd


@pytest.fixture(scope="session")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that takes several steps in one process; the hook stands beside it, as installed."""
    directory = tmp_path_factory.mktemp("helper")
    shutil.copy(HOOK, directory)
    return build_helper(directory)


@pytest.fixture(params=["helper", "programs"])
def either(request: pytest.FixtureRequest, helper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the helper, and with the programs that stand in for it."""
    if request.param == "helper":
        monkeypatch.setattr(Initrd, "hook", helper.parent / HOOK.name)
