"""Fixtures of all virtual machines: a directory that outlives a failure; proof that nothing else stays."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import kernel as kernels
import machine
import pytest

from tests.isolation import own_mount_namespace

if TYPE_CHECKING:
    import pluggy

FAILED = Path(__file__).parent.parent / "build" / "vm-failed"
outcome = pytest.StashKey[bool]()


def pytest_configure() -> None:
    """What a test mounts, no other process can keep mounted: this one has a mount namespace of its own."""
    if os.geteuid() == 0:
        own_mount_namespace()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    result = yield
    report = result.get_result()
    if report.failed:
        item.stash[outcome] = True
        report.sections.append(("machine", f"console and disks are kept in {kept(item.nodeid)}"))


def kept(nodeid: str) -> Path:
    return FAILED / re.sub(r"[^\w.-]+", "-", nodeid.rpartition("/")[2])


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty directory for disks and logs.  It is removed when the test passes, and kept when it fails."""
    directory = kept(request.node.nodeid)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        for left in list(machine.running):
            left.kill()
        assert_nothing_left(directory)
        if outcome not in request.node.stash:
            shutil.rmtree(directory)


def assert_nothing_left(directory: Path) -> None:
    """No process, mount or loop device that uses the directory."""
    mine = os.fsencode(directory)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            assert mine not in (process / "cmdline").read_bytes(), f"process {process.name} is left"
    assert mine not in Path("/proc/self/mountinfo").read_bytes(), "a mount is left"
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(FileNotFoundError, OSError):
            assert mine not in backing.read_bytes(), f"{backing.parent.parent.name} is left"


@pytest.fixture(scope="session")
def kernel() -> kernels.Kernel:
    return kernels.fetch()
