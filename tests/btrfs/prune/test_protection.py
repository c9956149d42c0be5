"""What no deletion ever gets to: the volumes, the blank, the default subvolume, what is mounted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import btrfsutil
import pytest

from impermanenced.boots import records, setup
from impermanenced.boots.prune import protection, tree
from impermanenced.report.report import Manager
from tests.conftest import sh
from tests.isolation import PATIENCE

from .machine import System, sh_subvolume


def test_default_subvolume(system: System) -> None:
    old = system.boot(90)
    btrfsutil.set_default_subvolume(os.fspath(old))
    assert system.reason(old) == "it is the default subvolume"
    btrfsutil.set_default_subvolume(os.fspath(system.top), 5)
    system.goes(old)


def test_default_subvolume_nested_in_it(system: System) -> None:
    old = system.boot(90)
    deep = Path(sh_subvolume(old / "a"))
    btrfsutil.set_default_subvolume(os.fspath(deep))
    assert system.reason(old) == "it is the default subvolume"
    assert deep.exists()
    btrfsutil.set_default_subvolume(os.fspath(system.top), 5)


@pytest.mark.parametrize("what", ["itself", "nested", "bind of a directory", "bind of a nested one"])
def test_mounted(system: System, tmp_path: Path, what: str) -> None:
    old = system.boot(90)
    (old / "etc").mkdir()
    nested = Path(sh_subvolume(old / "nested"))
    (nested / "etc").mkdir()
    where = tmp_path / "elsewhere"
    where.mkdir()
    if what.startswith("bind"):
        sh("mount", "--bind", (nested if "nested" in what else old) / "etc", where)
    else:
        path = (nested if what == "nested" else old).relative_to(system.top)
        sh("mount", "-o", f"subvol={path}", system.filesystem.device, where)
    try:
        assert "is mounted" in system.reason(old)
        assert nested.exists()
    finally:
        sh("umount", where)
    system.goes(old)


def test_something_else_is_mounted_on_a_directory_of_it(system: System) -> None:
    # The kernel would take the mount away together with its mount point.
    old = system.boot(90)
    (old / "data").mkdir()
    sh("mount", "-t", "tmpfs", "none", old / "data")
    try:
        assert system.reason(old) == f"something is mounted on old_roots/{old.name}/data"
    finally:
        sh("umount", old / "data")
    system.goes(old)


def test_mounted_in_another_namespace(system: System, tmp_path: Path) -> None:
    old = system.boot(90)
    where = tmp_path / "elsewhere"
    where.mkdir()
    subvolume = f"subvol=old_roots/{old.name}"
    script = f"mount -o {subvolume} {system.filesystem.device} {where} && echo ready && read x"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert "is mounted" in system.reason(old)
        process.communicate("x\n", timeout=PATIENCE)
    system.goes(old)


def test_an_old_root_that_has_become_the_blank(system: System) -> None:
    old = system.boot(90)
    sh("btrfs", "property", "set", "-ts", old, "ro", "true")
    system.configure(blank=f"old_roots/{old.name}")
    assert system.reason(old) == "it is the blank of root"


def test_the_blank_of_the_initrd(system: System) -> None:
    # The configuration was changed, and setup has not run since.
    old = system.boot(90)
    sh("btrfs", "property", "set", "-ts", old, "ro", "true")
    system.configure(blank=f"old_roots/{old.name}")
    with Manager(os.fsencode(system.config)) as manager:
        setup.run(manager.config, manager.machine, dry_run=False)
    system.configure()
    assert system.reason(old) == "it is the blank of root in the initrd"


def test_the_volume_of_the_initrd(system: System) -> None:
    # The initrd was told of another layout than the configuration is of now.
    old = system.boot(90)
    volume = records.RollbackVolume("root", b"old_roots/" + old.name.encode(), None)
    rollback = records.RollbackEnv((volume,), archive=b"elsewhere")
    (system.top / ".impermanence/rollback.env").write_bytes(records.format_rollback(rollback))
    assert system.reason(old) == "it is the volume root of the initrd"


def test_what_no_deletion_ever_gets_to(system: System) -> None:
    # Not to be found in an archive, and refused all the same.
    btrfsutil.set_default_subvolume(os.fspath(system.top / "home"))
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        ids = protection.look(manager.config, manager.machine, archive).ids
    named = {system.subvolumes()[name]: words for name, words in [
        (".impermanence", "it is the state directory"),
        ("root", "it is the volume root of the initrd"),
        ("root-blank", "it is the blank of root in the initrd"),
        ("home", "it is the default subvolume"),
    ]}  # fmt: skip
    assert ids.items() >= named.items()
    assert ids[5] == "it is the top level"


def test_the_volume_itself(system: System, tmp_path: Path) -> None:
    # Somebody mounts an old root as the root, without the hook.
    old = system.boot(90)
    where = system.filesystem.mount(tmp_path / "second", f"subvol=old_roots/{old.name}")
    system.configure(rest=f'[[volume]]\nmountpoint = "{where}"\npath = "/x"\nname = "x"\nblank = ""\n')
    assert system.reason(old) == "it is the volume x"


def test_persist_that_lies_in_an_old_root(system: System) -> None:
    old = system.boot(90)
    persist = Path(sh_subvolume(old / "persist"))
    system.configure(rest='[persist."/persist"]\ndirectories = ["/var/log"]\n')
    where = system.root / "persist"
    where.symlink_to(persist)
    assert system.reason(old) == "it holds /persist"
    assert persist.exists()
    where.unlink()
    system.goes(old)


def test_protected_meanwhile(system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Mounted after the plan of this very deletion: the nested subvolume that is left is not touched.
    old = system.boot(90)
    nested = Path(sh_subvolume(old / "nested"))
    nodes = tree.nodes
    where = tmp_path / "late"
    where.mkdir()

    def mount_first(*arguments: Any) -> Any:
        if not os.path.ismount(where):
            path = f"old_roots/{old.name}/nested"
            sh("mount", "-o", f"subvol={path}", system.filesystem.device, where)
        return nodes(*arguments)

    monkeypatch.setattr(tree, "nodes", mount_first)
    try:
        ((_, why),) = system.prune().failed
        assert "is mounted" in why
        assert nested.exists()
    finally:
        sh("umount", where)
