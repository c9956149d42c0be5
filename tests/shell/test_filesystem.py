"""Which filesystem boots: one, surely, or none is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach
from tests.shell.hook import SANITIZED, Initrd, System
from tests.shell.identity import fsid_of, label_of, tree


@pytest.fixture
def system(filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch) -> System:
    monkeypatch.setattr(Initrd, "build", SANITIZED)
    return System(filesystem)


@pytest.fixture
def clone(system: System, tmp_path: Path) -> Callable[[], Path]:
    """A dd of the disk, once everything is as it shall be."""

    def copy() -> Path:
        system.filesystem.umount(system.top)
        shutil.copyfile(system.filesystem.image, tmp_path / "clone.img")
        return tmp_path / "clone.img"

    return copy


def in_initrd(system: System, record: str) -> None:
    """A declarative system: the record is in the initrd, and names the filesystem in one way."""
    device = system.filesystem.device
    if record == "device":
        system.write(device=os.fsencode(device))
    else:
        system.write(fsid=fsid_of(device))
    shutil.move(system.state / "rollback.env", system.initrd.copy)


@pytest.mark.parametrize("record", ["device", "fsid"])
def test_nobody_names_a_root(system: System, record: str) -> None:
    """Then the record of the initrd does, and what boots is assumed to be its volume."""
    in_initrd(system, record)
    system.initrd.base = ""
    assert system.initrd.boot("rootflags=").result.action == "wiped"


def test_nobody_names_anything(system: System) -> None:
    system.initrd.base = ""
    boot = system.initrd.boot("rootflags=")
    assert (boot.result.action, boot.result.reason_code) == ("off", "no-root")


@pytest.mark.parametrize("record", ["device", "fsid"])
def test_another_filesystem_boots(system: System, tmp_path: Path, record: str) -> None:
    in_initrd(system, record)
    other = tmp_path / "other.img"
    with open(other, "wb") as stream:
        stream.truncate(128 << 20)
    sh("mkfs.btrfs", "-q", other)
    before = tree(system.top)
    stick = attach(other)
    try:
        boot = system.initrd.boot(f"root={stick}")
        assert (boot.result.action, boot.result.reason_code) == ("other", "other-filesystem"), boot.said
    finally:
        detach(stick, other)
    assert tree(system.top) == before


def contents(image: Path) -> bytes:
    return sh("sha256sum", image).split()[0].encode()


@pytest.mark.parametrize(
    "words", ["root=UUID={fsid}", "root=LABEL={label}", "root=/dev/disk/by-uuid/{fsid}", ""]
)
def test_clone_is_attached(system: System, clone: Callable[[], Path], words: str) -> None:
    """Who of the two is meant, nobody can say: both are named, and none is touched."""
    fsid = fsid_of(system.filesystem.device)
    label = label_of(system)
    in_initrd(system, "fsid")
    image = clone()
    system.initrd.base = words.format(fsid=fsid, label=label)
    twin = attach(image)
    try:
        before = contents(image), contents(system.filesystem.image)
        boot = system.initrd.boot()
        assert (boot.result.action, boot.result.reason_code) == ("refused", "several-devices"), boot.said
        assert twin in boot.result.reason and system.filesystem.device in boot.result.reason
        assert (contents(image), contents(system.filesystem.image)) == before
    finally:
        detach(twin, image)


def test_device_goes_before_its_clone(system: System, clone: Callable[[], Path]) -> None:
    in_initrd(system, "fsid")
    image = clone()
    twin = attach(image)
    try:
        sh("btrfs", "device", "scan", twin)
        before = contents(image)
        boot = system.initrd.boot()
        assert boot.result.action == "wiped", boot.said
        assert contents(image) == before
    finally:
        detach(twin, image)
    system.filesystem.mount(system.top, "subvolid=5")
    assert not (system.top / "root/crud").exists()


def test_two_filesystems_of_one_label(system: System, tmp_path: Path) -> None:
    label = label_of(system)
    system.filesystem.sync()
    other = tmp_path / "other.img"
    with open(other, "wb") as stream:
        stream.truncate(128 << 20)
    sh("mkfs.btrfs", "-q", "-L", label, other)
    twin = attach(other)
    try:
        boot = system.initrd.boot(f"root=LABEL={label}")
        assert boot.result.reason_code == "several-devices", boot.said
    finally:
        detach(twin, other)


def test_sprout_of_a_seed(system: System, tmp_path: Path) -> None:
    """Two devices of one label and of two UUIDs, and one filesystem: the seed cannot be written to."""
    filesystem = system.filesystem
    label = label_of(system)
    filesystem.umount(system.top)
    sh("btrfstune", "-S", "1", filesystem.device)
    sprout = tmp_path / "sprout.img"
    with open(sprout, "wb") as stream:
        stream.truncate(512 << 20)
    device = attach(sprout)
    seed = contents(filesystem.image)
    try:
        filesystem.mount(system.top, "subvolid=5")
        sh("btrfs", "device", "add", "-f", device, system.top)
        sh("mount", "-o", "remount,rw", system.top)
        filesystem.umount(system.top)
        for known in (device, filesystem.device):
            sh("btrfs", "device", "scan", "--forget", known)
        boot = system.initrd.boot(f"root=LABEL={label}")
        assert boot.result.action == "wiped", boot.said
        assert contents(filesystem.image) == seed
        for known in (device, filesystem.device):
            subprocess.run(["btrfs", "device", "scan", "--forget", known], capture_output=True, check=False)
    finally:
        detach(device, sprout)


def test_filesystem_with_another_uuid_than_recorded(system: System) -> None:
    system.write(fsid="6b1f0c1e-3c5a-4d0e-9a51-0d2f6c1f9a11")
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.reason_code) == ("refused", "filesystem-changed"), boot.said
    assert system.initrd.examine()[1] == "filesystem-changed"
