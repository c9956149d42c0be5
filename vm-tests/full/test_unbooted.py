"""The power is cut while a stock Debian is set up, updated, upgraded and taken back: the next boot has all,
and the command, run again, ends where it should.

CUTS= is how often in each of the four, SEED= which moments.  In the first test no machine boots, so it may be
cut often; in the second one each cut is a boot of what lies in its /boot then, and after the first cut the
command is run again there, too.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from full import chapters, guest, stock
from full.cuts import copy, forget
from full.stock import Stock, System, serving
from full.test_setup import archive
from full.unbooted import Unbooted
from full.unbooted import archive as served

SYSTEM = System("bookworm", "initramfs-tools")
WORKS = {
    "setup": "impermanence setup --yes",
    "update": f"impermanence update -- apt-get install {chapters.ADDED}",
    "upgrade": f"impermanence update -- apt-get install {stock.kernels(SYSTEM.release)[1]}",
    "remove": "impermanence setup --remove --yes",
}
# What a person has, whatever happened; the service writes its file anew when it stops, with its own umask.
KEPT = (
    "cat /etc/ssh/ssh_host_*_key /etc/machine-id ~alice/letter /var/log/mine"
    " && stat -c '%n %U %a' ~alice ~alice/letter /var/lib/redis /var/lib/redis/dump.rdb"
    " && redis-check-rdb /var/lib/redis/dump.rdb | grep -o -e 'RDB looks OK' -e '1 keys read'"
)
COLOUR = """
umask 007 && cd /var/lib/redis && redis-server --port 0 --unixsocket /tmp/redis --daemonize yes --dir . &&
until redis-cli -s /tmp/redis ping; do :; done &&
redis-cli -s /tmp/redis set colour blue && redis-cli -s /tmp/redis shutdown save
"""
# The newest kernel has its initrd, with the hook in it, and its modules; and so has what the links lead to.
BOOTABLE = (
    "newest=$(ls /boot/vmlinuz-* | sort -V | tail -n 1) && newest=${newest#/boot/vmlinuz-}"
    " && lsinitramfs /boot/initrd.img-$newest | grep -q impermanence-rollback"
    " && test -d /lib/modules/$newest/kernel && test -s /vmlinuz && test -s /initrd.img"
)


@pytest.fixture
def machine(workspace: Path) -> Iterator[Unbooted]:
    """One that is off, with the package installed, a service that has state, and a person's files."""
    (workspace / "packages").mkdir()
    with (
        served(archive(SYSTEM), workspace / "packages") as port,
        Unbooted(workspace, SYSTEM, port) as found,
    ):
        deb = guest.package(SYSTEM.release)
        (found.root / "tmp/product.deb").write_bytes(deb.read_bytes())
        found.install(chapters.CLIENT, "/tmp/product.deb")
        found.run(
            "echo dear > ~alice/letter && chown alice: ~alice/letter && echo log > /var/log/mine"
            # As each boot leaves it.
            " && head -c 512 /dev/urandom > /var/lib/systemd/random-seed"
            " && chmod 600 /var/lib/systemd/random-seed"
            f" && runuser -u redis -- sh -euc '{COLOUR}'"
        )
        found.switch_off()
        yield found


def moments(figures: dict[str, object]) -> random.Random:
    """What draws the moments of the cuts; which ones, is among the figures."""
    seed = int(os.environ.get("SEED", str(random.SystemRandom().randrange(10**6))))
    figures["SEED"] = seed
    return random.Random(seed)


