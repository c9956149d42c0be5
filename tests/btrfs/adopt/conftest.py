from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Filesystem, sh

from .machine import Machine


@pytest.fixture
def filesystem() -> Iterator[Filesystem]:
    """One in memory: each step of a job is committed, and a disk that others write to is slow at that."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a loop device: run make test as root")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="pytest-of-root-", dir=memory if memory.is_dir() else None
    ) as made:
        filesystem = Filesystem(Path(made))
        try:
            yield filesystem
        finally:
            filesystem.close()


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path) -> Iterator[Machine]:
    root = filesystem.subvolume("root")
    for directory in ("etc", "home/alice", "persist", "var/lib"):
        (root / directory).mkdir(parents=True)
    filesystem.subvolume("persist")
    filesystem.subvolume(".impermanence").chmod(0o700)
    (filesystem.top / "old_roots").mkdir()
    filesystem.snapshot("root", "root-blank", readonly=True)
    config = tmp_path / "root/persist/etc/impermanence/config.toml"  # it has to outlive the root
    found = Machine(filesystem, tmp_path / "root", config)
    found.filesystem.mount(found.root, "subvol=root")
    sh("mount", "-t", "btrfs", "-o", "subvol=persist", filesystem.device, found.persist)
    found.configure()
    yield found
