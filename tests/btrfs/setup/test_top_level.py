"""A root at the top level of its BTRFS: moved into a subvolume, by the real grub-mkconfig, and set up."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import sh
from tests.grub import copy_generators

from .machine import RELEASE, Stock
from .test_converted import KEPT


@pytest.fixture
def machine(stock: Stock) -> Stock:
    """A Debian at the top level, with a subvolume nested in it, whose GRUB is configured."""
    sh("cp", "-a", f"{stock.root}/.", stock.top)
    for where in reversed(stock.mounted):
        stock.filesystem.umount(where)
    stock.mounted = []
    sh("btrfs", "subvolume", "delete", stock.top / "@rootfs")
    root = stock.root = stock.top
    (stock.filesystem.subvolume("data") / "precious").write_text("mine\n")
    fstab = root / "etc/fstab"
    fstab.write_text(fstab.read_text().replace("defaults,subvol=@rootfs", "defaults"))
    for directory in ("etc/grub.d", "etc/default", "boot/grub"):
        (root / directory).mkdir(parents=True)
    (root / "etc/default/grub").write_text("GRUB_DISABLE_OS_PROBER=true\n")
    copy_generators(root / "etc/grub.d")
    (root / "boot/grub/grub.cfg").write_text("# the old menu\n")
    stock.words = f"root={stock.filesystem.device}"
    return stock


def reboot(machine: Stock) -> None:
    """Into the subvolume, as the menu says."""
    machine.words += " rootflags=subvol=@rootfs"
    machine._mount()


def test_it_is_moved_and_set_up_after_a_reboot(machine: Stock) -> None:
    before = machine.everything()
    plan = machine.document("setup", "setup", "--dry-run")
    assert (plan["possible"], plan["root"]) == (True, "@rootfs")
    assert [step["kind"] for step in plan["steps"]] == ["snapshot", "fstab", "loader"]
    code, said = machine.terminal([b"n\n"], "setup")
    assert code == 0 and "nothing was changed" in said
    assert machine.everything() == before

    done = machine.run("setup", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Reboot now, and run there:  impermanence setup" in done.stdout
    # What boots: the menu at the top level leads to that of the new root, which names it.
    menu, new = machine.top / "boot/grub/grub.cfg", machine.top / "@rootfs/boot/grub/grub.cfg"
    sh("grub-script-check", menu)
    assert "set prefix=($root)/@rootfs/boot/grub\nconfigfile $prefix/grub.cfg\n" in menu.read_text()
    assert f"linux\t/@rootfs/boot/vmlinuz-{RELEASE} " in new.read_text()
    assert "rootflags=subvol=@rootfs" in new.read_text()
    assert (machine.top / "boot/grub/grub.cfg.before-setup").read_text() == "# the old menu\n"
    assert "subvol" not in (machine.top / "etc/fstab").read_text(), "the old root is as it was"
    lines = (machine.top / "@rootfs/etc/fstab").read_text().splitlines()
    assert lines[1].split()[3] == "defaults,subvol=@rootfs"
    assert lines[2].split()[1] == "/data" and "subvol=data" in lines[2]
    # Before the reboot there is nothing more to do.
    again = machine.run("setup", "--yes")
    assert again.returncode == 5 and "the root was moved to @rootfs" in again.stderr

    reboot(machine)
    done = machine.shell("cat /data/precious; impermanence setup --yes >&2; impermanence doctor")
    assert done.stdout == "mine\nnothing is wrong.\n", done.stderr
    assert machine.boot().result.action == "wiped"
    for path, content in KEPT.items():
        assert machine.shell(f"cat /{path}").stdout == content
    assert machine.shell("cat /data/precious").stdout == "mine\n"


def test_a_move_that_fails_leaves_the_old_root_booting(machine: Stock) -> None:
    machine.install("sbin/update-grub", "#!/bin/sh\necho 'no device' >&2\nexit 1\n")
    said = machine.run("setup", "--yes")
    assert said.returncode == 1 and "no device" in said.stderr
    assert (machine.top / "boot/grub/grub.cfg").read_text() == "# the old menu\n"
    (machine.programs / "sbin/update-grub").unlink()
    assert machine.run("setup", "--yes").returncode == 0
    assert "/@rootfs2/boot/grub" in (machine.top / "boot/grub/grub.cfg").read_text()


def test_the_entries_of_systemd_boot_name_it(machine: Stock) -> None:
    shutil.rmtree(machine.top / "boot/grub")
    entries = machine.top / "boot/loader/entries"
    entries.mkdir(parents=True)
    (machine.top / "boot/loader/loader.conf").touch()
    entry = entries / "debian.conf"
    entry.write_text(f"title Debian\nlinux /vmlinuz-{RELEASE}\noptions root=/dev/vda ro quiet\n")
    said = machine.run("setup", "--yes")
    assert said.returncode == 0, said.stderr
    assert "options root=/dev/vda ro quiet rootflags=subvol=@rootfs\n" in entry.read_text()
    assert "the root was moved to @rootfs" in machine.run("setup", "--yes").stderr
