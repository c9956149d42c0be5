"""The life of a machine in chapters: each begins with a machine that is on, as the one before has left it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from full.stock import Stock

LOGIN = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes alice@localhost id -un"
HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"
CLIENT = "redis-server"  # a service with state
ADDED = "hello"  # a package of one program, of the same name, that an update brings
LIVE = "tree"  # one that somebody installs in the running system
NOTICE = "the next boot undoes that"

Note = Callable[[str], None]  # it takes down how much of the disk is free, and when


def doctor(machine: Stock) -> list[str]:
    """What is wrong, in words."""
    said = machine.run("impermanence doctor --json 2>/dev/null", check=False, timeout=400).output
    return [one["what"] for one in json.loads(said)["findings"] if one["severity"] != "note"]


def is_there(machine: Stock, *programs: str) -> list[bool]:
    return [machine.run(f"command -v {name}", check=False).status == 0 for name in programs]


def releases(machine: Stock) -> list[int]:
    """The numbers of the releases of the blank, the newest first."""
    found = machine.json("impermanence blank list --json", timeout=400)["releases"]
    return [one["number"] for one in found]


class Life:
    """What is to stay as it is, as a person sees it."""

    def __init__(self, machine: Stock) -> None:
        self.keys = machine.run(HOST_KEYS).output
        self.machine_id = machine.run("cat /etc/machine-id").output
        self.shape = ""

    def check(self, machine: Stock) -> None:
        assert machine.run(HOST_KEYS).output == self.keys
        assert machine.run("cat /etc/machine-id").output == self.machine_id
        assert machine.run(LOGIN, user="alice").output == "alice\n"
        assert machine.run("redis-cli get colour; redis-cli get shape").output == f"blue\n{self.shape}\n"
        assert machine.run("systemctl --failed --no-legend --plain").output == ""

    def wiped(self, machine: Stock) -> None:
        """Reboot into a fresh root, with nothing for doctor to say."""
        machine.reboot()
        machine.open_top()
        result = machine.fields("/run/impermanence/rollback.env")
        assert result["ACTION"] == "wiped", result
        assert machine.run("uname -r").output.strip() == machine.release
        machine.run("test -d /lib/modules/$(uname -r)/kernel && modprobe loop")
        assert doctor(machine) == []
        self.check(machine)


def stock(machine: Stock, note: Note) -> Life:
    """What a person has done with a machine before the product is there."""
    machine.apt(f"install {CLIENT}")
    machine.run("redis-cli set colour blue && redis-cli save")
    machine.run(
        "install -d -m 700 -o alice -g alice ~alice/.ssh && cd ~alice/.ssh"
        " && ssh-keygen -q -t ed25519 -N '' -f id_ed25519 && cp id_ed25519.pub authorized_keys"
        " && sed 's/^/localhost /' /etc/ssh/ssh_host_ed25519_key.pub > known_hosts && chown alice: *"
    )
    life = Life(machine)
    life.check(machine)
    note("stock")
    return life


def install(machine: Stock, deb: Path, note: Note) -> float:
    """Install the product with apt; the seconds it took."""
    machine.run(f"head -c {deb.stat().st_size} /dev/vdc > /tmp/impermanenced.deb")
    installed = machine.apt("install /tmp/impermanenced.deb")
    note("installed")
    return installed.seconds


def set_up(machine: Stock, life: Life, note: Note) -> float:
    """Set it up with one command, and go on working; the seconds it took."""
    said = machine.run("impermanence setup --yes", timeout=1500)
    assert "done: the next boot wipes" in said.output, said.output
    note("set up")
    machine.run("redis-cli set shape round && redis-cli save")
    life.shape = "round"
    life.check(machine)
    return said.seconds


def first_wipe(machine: Stock, life: Life, note: Note) -> None:
    """Reboot into the same machine, and leave crud in it."""
    life.wiped(machine)
    boots = machine.run("journalctl --list-boots --quiet | wc -l").output
    assert int(boots) >= 2, "the journal is the one from before"
    note("wiped once")
    status = machine.json("impermanence status --json", timeout=400)
    assert [one["path"] for one in status["entries"] if one["loss"] in ("secret", "database")] == []
    machine.run("echo mine > /etc/mine && echo kept > ~alice/kept && echo log > /var/log/mine && sync")


def restored(machine: Stock, life: Life, note: Note) -> None:
    """Find the crud gone after a reboot, and fetch it back for this boot."""
    life.wiped(machine)
    assert machine.run("cat ~alice/kept /var/log/mine").output == "kept\nlog\n"
    assert machine.run("test -e /etc/mine", check=False).status == 1
    machine.run("impermanence restore -b -1 /etc/mine", timeout=400)
    assert machine.run("cat /etc/mine").output == "mine\n"
    note("restored")


def updated(machine: Stock, life: Life, kernel: str, note: Note) -> None:
    """Bring a package and a newer kernel by two updates: after a reboot they are there, and nothing of this
    boot is.
    """
    before = machine.release
    assert is_there(machine, ADDED) == [False]
    machine.run(f"impermanence update -- apt-get install {ADDED}", timeout=3000)
    note("updated")
    said = machine.run(f"impermanence update -- apt-get install {kernel}", timeout=3000)
    note("updated to a newer kernel")
    assert is_there(machine, ADDED) == [False], "the running system is as it was"
    assert doctor(machine) == []
    life.wiped(machine)
    assert before != machine.release == kernel.removeprefix("linux-image-"), said.output
    assert is_there(machine, ADDED) == [True]
    assert machine.run("test -e /etc/mine", check=False).status == 1
    note("updated and wiped")


def same(machine: Stock, life: Life, note: Note) -> None:
    """Install something live: it is noticed, and brought into the blank from what apt has downloaded."""
    installed = machine.apt(f"install {LIVE}")
    assert NOTICE in installed.output and LIVE in installed.output, installed.output
    machine.unplug()
    said = machine.run("impermanence update --same", timeout=1500)
    assert "network" not in said.output, said.output
    note("installed live, and repeated")
    life.wiped(machine)
    assert is_there(machine, ADDED, LIVE) == [True, True]
    assert "nothing was different" in machine.run("impermanence update --same", timeout=1500).output
    note("repeated and wiped")


def reverted(machine: Stock, life: Life, to: int, note: Note) -> None:
    """Take back what all releases after that one have brought: the kernel too is the one from before."""
    newer = machine.release
    machine.run(f"impermanence blank revert {to}", timeout=1500)
    note("reverted")
    life.wiped(machine)
    assert machine.release != newer
    assert is_there(machine, ADDED, LIVE) == [False, False]
    note("reverted and wiped")


def taken_back(machine: Stock, life: Life, note: Note) -> float:
    """Take the product's work back, and reboot into a normal machine; return the seconds the command took."""
    machine.run("echo mine > /etc/mine")
    said = machine.run("impermanence setup --remove --yes", timeout=1500)
    before = machine.root_uuid()
    machine.reboot()
    assert machine.root_uuid() == before, "nothing is wiped any more"
    note("taken back")
    life.check(machine)
    assert machine.run("cat ~alice/kept /var/log/mine /etc/mine").output == "kept\nlog\nmine\n"
    assert machine.run("findmnt --list --noheadings --output TARGET | grep persist", check=False).output == ""
    machine.run("test -s /var/lib/redis/dump.rdb && test ! -e /persist")
    return said.seconds
