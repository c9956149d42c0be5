"""The power is cut while a stock Debian is set up, updated, upgraded and taken back: the next boot has all,
and the command, run again, ends where it should.

No machine boots here, so it may be cut often: CUTS= is how often in each of the four, SEED= which moments.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from full import chapters, guest, stock
from full.cuts import copy, forget
from full.stock import System
from full.test_setup import archive
from full.unbooted import Unbooted
from full.unbooted import archive as served

CUTS = int(os.environ.get("CUTS", "3"))
SYSTEM = System("bookworm", "initramfs-tools")
WORKS = {
    "setup": "impermanence setup --yes",
    "update": f"impermanence update -- apt-get install {chapters.ADDED}",
    "upgrade": f"impermanence update -- apt-get install {stock.kernels(SYSTEM.release)[1]}",
    "remove": "impermanence setup --remove --yes",
}
# What a person has, whatever happened.
KEPT = (
    "cat /etc/ssh/ssh_host_*_key /etc/machine-id ~alice/letter /var/log/mine"
    " && stat -c '%n %U %a %s' ~alice ~alice/letter /var/lib/redis /var/lib/redis/dump.rdb"
)
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
        served(archive(SYSTEM), workspace / "packages") as source,
        Unbooted(workspace, SYSTEM, source) as found,
    ):
        deb = guest.package(SYSTEM.release)
        (found.root / "tmp/product.deb").write_bytes(deb.read_bytes())
        found.install(chapters.CLIENT, "/tmp/product.deb")
        found.run(
            "echo dear > ~alice/letter && chown alice: ~alice/letter && echo log > /var/log/mine"
            " && echo data > /var/lib/redis/dump.rdb && chown redis: /var/lib/redis/dump.rdb"
        )
        found.switch_off()
        yield found


@pytest.mark.timeout(4 * 3600)
def test_power_cuts(machine: Unbooted, figures: dict[str, object]) -> None:
    seed = int(os.environ.get("SEED", str(random.SystemRandom().randrange(10**6))))
    figures["SEED"] = seed
    draw = random.Random(seed)
    machine.switch_on()
    kept = machine.run(KEPT).output
    machine.switch_off()
    for name, command in WORKS.items():
        recording = machine.record(name, command)
        done = machine.directory / "done.img"
        copy(machine.disk, done)
        for where in recording.states(CUTS, draw, machine.disk):
            sys.stdout.write(f"SEED={seed} {name}, cut {where}\n")
            action = machine.boot()
            assert action == "wiped" or name in ("setup", "remove"), action
            assert machine.run(KEPT).output == kept
            machine.run(BOOTABLE)
            again(machine, name, command)
            assert machine.run(KEPT).output == kept
            machine.run(BOOTABLE)
            machine.switch_off()
        figures[f"{name}: cuts, of {recording.last - recording.first} flushes"] = CUTS
        forget(recording)
        done.rename(machine.disk)
        machine.boot()
        machine.switch_off()


def again(machine: Unbooted, name: str, command: str) -> None:
    """Run the command again, and boot into what it leads to."""
    if name == "remove":
        said = machine.run(command, check=False)
        assert said.status == 0 or "nothing to take back" in said.output, said.output
        machine.run("echo mine > /etc/mine")
        assert machine.boot() == "off"
        machine.run("test -e /etc/mine && test ! -e /persist && ! grep persist /etc/fstab /proc/self/mounts")
        return
    machine.run(f"apt-get update && {command}")
    assert machine.boot() == "wiped"
    assert machine.run("impermanence doctor", check=False).output == "nothing is wrong.\n"
    if name == "update":
        machine.run(chapters.ADDED)
    if name == "upgrade":
        kernel = stock.kernels(SYSTEM.release)[1].removeprefix("linux-image-")
        machine.run(f"test -e /boot/vmlinuz-{kernel} && test $(readlink /vmlinuz) = boot/vmlinuz-{kernel}")
