"""Fixtures of the full tests: a guest that is on, or off, with the package in it or beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kernel as kernels
import pytest

from full import guest


@pytest.fixture(scope="session")
def deb() -> Path:
    return guest.package()


@pytest.fixture
def product(workspace: Path, kernel: kernels.Kernel, deb: Path) -> Iterator[guest.Guest]:
    """A guest that is off, the package installed and in its initrd, not set up."""
    found = guest.Guest(workspace, kernel, guest.image(kernel, deb))
    with found.machine:
        yield found


@pytest.fixture
def bare(workspace: Path, kernel: kernels.Kernel, deb: Path) -> Iterator[guest.Guest]:
    """A guest that is off and has never seen the package; its second disk is the .deb, padded to sectors."""
    found = guest.Guest(workspace, kernel, guest.image(kernel, None), extra=[guest.as_disk(deb, workspace)])
    with found.machine:
        yield found


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[dict[str, object]]:
    """What the test measured on its way: printed at the end, whatever the outcome."""
    found: dict[str, object] = {}
    yield found
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        for name, value in found.items():
            print(f"\n  {name}: {value}", end="")
