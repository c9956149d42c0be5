"""From a configuration to the machine: layouts that work as they are, and errors that say what is wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TypedDict, Unpack

import btrfsutil
import pytest

from impermanenced.config.load import VolumeSettings
from impermanenced.drift import weight
from impermanenced.errors import NotSetUp
from impermanenced.kernel import mounts
from impermanenced.model import Volume
from impermanenced.system import atomic
from impermanenced.volumes.machine import Machine
from impermanenced.volumes.mounted import mounted_inside

from ..conftest import Filesystem, sh
from .conftest import Volumes


class Differing(TypedDict, total=False):
    name: str
    path: bytes
    subvolume: bytes
    blank: bytes


def machine(mountpoint: Path, **settings: Unpack[Differing]) -> Machine:
    volume = VolumeSettings(mountpoint=os.fsencode(mountpoint), path=b"/")
    return Machine([volume._replace(**settings)])


def refused(mountpoint: Path, **settings: Unpack[Differing]) -> str:
    with pytest.raises(NotSetUp) as raised:
        machine(mountpoint, **settings)
    assert raised.value.hint
    return raised.value.message


@pytest.mark.parametrize(
    ("subvolume", "blank"),
    [
        ("root", "root-blank"),
        ("@root", "@root-blank"),
        ("@", "@blank"),
        ("@", "root-blank"),
        ("rootfs", "rootfs-blank"),
        ("root", "@snapshots/@blank"),
        ("sys/root", "sys/root-blank"),
        ("root", None),
    ],
)
def test_blank_is_found_by_the_known_names(filesystem: Filesystem, subvolume: str, blank: str | None) -> None:
    for path in filter(None, (subvolume, blank)):
        (filesystem.top / path).parent.mkdir(exist_ok=True)
    filesystem.subvolume(subvolume)
    if blank:
        filesystem.snapshot(subvolume, blank, readonly=True)
    where = filesystem.mount(filesystem.directory / "mnt", f"subvol={subvolume}")
    with machine(where) as found:
        (volume,) = found.volumes
        assert volume.subvolume == subvolume.encode()
        assert volume.name == subvolume.rpartition("/")[2]
        assert volume.blank == (blank.encode() if blank else None)
        assert (volume.blank_id is None) == (blank is None)


def test_a_default_subvolume_changes_nothing(volumes: Volumes) -> None:
    sh("btrfs", "subvolume", "set-default", volumes.top / "root")
    where = volumes.filesystem.mount(volumes.filesystem.directory / "mnt", "subvol=root")
    with machine(where) as found:
        assert found.volumes[0].blank == b"root-blank"
        assert sorted(os.listdir(found.top)) == sorted(os.listdir(volumes.top))


def test_not_btrfs(tmp_path: Path) -> None:
    sh("mount", "-t", "tmpfs", "none", tmp_path)
    try:
        assert "is tmpfs, not BTRFS" in refused(tmp_path)
    finally:
        sh("umount", tmp_path)


def test_mountpoint_does_not_exist(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere")


def test_mounted_from_the_top_level(filesystem: Filesystem) -> None:
    assert "top level" in refused(filesystem.top)


def test_a_directory_of_a_subvolume_is_no_volume(volumes: Volumes) -> None:
    assert "a directory of root" in refused(volumes.top / "root/etc")


def test_another_subvolume_than_configured(volumes: Volumes) -> None:
    where = volumes.filesystem.mount(volumes.filesystem.directory / "mnt", "subvol=root")
    assert "is mounted from root, not from @root" in refused(where, subvolume=b"@root")


def test_blanks_that_are_none(volumes: Volumes) -> None:
    where = volumes.filesystem.mount(volumes.filesystem.directory / "mnt", "subvol=root")
    (volumes.top / "plain").mkdir()
    (volumes.top / "file").touch()
    (volumes.top / "link").symlink_to("root-blank")
    assert "does not exist" in refused(where, blank=b"no-such")
    for name in (b"plain", b"file", b"link"):
        assert "is not a subvolume" in refused(where, blank=name)


def test_a_private_mount_is_gone_with_its_holder(volumes: Volumes) -> None:
    """The kernel takes it down also when the process was killed."""
    code = (
        "import sys, os, signal; from impermanenced.kernel import mounts;"
        f"fd = mounts.open_top_level({os.fsencode(volumes.filesystem.device)!r});"
        "assert 'root' in os.listdir(fd); os.kill(os.getpid(), signal.SIGKILL)"
    )
    before = Path("/proc/self/mountinfo").read_text()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert Path("/proc/self/mountinfo").read_text() == before


def test_top_level_of_a_filesystem_that_is_mounted_read_only(volumes: Volumes) -> None:
    sh("mount", "-o", "remount,ro", volumes.top)
    fd = mounts.open_top_level(os.fsencode(volumes.filesystem.device))
    try:
        assert "root" in os.listdir(fd)
    finally:
        os.close(fd)


VOLUME = Volume("root", b"/", b"/", b"@root", 256, None, None)
TABLE = rb"""
22 1 0:20 /@root / rw - btrfs /dev/vda2 rw,subvol=/@root
23 22 0:21 / /proc rw - proc proc rw
24 22 0:20 /persist/var/log /var/log rw - btrfs /dev/vda2 rw
25 22 0:20 /@root/var/lib/docker /var/lib/docker rw - btrfs /dev/vda2 rw
26 22 0:30 / /mnt/my\040disk rw - ext4 /dev/vdb rw
garbage
"""


def test_what_is_mounted_inside() -> None:
    found = {one.path: one for one in mounted_inside(VOLUME, [VOLUME], list(mounts.parse(TABLE)))}
    assert found.keys() == {b"/proc", b"/var/log", b"/mnt/my disk"}
    assert found[b"/proc"].ephemeral and not found[b"/var/log"].ephemeral
    assert found[b"/var/log"].source == b"/dev/vda2[/persist/var/log]"


def test_mounts_of_a_volume_that_is_mounted_elsewhere() -> None:
    table = TABLE.replace(b" / rw", b" /mnt/sys rw", 1).replace(b" /var", b" /mnt/sys/var")
    volume = Volume("root", b"/mnt/sys", b"/", b"@root", 256, None, None)
    assert {one.path for one in mounted_inside(volume, [volume], list(mounts.parse(table)))} == {b"/var/log"}


def test_the_weight_of_all_volumes(volumes: Volumes, tmp_path: Path) -> None:
    root = volumes.filesystem.mount(tmp_path / "root", "subvol=root")
    with machine(root) as found:
        assert weight.at_most(found, found.volumes) == 0
        (root / "file").write_bytes(b"x" * 5000)
        before = weight.at_most(found, found.volumes)
        assert before is not None and before >= 5000, "also what is not written yet"
        sh("btrfs", "subvolume", "create", root / "nested")
        (root / "nested/file").write_bytes(b"x" * 5000)
        after = weight.at_most(found, found.volumes)
        assert after is not None and after >= before + 5000, "it goes with the volume"
        assert weight.at_most(found, found.volumes, most=1) is None
        sh("btrfs", "property", "set", "-ts", volumes.top / "root-blank", "ro", "false")
        (volumes.top / "root-blank/var/big/data").unlink()
        assert weight.at_most(found, found.volumes) is None, "what only the volume has is old there"


def test_the_weight_where_there_is_no_blank(volumes: Volumes, tmp_path: Path) -> None:
    root = volumes.filesystem.mount(tmp_path / "root", "subvol=root")
    with machine(root, blank=b"") as found:
        most = weight.at_most(found, found.volumes)
        assert most is not None and most >= 256 * 4096


def test_through_a_read_only_top_level_only_the_state_directory_is_written(
    filesystem: Filesystem, tmp_path: Path
) -> None:
    filesystem.subvolume("root")
    (filesystem.subvolume(".impermanence") / "boots").mkdir()
    mountpoint = filesystem.mount(tmp_path / "mnt", "subvol=root")
    settings = VolumeSettings(mountpoint=os.fsencode(mountpoint), path=b"/")
    with Machine([settings], writable=False) as machine:
        for path in (b"x", b"root/x", b".impermanence/x"):
            with pytest.raises(OSError) as refused:
                os.close(os.open(machine.at(path), os.O_CREAT | os.O_WRONLY))
            assert refused.value.errno == errno.EROFS, path
        with pytest.raises(OSError) as refused:
            btrfsutil.create_subvolume(machine.at(b"y"))
        assert refused.value.errno == errno.EROFS
        atomic.replace(machine.in_state(b".impermanence/next"), b"x")
        assert sorted(os.listdir(machine.at(b".impermanence"))) == [b"boots", b"next"]
        above = os.open(b"..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=machine.state())
        try:
            assert sorted(os.listdir(above)) == ["boots", "next"], "nothing is above it"
        finally:
            os.close(above)
    with Machine([settings]) as machine:
        os.close(os.open(machine.at(b"x"), os.O_CREAT | os.O_WRONLY))
        atomic.replace(machine.in_state(b".impermanence/next"), b"y")
    assert (filesystem.top / ".impermanence/next").read_text() == "y"
