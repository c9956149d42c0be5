"""The machine that boots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.boots import setup
from impermanenced.report.report import Manager
from tests.conftest import Filesystem
from tests.shell.hook import Initrd

from .machine import Machine


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path) -> Machine:
    root = filesystem.subvolume("root")
    (root / "etc").mkdir()
    filesystem.snapshot("root", "root-blank", readonly=True)
    mountpoint = filesystem.mount(tmp_path / "root", "subvol=root")
    config = tmp_path / "config.toml"
    config.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\n')
    with Manager(os.fsencode(config)) as manager:
        setup.run(manager.config, manager.machine, dry_run=False)
    return Machine(filesystem, Initrd(tmp_path, filesystem.device), config, mountpoint)
