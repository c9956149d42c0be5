"""What was compiled from the declarations is handed to the system that starts: whole, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from impermanenced.keep import units
from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach
from tests.shell.handed import compile_into, handed_over
from tests.shell.hook import BUILDS, System

SET = {
    "early": b"VERSION=1\nFSID=00000000-0000-4000-8000-000000000000\n",
    "tmpfiles/impermanence.conf": b"d /persist\n",
    "units/impermanence.target": b"[Unit]\n",
    "units/systemd-machine-id-commit.service.d/impermanence.conf": b"[Unit]\nConditionFirstBoot=yes\n",
    "units/var-lib-a\\x2db.mount": b"[Mount]\n",
    "units/var-log.mount": b"[Mount]\nWhat=/persist/var/log\n" * 3000,  # more than one read
}


@pytest.mark.parametrize("build", BUILDS)
def test_a_compiled_set_is_handed_over(filesystem: Filesystem, build: str) -> None:
    system = System(filesystem)
    system.initrd.build = build
    compile_into(system.state, SET)
    (system.state / "compiled/units/of-nobody.service").write_text("[Service]\n")  # in no manifest
    boot = system.initrd.boot()
    assert handed_over(boot.run) == SET, boot.said
    link = boot.run / "systemd/system/local-fs.target.wants/impermanence.target"
    assert os.readlink(link) == "../impermanence.target"
    assert "handed over" not in boot.said


def test_without_declarations_nothing_is_said(filesystem: Filesystem) -> None:
    system = System(filesystem)
    boot = system.initrd.boot()
    assert handed_over(boot.run) == {}
    assert "handed over" not in boot.said
    compile_into(system.state, {})
    assert handed_over(system.initrd.boot().run) == {}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda compiled: (compiled / "units/var-log.mount").unlink(), "units/var-log.mount is not there"),
        (lambda compiled: (compiled / "early").write_bytes(b"VERSION=1\n"), "early is not as it was written"),
        (lambda compiled: (compiled / "early").write_bytes(b""), "early is not as it was written"),
        (
            lambda compiled: os.truncate(compiled / "units/var-log.mount", 4096),
            "units/var-log.mount is not as it was written",
        ),
        (lambda compiled: (compiled / "manifest").unlink(), "manifest: not a regular file"),
        (
            lambda compiled: os.truncate(compiled / "manifest", 200),
            "manifest: the last line has no end",
        ),
        (
            lambda compiled: os.chown(compiled / "units/var-log.mount", 1000, 0),
            "units/var-log.mount is not a file of root's alone",
        ),
        (
            lambda compiled: (compiled / "units/var-log.mount").chmod(0o666),
            "units/var-log.mount is not a file of root's alone",
        ),
        (lambda compiled: compiled.chmod(0o777), "the directory is not root's alone"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_not_handed_over(filesystem: Filesystem, spoil, said: str) -> None:  # type: ignore[no-untyped-def]
    system = System(filesystem)
    spoil(compile_into(system.state, SET))
    boot = system.initrd.boot()
    assert boot.result.action == "wiped"
    assert handed_over(boot.run) == {}
    assert f"no declaration is handed over, {said}" in boot.said


def test_a_link_in_the_set_is_not_followed(filesystem: Filesystem) -> None:
    system = System(filesystem)
    compiled = compile_into(system.state, SET)
    (compiled / "units").rename(compiled / "others")
    (compiled / "units").symlink_to("others")
    boot = system.initrd.boot()
    assert handed_over(boot.run) == {}
    assert "is not there" in boot.said


@pytest.mark.parametrize(
    "path",
    [
        "units/../../etc/passwd", "units/a/b", "units/.hidden", "units/a b.mount", "/units/a", "tmpfiles/a/b",
        "other/a", "units/", "units/a.d/", "units/a.d/b/c",
    ],
)  # fmt: skip
@pytest.mark.parametrize("build", BUILDS)
def test_a_manifest_with_another_path_is_refused(filesystem: Filesystem, path: str, build: str) -> None:
    system = System(filesystem)
    system.initrd.build = build
    manifest = units.manifest({path: b""})
    compile_into(system.state, {"units/a.d/b": b"", "early": b""}, manifest)
    boot = system.initrd.boot()
    assert handed_over(boot.run) == {}
    assert "manifest: line 2: FILE is not of the right form" in boot.said


@pytest.mark.parametrize(
    ("cmdline", "given"),
    [
        ("", SET),
        ("impermanence=keep", SET),
        ("impermanence=boot=7", SET),  # refused: the root boots unchanged, with what is declared
        ("impermanence=of", {}),
        ("impermanence=off", {}),
        ("rootflags=subvol=root-blank", {}),
        ("rootflags=subvol=/", {}),
    ],
)
def test_every_boot_of_a_volume_gets_what_is_declared(
    filesystem: Filesystem, cmdline: str, given: dict[str, bytes]
) -> None:
    """Another root is not to be trusted with the units of the volumes."""
    system = System(filesystem)
    compile_into(system.state, SET)
    assert handed_over(system.initrd.boot(cmdline).run) == given


def test_a_trial_hands_over_as_well(filesystem: Filesystem) -> None:
    system = System(filesystem, wipe=False)
    compile_into(system.state, SET)
    boot = system.initrd.boot()
    assert boot.result.action == "trial"
    assert handed_over(boot.run) == SET


def test_units_of_a_stick(filesystem: Filesystem, tmp_path: Path) -> None:
    """The record of the initrd names a filesystem; to plug in another one does not make root."""
    system = System(filesystem)
    shutil.move(system.state / "rollback.env", system.initrd.copy)
    fsid = sh("blkid", "-p", "-s", "UUID", "-o", "value", filesystem.device).strip()
    copy = system.initrd.copy
    copy.write_bytes(copy.read_bytes().replace(b"VERSION=1\n", f"VERSION=1\nFSID={fsid}\n".encode()))
    other = tmp_path / "stick.img"
    with open(other, "wb") as stream:
        stream.truncate(128 << 20)
    sh("mkfs.btrfs", "-q", other)
    device = attach(other)
    top = filesystem.directory / "stick"
    top.mkdir()
    sh("mount", device, top)
    sh("btrfs", "subvolume", "create", top / ".impermanence")
    compile_into(top / ".impermanence", {"units/dbus.service": b"[Service]\n"})
    sh("umount", top)
    try:
        boot = system.initrd.boot(f"root={device}")
    finally:
        detach(device, other)
    assert boot.result.action == "other", boot.said
    assert handed_over(boot.run) == {}
