"""What one boot does when nothing goes wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from impermanenced.boots.records import NextRequest, RollbackVolume
from impermanenced.state import NO_BOOT_ID
from tests.conftest import Filesystem, sh, swap_on
from tests.isolation import attach, detach
from tests.shell.cuts import disturbed
from tests.shell.hook import HOME, ROOT, Initrd, System, uuid_of

pytestmark = pytest.mark.usefixtures("build")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "renames"])
def test_story(filesystem: Filesystem, exchanges: bool) -> None:
    """Wipe twice, keep once, boot the first life again; also where nothing can exchange two names."""
    system = System(filesystem)
    wrap = () if exchanges else disturbed(filesystem.directory, renames=1)
    old_uuid = uuid_of(system.top / "root")

    first = system.initrd.boot(wrap=wrap)
    assert (first.status, first.result.action, first.result.number) == (0, "wiped", 1), first.said
    assert not (system.top / "root/crud").exists()
    assert (system.top / "root/etc/hostname").read_text() == "root\n"
    (volume,) = first.result.volumes
    assert volume.old == f"old_roots/0-{NO_BOOT_ID}".encode()
    assert volume.old_uuid == old_uuid
    assert volume.uuid == uuid_of(system.top / "root") != old_uuid
    assert volume.source == b"root-blank"
    assert (system.top / os.fsdecode(volume.old) / "crud").read_text() == "crud of root\n"
    assert system.record(1) == first.result
    assert list((system.state / "staging").iterdir()) == []
    assert "boot 1: wiped" in first.said
    assert not os.path.ismount(first.run / "impermanence/top")

    system.dirty("second life")
    second = system.initrd.boot(wrap=wrap)
    assert (second.result.action, second.result.number) == ("wiped", 2)
    assert system.archive() == [f"0-{NO_BOOT_ID}", f"1-{BOOT_ID}"]
    assert (system.top / f"old_roots/1-{BOOT_ID}/second life").exists()

    system.dirty("third life")
    system.request(NextRequest("keep", "once"))
    third = system.initrd.boot(wrap=wrap)
    assert (third.result.action, third.result.request, third.result.request_left) == ("kept", "once", 0)
    assert (system.top / "root/third life").exists()
    assert not (system.state / "next").exists()
    assert (system.state / "boots/3.next").exists()

    system.request(NextRequest("boot", "again", boot=0))
    fourth = system.initrd.boot(wrap=wrap)
    assert (fourth.result.action, fourth.result.boot) == ("booted", 0)
    assert (system.top / "root/crud").exists()
    assert (system.top / f"old_roots/0-{NO_BOOT_ID}/crud").exists(), "the archive has lost it"
    assert (system.top / f"old_roots/3-{BOOT_ID}/third life").exists()

    fifth = system.initrd.boot(wrap=wrap)
    assert fifth.result.action == "wiped"
    assert not (system.top / "root/crud").exists()
    assert system.numbers() == [1, 2, 3, 4, 5]


def test_two_volumes(filesystem: Filesystem) -> None:
    system = System(filesystem, ROOT, HOME)
    boot = system.initrd.boot()
    assert boot.result.action == "wiped", boot.said
    for name in ("root", "home"):
        assert not (system.top / name / "crud").exists()
    assert system.archive() == [f"0-{NO_BOOT_ID}", f"0-{NO_BOOT_ID}.home"]
    assert (system.top / f"old_roots/0-{NO_BOOT_ID}.home/crud").read_text() == "crud of home\n"
    system.dirty("later", "home")
    system.initrd.boot("impermanence=boot=0")
    assert (system.top / "home/crud").exists()
    assert (system.top / f"old_roots/1-{BOOT_ID}.home/later").exists()


def test_no_blank(filesystem: Filesystem) -> None:
    system = System(filesystem, RollbackVolume("root", b"root", None))
    boot = system.initrd.boot()
    assert boot.result.action == "wiped"
    assert list((system.top / "root").iterdir()) == []
    assert (system.top / "root").stat().st_mode & 0o7777 == 0o755
    assert boot.result.volumes[0].source == b""


def test_names_beyond_ascii(filesystem: Filesystem) -> None:
    volume = RollbackVolume("root", "sub/mein röot %41".encode(), b"bl\xe4nk one")
    (filesystem.top / "sub").mkdir()
    system = System(filesystem, volume, archive="älte/wurzeln".encode())
    for _ in range(3):
        (system.top / os.fsdecode(volume.subvolume) / "crud").touch()
        boot = system.initrd.boot()
        assert boot.result.action == "wiped", boot.said
        assert not (system.top / os.fsdecode(volume.subvolume) / "crud").exists()
        (told,) = boot.result.volumes
        assert (told.subvolume, told.source) == (volume.subvolume, volume.blank)
        assert told.old is not None
        assert (system.top / os.fsdecode(told.old) / "crud").exists()


def test_nested_subvolume_moves_with_the_old_root(filesystem: Filesystem) -> None:
    system = System(filesystem)
    filesystem.subvolume("root/machines")
    (system.top / "root/machines/image").touch()
    boot = system.initrd.boot()
    assert boot.result.action == "wiped"
    assert (system.top / f"old_roots/0-{NO_BOOT_ID}/machines/image").exists()


def test_active_swap_file_moves_with_the_old_root(filesystem: Filesystem) -> None:
    """Such a subvolume can neither be made a snapshot of nor be deleted; a name it can have."""
    system = System(filesystem)
    swap = system.top / "root/swapfile"
    swap_on(swap)
    archived = system.top / f"old_roots/0-{NO_BOOT_ID}"
    try:
        boot = system.initrd.boot()
        assert boot.result.action == "wiped", boot.said
        assert list((system.top / "root").iterdir()) == [system.top / "root/etc"]
        assert (archived / "swapfile").exists()
    finally:
        sh("swapoff", archived / "swapfile" if archived.exists() else swap)


def test_trial_wipes_nothing(filesystem: Filesystem) -> None:
    system = System(filesystem, wipe=False)
    boot = system.initrd.boot()
    assert (boot.status, boot.result.action) == (0, "trial")
    assert (system.top / "root/crud").exists()
    assert system.record(1) == boot.result
    assert system.archive() == []
    # A person who asks for an old root by number gets it.
    system.write(wipe=True)
    system.initrd.boot()
    system.write(wipe=False)
    assert system.initrd.boot("impermanence=boot=1").result.action == "booted"
    assert (system.top / "root/crud").exists()


def test_keep_on_the_command_line_leaves_the_request(filesystem: Filesystem) -> None:
    system = System(filesystem)
    system.request(NextRequest("boot", "r", boot=0))
    boot = system.initrd.boot("impermanence=keep")
    assert (boot.result.action, boot.result.request) == ("kept", None)
    assert (system.top / "root/crud").exists()
    assert (system.state / "next").exists()


def test_request_for_several_boots(filesystem: Filesystem) -> None:
    system = System(filesystem)
    system.request(NextRequest("keep", "three", boots=3))
    done = [system.initrd.boot().result for _ in range(2)]
    done.append(system.initrd.boot("impermanence=keep").result)
    done += [system.initrd.boot().result for _ in range(2)]
    assert [(one.action, one.request_left) for one in done] == [
        ("kept", 2),
        ("kept", 1),
        ("kept", 1),
        ("kept", 0),
        ("wiped", None),
    ]


def test_consumed_request_is_not_obeyed_again(filesystem: Filesystem) -> None:
    """A cut between the record and putting `next` aside."""
    system = System(filesystem)
    request = NextRequest("keep", "once")
    system.request(request)
    system.initrd.boot()
    system.request(request)
    assert system.initrd.boot().result.action == "wiped"
    assert not (system.state / "next").exists()


def test_copy_in_the_initrd_wins_and_makes_the_state_directory(filesystem: Filesystem) -> None:
    system = System(filesystem)
    shutil.move(system.state / "rollback.env", system.initrd.copy)
    sh("btrfs", "subvolume", "delete", system.state)
    boot = system.initrd.boot()
    assert boot.result.action == "wiped", boot.said
    assert system.state.stat().st_mode & 0o7777 == 0o700
    assert uuid_of(system.state)
    assert system.numbers() == [1]


def test_without_a_record_nothing_is_written(filesystem: Filesystem) -> None:
    filesystem.subvolume("root")
    from_disk = filesystem.top.stat().st_mtime_ns
    boot = Initrd(filesystem.directory, filesystem.device).boot()
    assert (boot.status, boot.result.action, boot.result.number) == (0, "off", None)
    assert filesystem.top.stat().st_mtime_ns == from_disk
    assert sorted(path.name for path in filesystem.top.iterdir()) == ["root"]


def test_filesystem_of_two_devices(filesystem: Filesystem, tmp_path: Path) -> None:
    """The kernel has to know both before the one that is named can be mounted."""
    system = System(filesystem)
    second = tmp_path / "second.img"
    with open(second, "wb") as stream:
        stream.truncate(256 << 20)
    device = attach(second)
    try:
        sh("btrfs", "device", "add", device, system.top)
        filesystem.umount(system.top)
        sh("btrfs", "device", "scan", "--forget", device)
        boot = system.initrd.boot(extra=("--wait", "5"))
        assert boot.result.action == "wiped", boot.said
        filesystem.mount(system.top, "subvolid=5")
        sh("btrfs", "device", "remove", device, system.top)
    finally:
        detach(device, second)
