"""The machine of a situation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Filesystem
from tests.shell.hook import Initrd

from .machine import Machine

BLANK = ("etc/impermanence/config.d", "home/alice", "tmp", "var/lib/app", "var/log", "persist", "mnt")


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    root = filesystem.subvolume("root")
    for directory in BLANK:
        (root / directory).mkdir(parents=True)
    (root / "etc/hostname").write_text("blank\n")
    (root / "etc/motd").write_text("welcome\n")
    (root / "etc/fstab").write_text("# none\n")
    filesystem.subvolume("persist")
    filesystem.snapshot("root", "root-blank", readonly=True)
    # A bus of the machine must not answer for this filesystem.
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    mountpoint = filesystem.mount(tmp_path / "root", "subvol=root")
    found = Machine(filesystem, Initrd(tmp_path, filesystem.device), tmp_path / "config.toml", mountpoint)
    found.configure('[persist."/persist"]\n')
    found.bind("/persist", "persist")
    found.set_up()
    yield found
    found.umount()
    for hold in found.fuses:
        hold()
