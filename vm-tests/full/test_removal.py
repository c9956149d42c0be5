"""A newcomer's machine with two kernels: what is lost is said before, and a removed package wipes nothing.

The initrds are those of initramfs-tools.  The second kernel is the first one under a newer name: what a boot
loader would offer is what lies in /boot, and the machine boots with the initrd that it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kernel as kernels
import pytest

from full import guest
from full.guest import TOP, Guest

NEWER = "6.99.0-cloud-amd64"
DROP_IN = """
[persist."/persist"]
directories = ["/var/lib/redis"]
"""
HOOK = "usr/lib/impermanence/impermanence-rollback"


@pytest.fixture
def machine(workspace: Path, kernel: kernels.Kernel, deb: Path) -> Iterator[Guest]:
    """A guest that is off; its second disk is the initrd that it boots with, which has the hook."""
    image = guest.image(kernel, deb, initrd="initramfs-tools")
    found = Guest(workspace, kernel, image, extra=[guest.as_disk(image.initrd, workspace)])
    with found.machine:
        yield found


def findings(machine: Guest, *words: str) -> list[dict[str, Any]]:
    """What doctor finds about something."""
    document = machine.run("impermanence doctor --json 2>/dev/null", check=False, timeout=300).output
    found = json.loads(document)["findings"]
    return [one for one in found if all(word in one["what"] for word in words)]


def add_kernels(machine: Guest, kernel: kernels.Kernel, size: int, *initrds: str) -> None:
    """The kernel that runs, and a newer one; `initrds` are the releases that get the initrd that booted."""
    release = kernel.version
    machine.run(
        f"for one in {' '.join(initrds)}; do head -c {size} /dev/vdb > /boot/initrd.img-$one; done"
        f" && touch /boot/vmlinuz-{release} /boot/vmlinuz-{NEWER}"
        f" && for one in {release} {NEWER}; do echo CONFIG_RD_ZSTD=y > /boot/config-$one; done"
        f" && cp -aT --reflink=auto /lib/modules/{release} /lib/modules/{NEWER}"
    )


@pytest.mark.timeout(2400)
def test_from_a_declaration_to_a_purge(
    machine: Guest, kernel: kernels.Kernel, deb: Path, figures: dict[str, object]
) -> None:
    size = guest.image(kernel, deb, initrd="initramfs-tools").initrd.stat().st_size
    machine.boot()
    machine.run("impermanence setup")

    # Declared, and nothing else: the gate blocks, doctor names it, and it is gone with the drop-in.
    machine.run("mkdir -p /var/lib/redis && printf 'REDIS0011' > /var/lib/redis/dump.rdb")
    machine.run(f"printf '%s' '{DROP_IN}' > /etc/impermanence/config.d/suggested.toml")
    machine.run("systemctl reload-or-restart impermanenced.service", check=False)
    blocked = machine.run("impermanence gate", check=False)
    assert blocked.status == 3, blocked.output
    (declared,) = findings(machine, "declared, but nothing is mounted there: /var/lib/redis")
    assert declared["severity"] == "error"
    assert "echo '/persist/var/lib/redis /var/lib/redis none bind 0 0' >> /etc/fstab" in declared["commands"]
    (lacks,) = findings(machine, "lacks the configuration", "/etc/impermanence/config.d/suggested.toml")
    assert lacks["severity"] == "error"
    assert findings(machine, "nothing of the home of alice, /home/alice, is kept")

    # A kernel update: that the boot would be refused is said before it, with the commands.
    add_kernels(machine, kernel, size, kernel.version)
    newest = f"kernel {NEWER}, the newest one,"
    (refused,) = findings(machine, f"{newest} has no modules in the blank root-blank")
    assert (refused["severity"], refused["reason_code"]) == ("error", "blank-lacks-modules")
    said = machine.run("impermanence next", check=False).output
    assert f"{newest} has no modules in the blank root-blank" in said, said
    assert findings(machine, f"{newest} has no initrd")
    machine.run(" && ".join(refused["commands"]) + " && umount /mnt")
    assert findings(machine, newest, "has no modules") == []

    # The first wipe, and what was said: it is gone.
    machine.reboot()
    machine.open_top()
    assert machine.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
    machine.run("test ! -e /var/lib/redis && test ! -e /etc/impermanence/config.d/suggested.toml")
    machine.run(f"test -d /lib/modules/{NEWER}")

    # Both kernels have an initrd with the hook, and the package is purged.
    add_kernels(machine, kernel, size, kernel.version, NEWER)
    for release in (kernel.version, NEWER):
        assert machine.run(f"lsinitramfs /boot/initrd.img-{release} | grep -c {HOOK}").output == "1\n"
    assert findings(machine, "has no hook") == []
    # Each initrd takes an emulated processor minutes; the root is on a plain disk.
    machine.run("rm -f /usr/share/initramfs-tools/hooks/crypt* /usr/share/initramfs-tools/hooks/lvm2")
    purged = machine.run("dpkg --purge impermanenced", timeout=1500)
    figures["dpkg --purge with two kernels, seconds (emulated)"] = round(purged.seconds, 1)
    assert "remove .impermanence/rollback.env, which every initrd obeys" in purged.output, purged.output
    for release in (kernel.version, NEWER):
        listed = machine.run(f"lsinitramfs /boot/initrd.img-{release}").output
        assert "init" in listed.split() and "impermanence" not in listed
    assert machine.run(f"ls {TOP}/.impermanence/rollback.env", check=False).status != 0

    # The older kernel boots with the initrd from before, which has the hook: nothing is wiped.
    machine.run("echo mine > /var/lib/mine && sync")
    root = machine.root_uuid()
    machine.reboot()
    result = machine.fields("/run/impermanence/rollback.env")
    assert (result["ACTION"], result["REASON_CODE"]) == ("off", "no-record")
    assert machine.root_uuid() == root
    machine.run("test -f /var/lib/mine && test -d /etc/impermanence")
