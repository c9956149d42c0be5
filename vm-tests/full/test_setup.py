"""A stock Debian, two commands, and a life with them: set up, written to, wiped, and taken back.

It is one test: every chapter stands on the disk that the one before has left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from full import guest
from full.guest import TOP
from full.stock import SYSTEMS, Stock, System

LOGIN = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes alice@localhost id -un"
HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"


def stock_of(directory: Path, system: System) -> Stock:
    files = {"packages": system.packages("redis-server"), "product": guest.package(system.release)}
    disks = []
    for name, file in files.items():
        (directory / name).mkdir()
        disks.append(guest.as_disk(file, directory / name))
    return Stock(directory, system, disks)


@pytest.fixture(params=SYSTEMS, ids=str)
def machine(request: pytest.FixtureRequest, workspace: Path) -> Iterator[Stock]:
    """A guest that is off; its second disk has packages, and its third one is the product."""
    found = stock_of(workspace, request.param)
    with found.machine:
        yield found


def doctor(machine: Stock) -> list[str]:
    """What is wrong, in words."""
    said = machine.run("impermanence doctor --json 2>/dev/null", check=False, timeout=400).output
    return [one["what"] for one in json.loads(said)["findings"] if one["severity"] != "note"]


@pytest.mark.timeout(5400)
def test_from_an_installer_to_a_normal_machine(machine: Stock, figures: dict[str, object]) -> None:
    system, deb = machine.system, guest.package(machine.system.release)

    def note(what: str) -> None:
        figures[f"{system}: free on the disk, MiB, {what}"] = machine.free() >> 20

    machine.boot()
    machine.unpack("/dev/vdb", system.packages("redis-server").stat().st_size)
    # What a person has done with the machine until then.
    machine.apt("install redis-server")
    machine.run("redis-cli set colour blue && redis-cli save")
    machine.run(
        "install -d -m 700 -o alice -g alice ~alice/.ssh && cd ~alice/.ssh"
        " && ssh-keygen -q -t ed25519 -N '' -f id_ed25519 && cp id_ed25519.pub authorized_keys"
        " && ssh-keyscan -t ed25519 localhost > known_hosts && chown alice: *"
    )
    assert machine.run(LOGIN, user="alice").output == "alice\n"
    keys, machine_id = machine.run(HOST_KEYS).output, machine.run("cat /etc/machine-id").output
    note("stock")

    # Two commands.
    machine.run(f"head -c {deb.stat().st_size} /dev/vdc > /tmp/impermanenced.deb")
    installed = machine.apt("install /tmp/impermanenced.deb")
    figures[f"{system}: apt install, seconds (emulated)"] = round(installed.seconds, 1)
    note("installed")
    set_up = machine.run("impermanence setup --yes", timeout=1500)
    figures[f"{system}: impermanence setup, seconds (emulated)"] = round(set_up.seconds, 1)
    assert "done: the next boot wipes" in set_up.output, set_up.output
    note("set up")
    assert machine.run("redis-cli get colour").output == "blue\n"
    machine.run("redis-cli set shape round && redis-cli save")
    assert machine.run(LOGIN, user="alice").output == "alice\n"

    # The first wipe: it is the same machine.
    machine.reboot()
    machine.open_top()
    assert machine.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
    assert doctor(machine) == []
    assert machine.run(HOST_KEYS).output == keys
    assert machine.run("cat /etc/machine-id").output == machine_id
    assert machine.run(LOGIN, user="alice").output == "alice\n"
    assert machine.run("redis-cli get colour; redis-cli get shape").output == "blue\nround\n"
    boots = machine.run("journalctl --list-boots --quiet | wc -l").output
    assert int(boots) >= 2, "the journal is the one from before"
    assert machine.run("systemctl --failed --no-legend --plain").output == ""
    note("wiped once")
    status = machine.json("impermanence status --json", timeout=400)
    assert [one["path"] for one in status["entries"] if one["loss"] in ("secret", "database")] == []

    # Crud, and what is fetched back.
    machine.run("echo mine > /etc/mine && echo kept > ~alice/kept && echo log > /var/log/mine && sync")
    machine.reboot()
    machine.open_top()
    assert machine.run("cat ~alice/kept /var/log/mine").output == "kept\nlog\n"
    assert machine.run("test -e /etc/mine", check=False).status == 1
    (old,) = machine.run(f"ls -d {TOP}/old_roots/*/etc/mine").output.split()
    machine.run(f"cp -a {old} /etc/mine && cat /etc/mine")

    # And back.
    taken = machine.run("impermanence setup --remove --yes", timeout=900)
    figures[f"{system}: impermanence setup --remove, seconds (emulated)"] = round(taken.seconds, 1)
    machine.reboot()
    note("taken back")
    assert machine.run("cat ~alice/kept /var/log/mine /etc/mine").output == "kept\nlog\nmine\n"
    assert machine.run("findmnt --list --noheadings --output TARGET | grep persist", check=False).output == ""
    assert machine.run("redis-cli get colour; redis-cli get shape").output == "blue\nround\n"
    assert machine.run(HOST_KEYS).output == keys
    assert machine.run(LOGIN, user="alice").output == "alice\n"
    assert machine.run("systemctl --failed --no-legend --plain").output == ""
    machine.run("test -s /var/lib/redis/dump.rdb && test ! -e /persist")
    before = machine.run("btrfs subvolume show / | sed -n 's/^[[:space:]]*UUID:[[:space:]]*//p'").output
    machine.reboot()
    assert machine.root_uuid() == before.strip(), "nothing is wiped any more"
