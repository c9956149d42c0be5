"""Layouts that setup refuses: copies, seeds, another system's record, names, and places of no use."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import btrfsutil
import pytest

from impermanenced.boots import records, setup
from impermanenced.errors import ConfigError, NotSetUp
from impermanenced.report.report import Manager
from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach

from .conftest import Volumes

STATE = ".impermanence"


class Layout:
    """A filesystem in which `configure` chooses what setup is about."""

    def __init__(self, volumes: Volumes) -> None:
        self.filesystem = volumes.filesystem
        self.top = volumes.top
        self.config = volumes.filesystem.directory / "config.toml"

    def mount(self, subvolume: str = "root", where: str = "mnt") -> Path:
        return self.filesystem.mount(self.filesystem.directory / where, f"subvol={subvolume}")

    def configure(self, mountpoint: Path, text: str = "", *, path: str = "/", more: str = "") -> None:
        table = f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "{path}"\n'
        self.config.write_text(f"{table}{text}\n{more}")

    def set_up(self, *, dry_run: bool = False) -> list[str]:
        with Manager(os.fsencode(self.config)) as manager:
            return setup.run(manager.config, manager.machine, dry_run=dry_run)

    def refused(self) -> NotSetUp:
        """Return why setup, and setup --dry-run, refuse; nothing has changed."""
        before = self.everything()
        for dry_run in (True, False):
            with pytest.raises(NotSetUp) as raised:
                self.set_up(dry_run=dry_run)
        assert raised.value.hint
        assert self.everything() == before
        return raised.value

    def everything(self) -> str:
        names = sh("find", self.top, "-printf", "%p %m %y %T@\\n")
        records = sorted(self.top.glob(f"{STATE}/*.env"))
        return names + "".join(path.read_text() for path in records)

    @property
    def record(self) -> Path:
        return self.top / STATE / "rollback.env"


@pytest.fixture
def layout(volumes: Volumes) -> Layout:
    return Layout(volumes)


# The filesystem


@contextlib.contextmanager
def copy(filesystem: Filesystem) -> Iterator[str]:
    """A copy of the filesystem as it is now, on a device of its own."""
    filesystem.sync()
    image = filesystem.directory / "copy.img"
    shutil.copyfile(filesystem.image, image)
    device = attach(image)
    try:
        yield device
    finally:
        detach(device, image)


def uuid_of(device: str) -> str:
    return sh("blkid", "-p", "-s", "UUID", "-o", "value", device).strip()


def test_a_copy_that_is_attached(layout: Layout) -> None:
    """The record would fit both, and the hook might roll back the wrong one."""
    layout.configure(layout.mount())
    device = layout.filesystem.device
    with copy(layout.filesystem) as other:
        message = layout.refused().message
        assert device in message and other in message and uuid_of(device) in message
    layout.set_up()
    assert records.parse_rollback(layout.record.read_bytes()).fsid == uuid_of(device)


def test_a_mounted_copy_is_recorded_by_the_uuid_on_its_device(layout: Layout) -> None:
    """While the original is mounted, the kernel shows a temporary one, which no later boot finds."""
    filesystem = layout.filesystem
    with copy(filesystem) as other:
        where, top = filesystem.directory / "copy", filesystem.directory / "copy-top"
        for place, options in ((where, "subvol=root"), (top, "subvolid=5")):
            place.mkdir()
            mounted = subprocess.run(["mount", "-o", options, other, place], capture_output=True, check=False)
            if mounted.returncode != 0:
                sh("umount", "-A", "-q", other) if where.is_mount() else None
                pytest.skip("this kernel does not mount a copy beside its original: Linux 6.7 or later does")
        try:
            filesystem.close_mounts()
            detach(filesystem.device, filesystem.image)
            layout.configure(where)
            with Manager(os.fsencode(layout.config)) as manager:
                shown = manager.machine.filesystem.hex()
            assert shown != uuid_of(other).replace("-", ""), "the kernel's, which setup must not take"
            layout.set_up()
            written = (top / STATE / "rollback.env").read_bytes()
            assert records.parse_rollback(written).fsid == uuid_of(other)
        finally:
            sh("umount", top, where)
            filesystem.device = attach(filesystem.image)


def test_a_second_device_of_the_filesystem_is_no_copy(layout: Layout, tmp_path: Path) -> None:
    layout.configure(layout.mount())
    image = tmp_path / "second.img"
    with open(image, "wb") as stream:
        stream.truncate(512 << 20)
    device = attach(image)
    try:
        sh("btrfs", "device", "add", device, layout.top)
        layout.set_up()
        assert records.parse_rollback(layout.record.read_bytes()).fsid == uuid_of(device)
        sh("btrfs", "device", "remove", device, layout.top)
    finally:
        detach(device, image)


def test_a_filesystem_that_grew_on_a_seed(layout: Layout, tmp_path: Path) -> None:
    filesystem = layout.filesystem
    filesystem.close_mounts()
    sh("btrfstune", "-f", "-S", "1", filesystem.device)
    where = layout.mount()
    layout.configure(where)
    with pytest.raises(NotSetUp, match="is a seed device"):
        layout.set_up(dry_run=True)
    image = tmp_path / "sprout.img"
    with open(image, "wb") as stream:
        stream.truncate(512 << 20)
    sprout = attach(image)
    try:
        sh("btrfs", "device", "add", "-f", sprout, where)
        sh("mount", "-o", "remount,rw", where)
        with pytest.raises(NotSetUp, match=f"grew on the seed device {filesystem.device}") as raised:
            layout.set_up()
        assert raised.value.hint and "btrfs device remove" in raised.value.hint
        filesystem.close_mounts()
    finally:
        detach(sprout, image)
    sh("btrfstune", "-f", "-S", "0", filesystem.device)


# Another system


def test_a_second_system_leaves_the_record_of_the_first(layout: Layout) -> None:
    layout.configure(layout.mount())
    layout.set_up()
    layout.filesystem.snapshot("seed", "other-blank", readonly=True)
    layout.filesystem.snapshot("other-blank", "other")
    layout.configure(layout.mount("other", "mnt2"))
    error = layout.refused()
    assert "another system" in error.message and "rolls back root, and this one is other" in error.message
    assert layout.filesystem.device in (error.hint or "")
    layout.record.unlink()  # as the hint says, when the first system is given up
    layout.set_up()
    assert b"SUBVOLUME=other\n" in layout.record.read_bytes()


def test_a_shared_home_makes_no_system_the_other(layout: Layout) -> None:
    for name in ("home", "other"):
        layout.filesystem.snapshot("seed", f"{name}-blank", readonly=True)
        layout.filesystem.snapshot(f"{name}-blank", name)
    home = f'[[volume]]\nmountpoint = "{layout.mount("home", "mnt-home")}"\npath = "/home"\n'
    layout.configure(layout.mount(), more=home)
    layout.set_up()
    layout.configure(layout.mount("other", "mnt2"), more=home)
    assert "rolls back root, and this one is other" in layout.refused().message


def test_a_volume_more_or_less_is_the_same_system(layout: Layout) -> None:
    layout.filesystem.snapshot("seed", "home-blank", readonly=True)
    layout.filesystem.snapshot("home-blank", "home")
    root, where = layout.mount(), layout.mount("home", "mnt-home")
    home = f'[[volume]]\nmountpoint = "{where}"\npath = "/home"\n'
    only_home = f'[[volume]]\nmountpoint = "{where}"\npath = "/home"\n'
    for more in (home, "", home):
        layout.configure(root, more=more)
        layout.set_up()
    layout.config.write_text(only_home)
    layout.set_up()
    layout.configure(root, more=home)
    layout.set_up()
    volumes = records.parse_rollback(layout.record.read_bytes()).volumes
    assert [one.name for one in volumes] == ["root", "home"]


def test_a_root_that_was_renamed_is_the_same_system(layout: Layout) -> None:
    root = layout.mount()
    layout.configure(root)
    layout.set_up()
    layout.filesystem.umount(root)
    (layout.top / "root").rename(layout.top / "@root")
    layout.configure(layout.mount("@root"), 'blank = "root-blank"')
    layout.set_up()
    assert b"SUBVOLUME=@root\n" in layout.record.read_bytes()


# Names


@pytest.mark.parametrize("name", ["root+x", "my root", "корень", ".root", "r" * 65])
def test_a_default_name_that_is_no_plain_name(layout: Layout, name: str) -> None:
    layout.filesystem.snapshot("root-blank", name)
    where = layout.mount(name)
    layout.configure(where, 'blank = "root-blank"')
    error = layout.refused()
    assert "no plain name" in error.message and 'name = "root" below [[volume]]' in (error.hint or "")
    layout.configure(where, 'blank = "root-blank"\nname = "root"')
    layout.set_up()
    (volume,) = records.parse_rollback(layout.record.read_bytes()).volumes
    assert (volume.name, volume.subvolume) == ("root", os.fsencode(name))


def test_a_configured_subvolume_whose_name_is_no_plain_name(layout: Layout) -> None:
    layout.filesystem.snapshot("root-blank", "root+x")
    where = layout.mount("root+x")
    layout.configure(where, 'subvolume = "root+x"\nblank = "root-blank"')
    with pytest.raises(ConfigError, match=r"subvolume.*no plain name") as raised:
        layout.set_up()
    assert raised.value.hint == 'name the volume: name = "root" below [[volume]]'
    layout.configure(where, 'subvolume = "root+x"\nblank = "root-blank"\nname = "root"')
    layout.set_up()


@pytest.mark.parametrize("name", ["root(1)", "root;x", "-root", "root\x1b"])
def test_a_path_that_the_initrd_does_not_take(layout: Layout, name: str) -> None:
    btrfsutil.create_snapshot(os.fspath(layout.top / "root-blank"), os.fspath(layout.top / name))
    layout.configure(layout.mount(name), 'blank = "root-blank"\nname = "root"')
    error = layout.refused()
    assert "takes no subvolume" in error.message and "\x1b" not in error.message


# Places


def make_read_only(path: Path) -> None:
    sh("btrfs", "property", "set", "-ts", path, "ro", "true")


def archive_link(layout: Layout) -> None:
    (layout.top / "elsewhere").mkdir()
    (layout.top / "old_roots").symlink_to("elsewhere")


def archive_read_only(layout: Layout) -> None:
    layout.filesystem.subvolume("old_roots")
    make_read_only(layout.top / "old_roots")


def archive_file(layout: Layout) -> None:
    (layout.top / "old_roots").touch()


def staging_link(layout: Layout) -> None:
    staging = layout.top / STATE / "staging"
    staging.rmdir()
    staging.symlink_to("boots")


def staging_file(layout: Layout) -> None:
    staging = layout.top / STATE / "staging"
    staging.rmdir()
    staging.touch()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda layout: make_read_only(layout.top / "root"), "is a read-only subvolume"),
        (archive_link, "old_roots is a symbolic link"),
        (archive_read_only, "the archive old_roots lies in a read-only subvolume"),
        (archive_file, "old_roots at the top level is not a directory"),
    ],
    ids=["root read-only", "archive a link", "archive read-only", "archive a file"],
)
def test_places_before_the_first_setup(layout: Layout, spoil: Callable[[Layout], None], words: str) -> None:
    layout.configure(layout.mount())
    spoil(layout)
    assert words in layout.refused().message


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda layout: make_read_only(layout.top / STATE), f"{STATE} lies in a read-only subvolume"),
        (staging_link, "staging is a symbolic link"),
        (staging_file, "staging at the top level is not a directory"),
    ],
    ids=["state read-only", "staging a link", "staging a file"],
)
def test_places_in_the_state_directory(layout: Layout, spoil: Callable[[Layout], None], words: str) -> None:
    layout.configure(layout.mount())
    layout.set_up()
    spoil(layout)
    assert words in layout.refused().message


def test_a_link_on_the_way_to_the_blank(layout: Layout) -> None:
    (layout.top / "snapshots").mkdir()
    layout.filesystem.snapshot("seed", "snapshots/blank", readonly=True)
    (layout.top / "link").symlink_to("snapshots")
    layout.configure(layout.mount(), 'blank = "link/blank"')
    assert "the blank link/blank: link is a symbolic link" in layout.refused().message


def test_the_command_says_so_too(layout: Layout) -> None:
    layout.configure(layout.mount())
    archive_file(layout)
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    argv = [sys.executable, "-c", script, "--config", os.fspath(layout.config), "setup", "--dry-run"]
    result = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (5, "")
    assert result.stderr.splitlines()[1] == "hint: move it away"
