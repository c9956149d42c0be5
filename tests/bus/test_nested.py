"""What is written in subvolumes nested in a volume is announced, and refused, as anything else."""

from __future__ import annotations

from tests.conftest import sh

from .conftest import Bus, Daemon, Machine, Signals, fetch, wait_until
from .test_gate import INHIBIT, KEY
from .test_shutdown import FakeLogind, bus, logind, state, wall

__all__ = ["bus", "logind", "state", "wall"]  # the fixtures


def test_a_key_that_comes_later_is_announced(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    """Only the first look at a nested subvolume was announced."""
    signals = Signals(bus.connect())
    nested = machine.mountpoint / "home/machine"
    sh("btrfs", "subvolume", "create", nested)
    (nested / "file").write_text("x")
    wait_until(lambda: b"/home/machine" in signals.paths(), "the subvolume")
    (nested / "later").write_text("x")
    wait_until(lambda: b"/home/machine/later" in signals.paths(), "what came later")
    (nested / "id_ed25519").write_text(KEY)
    wait_until(lambda: b"/home/machine/id_ed25519" in signals.paths(), "the key")
    entries = {entry["path"]: entry for entry in fetch(bus, machine.config)["entries"]}
    key = entries["/home/machine/id_ed25519"]
    assert (key["loss"], key["verdict"]) == ("secret", "crud")
    assert key["writer"]["comm"].startswith("python")


def test_many_files_are_one_alert(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    nested = machine.mountpoint / "home/machine"
    sh("btrfs", "subvolume", "create", nested)
    (nested / "tree").mkdir()
    for number in range(200):
        (nested / f"tree/{number}").write_text("x")
    wait_until(lambda: sum(signal[4] for signal in signals.got) >= 200, "all of them")
    assert len(signals.got) < 40, "not one each"


def test_what_is_in_one_that_is_moved_in_is_announced(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    top = machine.filesystem.top
    (machine.filesystem.subvolume("elsewhere") / "key").write_text(KEY)
    (top / "elsewhere").rename(top / "root/home/here")
    wait_until(lambda: b"/home/here" in signals.paths(), "the subvolume")
    wait_until(lambda: sum(signal[4] for signal in signals.got) == 2, "with what is in it")


def test_a_key_in_one_shuts_the_gate(
    logind: FakeLogind, machine: Machine, state: object, daemon: Daemon
) -> None:
    machine.write_config(INHIBIT)
    nested = machine.mountpoint / "home/machine"
    sh("btrfs", "subvolume", "create", nested)
    (nested / "key").write_text(KEY)
    wait_until(lambda: logind.held("block") == 1, "a reboot is refused")