@pytest.mark.timeout(4 * 3600)
def test_power_cuts(machine: Unbooted, figures: dict[str, object]) -> None:
    cuts, draw = int(os.environ.get("CUTS", "3")), moments(figures)
    kept = kept_in(machine)
    for name, command in WORKS.items():
        recording = machine.record(name, command)
        done = machine.directory / "done.img"
        copy(machine.disk, done)
        for where in recording.states(cuts, draw, machine.disk):
            sys.stdout.write(f"SEED={figures['SEED']} {name}, cut {where}\n")
            action = machine.boot()
            assert action == "wiped" or name in ("setup", "remove"), action
            assert machine.run(KEPT).output == kept
            machine.run(BOOTABLE)
            again(machine, name, command)
            ends(machine, name, kept)
        figures[f"{name}: cuts, of {recording.last - recording.first} flushes"] = cuts
        forget(recording)
        done.rename(machine.disk)
        machine.boot()
        machine.switch_off()


@pytest.mark.parametrize("name", WORKS)
@pytest.mark.timeout(4 * 3600)
def test_a_machine_boots_after_a_power_cut(
    machine: Unbooted, name: str, workspace: Path, figures: dict[str, object]
) -> None:
    cuts, draw = int(os.environ.get("CUTS", "1")), moments(figures)
    kept = kept_in(machine)
    for before in itertools.takewhile(lambda one: one != name, WORKS):
        machine.switch_on()
        machine.run(f"apt-get update && {WORKS[before]} && sync")
        machine.boot()
        machine.switch_off()
    recording = machine.record(name, WORKS[name])
    packages = archive(SYSTEM)
    (workspace / "archive").mkdir()
    extra = guest.as_disk(packages, workspace / "archive")
    serve = serving("/dev/vdb", packages.stat().st_size, machine.port)
    seconds: list[float] = []
    for number, where in enumerate(recording.states(cuts, draw, machine.disk)):
        sys.stdout.write(f"SEED={figures['SEED']} {name}, cut {where}\n")
        booted = Stock(workspace, SYSTEM, [extra], disk=machine.disk)
        with booted.machine:
            began = time.monotonic()
            booted.boot()
            seconds.append(round(time.monotonic() - began, 1))
            assert booted.run(KEPT).output == kept
            assert booted.run("redis-cli get colour").output == "blue\n"
            assert booted.run("systemctl --failed --no-legend --plain").output == ""
            if number == 0:
                if name in ("update", "upgrade"):
                    booted.run(serve, timeout=600)
                again(booted, name, WORKS[name])
            booted.run("sync")
        # The power is off.  An emulated machine takes minutes for what a chroot does in seconds.
        if number > 0:
            machine.boot()
            again(machine, name, WORKS[name])
        ends(machine, name, kept)
    figures[f"{name}: seconds to boot after a cut (emulated)"] = seconds
    forget(recording)


def kept_in(machine: Unbooted) -> str:
    machine.switch_on()
    kept = machine.run(KEPT).output
    machine.switch_off()
    return kept


def again(machine: Unbooted | Stock, name: str, command: str) -> None:
    """Run the command again."""
    if name == "remove":
        said = machine.run(command, check=False, timeout=1500)
        assert said.status == 0 or "nothing to take back" in said.output, said.output
        machine.run("echo mine > /etc/mine")
    else:
        machine.run(f"apt-get update && {command}", timeout=3000)


def ends(machine: Unbooted, name: str, kept: str) -> None:
    """Boot into what the command leads to."""
    action = machine.boot()
    assert machine.run(KEPT).output == kept
    machine.run(BOOTABLE)
    if name == "remove":
        assert action == "off"
        machine.run("test -e /etc/mine && test ! -e /persist && ! grep persist /etc/fstab /proc/self/mounts")
    else:
        assert action == "wiped"
        assert machine.run("impermanence doctor", check=False).output == "nothing is wrong.\n"
    if name == "update":
        machine.run(chapters.ADDED)
    if name == "upgrade":
        kernel = stock.kernels(SYSTEM.release)[1].removeprefix("linux-image-")
        machine.run(f"test -e /boot/vmlinuz-{kernel} && test $(readlink /vmlinuz) = boot/vmlinuz-{kernel}")
    machine.switch_off()
