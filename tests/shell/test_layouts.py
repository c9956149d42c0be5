"""The layouts that people have: each as it is, through the real hook, and nothing but the volumes changes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from impermanenced.boots.records import RollbackVolume
from impermanenced.state import NO_BOOT_ID
from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach
from tests.shell.hook import System, uuid_of

pytestmark = pytest.mark.usefixtures("build")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
ARTICLE = ("old_roots/2026-01-02_03:04:05", "old_roots/2026-01-3_23:59:01")
HISTORY = (
    "@old-roots/0b9c8a52-6b0c-4f3e-9f5a-5d0f4cb7a4c1",
    "@old-roots/f2f1e6f0-77aa-4c0e-8f61-3f1f3c1f9d11",
)


@dataclass(frozen=True)
class Layout:
    name: str
    volumes: tuple[RollbackVolume, ...]
    others: tuple[str, ...]  # subvolumes that must stay as they are
    archive: str = "old_roots"
    directories: tuple[str, ...] = ()  # plain ones that the subvolumes lie in
    files: tuple[str, ...] = ()
    default: str | None = None  # what a mount without options shows; None: the top level


def volume(name: str, subvolume: str, blank: str | None) -> RollbackVolume:
    return RollbackVolume(name, subvolume.encode(), blank.encode() if blank else None)


LAYOUTS = (
    Layout(
        "article", (volume("root", "root", None),), ("persist", "nix", *ARTICLE), directories=("old_roots",)
    ),
    Layout("readme", (volume("root", "root", None),), ("persistent", "nix")),
    Layout("mt-caret", (volume("root", "root", "root-blank"),), ("home", "nix", "persist", "log")),
    Layout("dont-wipe", (volume("root", "root", "root-blank"),), ("nix", "persist"), files=("dont-wipe",)),
    Layout(
        "root-and-home",
        (volume("root", "@root", "@root-blank"), volume("home", "@home", "@home-blank")),
        ("@nix", "@persist"),
    ),
    Layout(
        "at-style",
        (volume("root", "@root", "@root-blank"),),
        ("@nix", "@persist", "@log", "@swap", "@home"),
        archive="@old_roots",
    ),
    Layout(
        "history",
        (volume("root", "@root", "@snapshots/@blank"),),
        ("@home", *HISTORY, ".snapshots/root.20260102T0304"),
        archive="@old-roots",
        directories=("@old-roots", "@snapshots", ".snapshots"),
    ),
    Layout(
        "archive-is-a-subvolume",
        (volume("root", "@root", "@root-blank"),),
        ("@root-history", "@home"),
        archive="@root-history/old",
    ),
    Layout("disko", (volume("rootfs", "rootfs", None),), ("home", "nix", "swap")),
    Layout("debian", (volume("root", "@rootfs", "@rootfs-blank"),), ("@home",)),
    Layout("timeshift", (volume("root", "@", "@blank"),), ("@home",), directories=("timeshift-btrfs",)),
    Layout("fedora", (volume("root", "root", "root-blank"),), ("home", "var")),
    Layout(
        "opensuse",
        (volume("root", "@/.snapshots/1/snapshot", "@/blank"),),
        ("@/home", "@/opt", "@/var", "@/.snapshots/2"),
        archive="@/old_roots",
        directories=("@/.snapshots/1",),
        default="@/.snapshots/1/snapshot",
    ),
)


def build(filesystem: Filesystem, layout: Layout) -> System:
    for directory in layout.directories:
        if directory.startswith("@/"):
            filesystem.subvolume("@")
        (filesystem.top / directory).mkdir(parents=True)
    for name in layout.others:
        (filesystem.subvolume(name) / "kept").write_text(name)
    for name in layout.files:
        (filesystem.top / name).write_text("of somebody else\n")
    system = System(filesystem, *layout.volumes, archive=layout.archive.encode())
    if layout.default is not None:
        sh("btrfs", "subvolume", "set-default", filesystem.top / layout.default)
    return system


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_layout(filesystem: Filesystem, layout: Layout) -> None:
    system = build(filesystem, layout)
    top = system.top
    blanks = [os.fsdecode(one.blank) for one in layout.volumes if one.blank]
    uuids = {name: uuid_of(top / name) for name in (*layout.others, *blanks)}
    lives = [uuid_of(top / os.fsdecode(one.subvolume)) for one in layout.volumes]

    for number, ended in ((1, NO_BOOT_ID), (2, BOOT_ID)):
        boot = system.initrd.boot()
        assert (boot.result.action, boot.result.number) == ("wiped", number), boot.said
        for index, told in enumerate(boot.result.volumes):
            suffix = f".{told.name}" if index else ""
            assert told.old == f"{layout.archive}/{number - 1}-{ended}{suffix}".encode()
            assert uuid_of(top / os.fsdecode(told.old)) == told.old_uuid == lives[index]
            assert (top / os.fsdecode(told.old) / "crud").exists()
            assert told.uuid is not None
            lives[index] = told.uuid
            live = top / os.fsdecode(told.subvolume)
            assert [path.name for path in live.iterdir()] == (["etc"] if layout.volumes[index].blank else [])
            (live / "crud").touch()
        assert {name: uuid_of(top / name) for name in uuids} == uuids
        assert all((top / name / "kept").read_text() == name for name in layout.others)
    assert all((top / directory).is_dir() for directory in layout.directories)
    assert all((top / name).read_text() == "of somebody else\n" for name in layout.files)


@pytest.mark.parametrize("how", ["UUID", "LABEL", "link"])
def test_device_by_another_name(filesystem: Filesystem, how: str) -> None:
    """What root= may name: a tag, or a link as in /dev/disk/by-diskseq and /dev/mapper."""
    system = System(filesystem)
    sh("btrfs", "filesystem", "label", filesystem.top, filesystem.directory.name[-60:])
    filesystem.sync()
    if how == "link":
        link = filesystem.directory / "by-diskseq"
        link.symlink_to(filesystem.device)
        root = f"/dev/..{link}"
    else:
        root = f"{how}={sh('blkid', '-p', '-s', how, '-o', 'value', filesystem.device).strip()}"
    boot = system.initrd.boot(f"root={root}")
    assert boot.result.action == "wiped", boot.said


def test_default_subvolume_is_another(filesystem: Filesystem) -> None:
    """What a plain mount shows is neither the top level nor the volume."""
    system = System(filesystem)
    other = filesystem.subvolume("@")
    sh("btrfs", "subvolume", "set-default", other)
    boot = system.initrd.boot()
    assert boot.result.action == "wiped", boot.said
    assert list(other.iterdir()) == []
    assert system.archive() == [f"0-{NO_BOOT_ID}"]


def test_default_subvolume_is_the_volume(filesystem: Filesystem) -> None:
    system = System(filesystem)
    sh("btrfs", "subvolume", "set-default", system.top / "root")
    assert system.initrd.boot("rootflags=noatime").result.reason_code == "by-number"
    assert (system.top / "root/crud").exists()
    boot = system.initrd.boot("rootflags=subvol=root,compress=zstd")
    assert boot.result.action == "wiped", boot.said


@contextlib.contextmanager
def attached(image: Path, filesystem: Filesystem, forgotten: bool = True) -> Iterator[str]:
    device = attach(image)
    try:
        yield device
    finally:
        for mount in list(filesystem.mounts):
            filesystem.umount(mount)
        if forgotten:
            sh("btrfs", "device", "scan", "--forget", device)
        detach(device, image)


def mirror(filesystem: Filesystem, image: Path) -> None:
    """A second device that holds all that the first one holds; afterwards neither is known to the kernel."""
    with open(image, "wb") as stream:
        stream.truncate(512 << 20)
    with attached(image, filesystem) as device:
        sh("btrfs", "device", "add", device, filesystem.top)
        sh("btrfs", "balance", "start", "-f", "-dconvert=raid1", "-mconvert=raid1", filesystem.top)
    sh("btrfs", "device", "scan", "--forget", filesystem.device)


def test_raid1(filesystem: Filesystem, tmp_path: Path) -> None:
    system = System(filesystem)
    image = tmp_path / "second.img"
    mirror(filesystem, image)
    with attached(image, filesystem):
        boot = system.initrd.boot(extra=("--wait", "10"))
        assert boot.result.action == "wiped", boot.said
        filesystem.mount(system.top, "subvolid=5")
        assert not (system.top / "root/crud").exists()
        assert (system.top / f"old_roots/0-{NO_BOOT_ID}/crud").exists()


def test_raid1_with_one_device_is_left_alone(filesystem: Filesystem, tmp_path: Path) -> None:
    """A rollback of a degraded array would be a second history that the missing device knows nothing of."""
    system = System(filesystem)
    image = tmp_path / "second.img"
    mirror(filesystem, image)
    boot = system.initrd.boot(extra=("--wait", "1"))
    assert (boot.status, boot.result.action) == (0, "refused"), boot.said
    assert "is there, but only 1 of the 2 devices" in boot.result.reason
    assert boot.result.reason_code == "device-incomplete"
    with attached(image, filesystem) as device:
        sh("btrfs", "device", "scan", device)
        filesystem.mount(system.top, "subvolid=5")
        assert (system.top / "root/crud").exists()
        assert system.archive() == []


def test_raid1_whose_device_is_only_remembered_is_left_alone(filesystem: Filesystem, tmp_path: Path) -> None:
    """The kernel's list keeps a device that has gone, and calls the array ready: no mount works."""
    system = System(filesystem)
    image = tmp_path / "second.img"
    mirror(filesystem, image)
    with attached(image, filesystem, forgotten=False) as device:
        sh("btrfs", "device", "scan", device)
    boot = system.initrd.boot(extra=("--wait", "1"))
    assert (boot.result.action, boot.result.reason_code) == ("refused", "device-incomplete"), boot.said
    assert "is there, but only 1 of the 2 devices" in boot.result.reason
    with attached(image, filesystem):
        boot = system.initrd.boot(extra=("--wait", "10"))
        assert boot.result.action == "wiped", boot.said
