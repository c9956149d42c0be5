"""A stock machine set up, booted, written to, wiped, and taken back."""

from __future__ import annotations

import stat

import pytest

from tests.conftest import Filesystem

from .machine import ARCH, FEDORA, UBUNTU, Layout, Stock

KEPT = {
    "home/alice/letter": "dear reader\n",
    "etc/ssh/ssh_host_ed25519_key": "the ssh_host_ed25519_key\n",
    "var/log/syslog": "a line\n",
    "root/.bashrc": "alias ll='ls -l'\n",
}


def test_from_an_installer_to_a_wipe_and_back(stock: Stock) -> None:
    said = stock.run("setup", "--yes")
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    assert "done: the next boot wipes\n" in said.stdout

    assert stock.boot().result.action == "wiped"
    found = stock.run("doctor", booted=True)
    assert (found.returncode, found.stdout) == (0, "nothing is wrong.\n"), found.stdout
    for path, content in KEPT.items():
        assert stock.shell(f"cat /{path}").stdout == content
    assert stock.shell("stat -c '%a %u' /home/alice /var/lib/redis").stdout == "700 1000\n750 110\n"
    assert stock.shell("cat /etc/machine-id").stdout == "5d1e0b0c6f3a4a50b5d0f5e4c1f2a301\n"
    assert stock.shell("ls -A /tmp").stdout == ""
    lost = stock.shell("impermanence status --exit-code")
    assert lost.returncode == 0, lost.stdout

    # A day's work: what is kept stays, and crud goes.
    stock.shell("echo more >> /var/log/syslog && echo new > /home/alice/new && echo crud > /etc/crud && sync")
    assert stock.boot().result.action == "wiped"
    assert stock.shell("cat /var/log/syslog /home/alice/new; ls /etc/crud").stdout == "a line\nmore\nnew\n"

    made = stock.shell("echo hello > /etc/motd && impermanence blank create /etc/motd")
    assert made.returncode == 0, made.stderr
    said = stock.shell("impermanence setup --remove --yes")
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    assert said.stdout.endswith(": @persist, old_roots, @rootfs-blank-removed, @rootfs-blank@1\n")
    assert stock.boot().result.action == "off"
    # A normal machine: nothing is mounted, and everything is in its old place.
    assert stock.shell("findmnt -no TARGET --list | grep persist").stdout == ""
    assert (stock.root / "etc/fstab").read_text().count("\n") == 2
    assert (stock.root / "var/log/syslog").read_text() == "a line\nmore\n"
    assert (stock.root / "home/alice/letter").read_text() == KEPT["home/alice/letter"]
    assert stat.S_IMODE((stock.root / "home/alice").stat().st_mode) == 0o700
    assert (stock.root / "home/alice").stat().st_uid == 1000
    assert (stock.root / "var/lib/redis/dump.rdb").stat().st_size == 300_009
    assert not (stock.root / "persist").exists()
    assert not (stock.root / "etc/impermanence/config.d/10-setup.toml").exists()


@pytest.mark.parametrize("layout", [UBUNTU, ARCH, FEDORA], ids=lambda layout: layout.os.split()[0])
def test_the_layouts_of_other_distributions(filesystem: Filesystem, layout: Layout) -> None:
    """Their initrds cannot be had here, so what is in them is a list; all else is as it is there."""
    stock = Stock(filesystem, layout)
    said = stock.run("setup", "--yes")
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    assert "/home is mounted by itself, so it persists as it is" in said.stdout
    assert stock.boot().result.action == "wiped"
    found = stock.run("doctor", booted=True)
    assert (found.returncode, found.stdout) == (0, "nothing is wrong.\n"), found.stdout
    for path, content in KEPT.items():
        assert stock.shell(f"cat /{path}").stdout == content
    fstab = (stock.root / "etc/fstab").read_text()
    assert "subvolid" not in fstab.splitlines()[1]
    assert f"subvol={'@' if layout.root.startswith('@') else ''}persist" in fstab


def test_the_boot_menu_is_written_anew(stock: Stock) -> None:
    for path in ("boot/grub/grub.cfg", "etc/grub.d/42_impermanence"):
        (stock.root / path).parent.mkdir(parents=True)
        (stock.root / path).touch()
    program = stock.programs / "sbin/update-grub"
    program.write_text("#!/bin/sh\necho menu > /boot/grub/grub.cfg\n")
    program.chmod(0o755)
    said = stock.run("setup", "--yes")
    assert said.returncode == 0 and "write the boot menu anew" in said.stdout, said.stderr
    assert stock.boot().result.action == "wiped"
    assert (stock.root / "boot/grub/grub.cfg").read_text() == "menu\n", "the blank has it"


def test_what_a_person_should_know_before(stock: Stock) -> None:
    stock.words += " resume=UUID=1234"
    stock.filesystem.subvolume(f"{stock.layout.root}/var/lib/machines")
    with open(stock.root / "etc/fstab", "a", encoding="utf-8") as fstab:
        fstab.write("UUID=x / btrfs subvolid=256,subvol=@rootfs 0 0\n")
    notes = stock.document("setup", "setup", "--dry-run")["notes"]
    for words in ("resumes from UUID=1234", "/var/lib/machines", "names the root by subvolid="):
        assert any(words in note for note in notes), notes
