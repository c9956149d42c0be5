"""What doctor finds on a machine that was set up, each finding provoked, and what --fix mends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.boots.doctor_system import known_faults
from tests.conftest import sh
from tests.schema import checked

from .machine import RELEASE, Stock

UNIT = "impermanenced.service"


@pytest.fixture
def machine(stock: Stock) -> Stock:
    """Set up, and booted once."""
    said = stock.run("setup", "--yes")
    assert said.returncode == 0, said.stderr
    assert stock.boot().result.action == "wiped"
    return stock


def findings(machine: Stock) -> list[tuple[str, str]]:
    said = machine.run("doctor", "--json", booted=True)
    document = checked("doctor", said.stdout)
    return [(one["severity"], one["what"]) for one in document["findings"]]


def mended(machine: Stock) -> str:
    """What --fix says on the way; afterwards nothing is wrong."""
    said = machine.run("doctor", "--fix", "--yes", booted=True)
    assert (said.returncode, said.stdout) == (0, "nothing is wrong.\n"), said.stderr
    return said.stderr


def test_a_clean_machine_gives_none(machine: Stock) -> None:
    assert findings(machine) == []
    assert mended(machine) == ""


def test_an_initrd_that_is_older_than_the_hook_is_built_anew(machine: Stock) -> None:
    os.utime(machine.root / "boot" / machine.layout.initrd, (0, 0))
    warning = f"the initrd of kernel {RELEASE}, the newest one, is older than the hook that is installed"
    ((severity, what),) = findings(machine)
    assert severity == "warning" and what.startswith(warning)
    assert mended(machine) == f"impermanence: done: update-initramfs -u -k {RELEASE}\n"


def test_an_initrd_without_the_hook_is_built_anew(machine: Stock) -> None:
    (machine.root / "boot" / machine.layout.initrd).write_text("init\n")
    ((severity, what),) = findings(machine)
    assert severity == "error" and "has no hook" in what
    mended(machine)


def test_a_setup_that_is_older_than_a_change_is_made_anew(machine: Stock) -> None:
    added = 'printf "[rollback]\\non-failure = \\"stop\\"\\n" > /etc/impermanence/config.d/mine.toml'
    assert machine.shell(added).returncode == 0
    ((severity, what),) = findings(machine)
    assert severity == "warning" and what.startswith("setup has not been run since something changed")
    assert mended(machine) == "impermanence: done: impermanence setup\n"


def test_what_cannot_be_mended_stays(machine: Stock) -> None:
    (machine.programs / machine.layout.builder).write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    (machine.root / "boot" / machine.layout.initrd).write_text("init\n")
    said = machine.run("doctor", "--fix", "--yes", booted=True)
    assert said.returncode == 1 and "has no hook" in said.stdout
    assert said.stderr.splitlines() == [
        "impermanence: update-initramfs failed with status 1: no room",
        f"hint: by hand: update-initramfs -u -k {RELEASE}",
    ]


def test_nobody_is_there_to_ask(machine: Stock) -> None:
    (machine.root / "boot" / machine.layout.initrd).write_text("init\n")
    said = machine.run("doctor", "--fix", booted=True)
    assert said.returncode == 2 and "nobody to ask" in said.stderr
    assert machine.run("doctor", "--yes").returncode == 2


def test_a_unit_that_does_not_start_is_enabled(machine: Stock) -> None:
    place = machine.programs / "lib/systemd/system" / UNIT
    place.parent.mkdir(parents=True)
    place.write_text("[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
    units = machine.root / "etc/systemd/system"
    assert findings(machine) == [("warning", f"{UNIT} does not start at boot")]
    mended(machine)
    (units / "multi-user.target.wants" / UNIT).unlink()
    (units / UNIT).symlink_to("/dev/null")
    assert findings(machine) == [("warning", f"{UNIT} is masked")]
    mended(machine)
    assert (units / "multi-user.target.wants" / UNIT).is_symlink()


def test_an_owner_that_no_account_has(machine: Stock) -> None:
    machine.shell("cd /var/lib/redis && chown 4242 dump.rdb && chown 524288 . && sync -f .")
    ((severity, what),) = findings(machine)
    assert severity == "warning"
    assert what.startswith(
        "files in /persist belong to uids that no account has: 4242 (/persist/var/lib/redis/dump.rdb). "
    )
    with open(machine.root / "etc/passwd", "a", encoding="utf-8") as accounts:
        accounts.write("ghost:x:4242:4242::/:/bin/false\n")
    assert findings(machine) == []


def test_little_space(machine: Stock) -> None:
    free = os.statvfs(machine.root).f_bavail * os.statvfs(machine.root).f_frsize
    sh("fallocate", "-l", str(free - (100 << 20)), machine.top / "big")
    sh("sync", "-f", machine.top)
    ((severity, what),) = findings(machine)
    assert severity == "warning" and "are free on the filesystem" in what


def test_boot_loaders_that_boot_by_number(machine: Stock) -> None:
    paths = ("boot/grub/grub.cfg", "boot/loader/entries/debian.conf", "etc/default/grub")
    for path in paths:
        file: Path = machine.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("linux /vmlinuz root=UUID=x ro rootflags=compress=zstd,subvolid=256 quiet\n")
    found = {f"/{path} boots the root by subvolid=, after a rollback that of the old root" for path in paths}
    assert set(findings(machine)) == {("error", what) for what in found}
    for path in paths:
        (machine.root / path).write_text("linux /vmlinuz root=UUID=x rootflags=subvolid=5,subvol=@rootfs\n")
    assert findings(machine) == []


@pytest.mark.parametrize(
    ("release", "count"),
    [
        ("6.15.2-arch1-1", 0),
        ("6.15.3-arch1-1", 1),
        ("6.16.0-1-amd64", 1),
        ("6.16-rc1", 1),
        ("6.16.1-200.fc42.x86_64", 0),
        ("6.1.0-40-amd64", 0),
        ("no number", 0),
    ],
)
def test_kernels_with_known_faults(release: str, count: int) -> None:
    assert len(known_faults(release)) == count


def test_an_installed_kernel_with_a_known_fault(machine: Stock) -> None:
    for name in ("vmlinuz-6.15.4", "initrd.img-6.15.4"):
        (machine.root / "boot" / name).write_text("usr/lib/impermanence/impermanence-rollback\n")
    ((severity, what),) = findings(machine)
    assert severity == "warning"
    assert what.startswith("kernel 6.15.4 has a known fault of BTRFS: after a power cut")
