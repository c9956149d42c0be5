"""The system that the command is run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Filesystem
from tests.shell.hook import INSTALLED, built

from .machine import System


@pytest.fixture
def system(filesystem: Filesystem, tmp_path: Path) -> Iterator[System]:
    root = filesystem.subvolume("root")
    for directory in ("etc/ssh", "home/alice", "tmp", "var/lib", "var/log"):
        (root / directory).mkdir(parents=True)
    (root / "etc/hostname").write_text("blank\n")
    (root / "etc/motd").write_text("welcome\n")
    filesystem.snapshot("root", "root-blank", readonly=True)
    mounted = filesystem.mount(tmp_path / "root", "subvol=root")
    built(INSTALLED)  # the commands of a checkout ask the program that lies there
    found = System(filesystem, mounted, tmp_path / "config.toml")
    found.configure()
    yield found
