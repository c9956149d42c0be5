"""What setup makes, when it refuses, and that it can be repeated."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import btrfsutil
import pytest

from impermanenced.boots import records, setup
from impermanenced.errors import NotSetUp
from impermanenced.report.report import Manager

from ..conftest import sh
from .conftest import Volumes


@pytest.fixture
def config(volumes: Volumes) -> Path:
    mountpoint = volumes.filesystem.mount(volumes.filesystem.directory / "mnt", "subvol=root")
    path = volumes.filesystem.directory / "config.toml"
    path.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\n')
    return path


def run(manager: Manager, *, dry_run: bool = False) -> list[str]:
    return setup.run(manager.config, manager.machine, dry_run=dry_run)


def everything(top: Path) -> set[str]:
    return set(sh("find", top, "-printf", "%p %m %y\\n").splitlines())


def test_setup_makes_what_the_hook_reads(volumes: Volumes, config: Path) -> None:
    with Manager(os.fsencode(config)) as manager:
        assert len(run(manager)) == 6
    state = volumes.top / ".impermanence"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert btrfsutil.is_subvolume(os.fspath(state))
    rollback = records.parse_rollback((state / "rollback.env").read_bytes())
    assert rollback.fsid == sh("blkid", "-s", "UUID", "-o", "value", volumes.filesystem.device).strip()
    (volume,) = rollback.volumes
    shown = sh("btrfs", "subvolume", "show", volumes.top / "root-blank")
    assert (volume.name, volume.subvolume, volume.blank) == ("root", b"root", b"root-blank")
    assert volume.blank_uuid and volume.blank_uuid in shown
    assert (volumes.top / "old_roots").is_dir()


def test_setup_again_does_nothing(volumes: Volumes, config: Path) -> None:
    with Manager(os.fsencode(config)) as manager:
        run(manager)
        before = everything(volumes.top)
        assert run(manager) == []
    assert everything(volumes.top) == before


def test_dry_run_changes_nothing(volumes: Volumes, config: Path) -> None:
    before = everything(volumes.top)
    with Manager(os.fsencode(config)) as manager:
        assert len(run(manager, dry_run=True)) == 6
    assert everything(volumes.top) == before


def test_a_changed_configuration_is_written_again(volumes: Volumes, config: Path) -> None:
    with Manager(os.fsencode(config)) as manager:
        run(manager)
    config.write_text(config.read_text() + "[rollback]\nwipe = false\n")
    with Manager(os.fsencode(config)) as manager:
        assert run(manager) == ["write .impermanence/rollback.env, which the initrd obeys"]
    content = (volumes.top / ".impermanence/rollback.env").read_bytes()
    assert records.parse_rollback(content).wipe is False


def refused(config: Path) -> NotSetUp:
    with pytest.raises(NotSetUp) as raised, Manager(os.fsencode(config)) as manager:
        run(manager)
    assert raised.value.hint
    return raised.value


def test_writable_blank_is_refused(volumes: Volumes, config: Path) -> None:
    sh("btrfs", "property", "set", "-ts", volumes.top / "root-blank", "ro", "false")
    before = everything(volumes.top)
    assert "can be written to" in refused(config).message
    assert everything(volumes.top) == before


def test_an_empty_root_is_only_made_where_it_is_asked_for(volumes: Volumes, config: Path) -> None:
    sh("btrfs", "subvolume", "delete", volumes.top / "root-blank")
    assert "no blank" in refused(config).message
    config.write_text(config.read_text() + 'blank = ""\n')
    with Manager(os.fsencode(config)) as manager:
        run(manager)
    content = (volumes.top / ".impermanence/rollback.env").read_bytes()
    assert records.parse_rollback(content).volumes[0].blank is None


def test_something_else_where_the_state_directory_goes(volumes: Volumes, config: Path) -> None:
    (volumes.top / ".impermanence").mkdir()
    assert "not a subvolume" in refused(config).message
    (volumes.top / ".impermanence").rmdir()
    (volumes.top / ".impermanence").symlink_to("root")
    assert "not a subvolume" in refused(config).message


def test_archive_inside_the_volume(volumes: Volumes, config: Path) -> None:
    config.write_text(config.read_text() + '[archive]\ndirectory = "root/old"\n')
    with pytest.raises(Exception, match="archive"), Manager(os.fsencode(config)) as manager:
        run(manager)
