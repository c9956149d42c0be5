"""Which releases `prune` deletes, and which it never does."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from impermanenced.releases.record import format_release, parse_release
from tests.btrfs.boots.machine import Machine, mark
from tests.conftest import sh
from tests.schema import checked

DAY = 86400


def made(machine: Machine, count: int, *, age: int = 90) -> None:
    """Releases that became the blank one after the other, a day apart, the newest `age` days ago."""
    for _ in range(count - 1):
        machine.say("blank", "create")
    for file in machine.state.glob("releases/*.env"):
        release = parse_release(file.read_bytes())
        when = int(time.time()) - (age + count - release.number) * DAY
        file.write_bytes(format_release(dataclasses.replace(release, time=when)))


def keep(machine: Machine, least: int = 0, days: int = 30) -> None:
    mountpoint = f'[[volume]]\nmountpoint = "{machine.root}"\npath = "/"\n'
    machine.config.write_text(f"{mountpoint}[archive]\nkeep-min = {least}\nkeep-days = {days}\n")


def good_boot(machine: Machine) -> None:
    machine.boot()
    mark(machine.boot())


def pruned(machine: Machine, *argv: str) -> Any:
    return checked("prune", machine.say("prune", "--yes", "--json", *argv))["releases"]


def numbers(found: list[Any]) -> list[int]:
    return [one["number"] for one in found]


def test_what_is_old_goes_but_for_the_blank_and_the_one_before(machine: Machine) -> None:
    made(machine, 5)
    good_boot(machine)
    keep(machine)
    found = pruned(machine)
    assert numbers(found["deleted"]) == [1, 2, 3]
    assert [one["reason"] for one in found["stay"]] == ["it takes over if the blank of root cannot boot"]
    assert sorted(path.name for path in machine.filesystem.top.glob("root-blank*")) == [
        "root-blank", "root-blank@4",
    ]  # fmt: skip
    made_next = checked("blank_change", machine.say("blank", "create", "--json"))["release"]
    assert made_next["number"] == 6


def test_the_newest_and_the_young_stay(machine: Machine) -> None:
    made(machine, 5)
    good_boot(machine)
    keep(machine, least=2)
    assert numbers(pruned(machine, "--dry-run")["go"]) == [1, 2]
    keep(machine, days=93)
    assert numbers(pruned(machine)["deleted"]) == [1]


def test_the_last_good_one_stays(machine: Machine) -> None:
    good_boot(machine)
    made(machine, 4)
    keep(machine)
    found = pruned(machine)  # this boot was started from the first
    assert numbers(found["deleted"]) == [2]
    reasons = {one["number"]: one["reason"] for one in found["stay"]}
    assert reasons[1] in ("this boot was started from it", "the newest one with a good boot")


def test_what_is_mounted_or_written_to_stays(machine: Machine) -> None:
    made(machine, 4)
    good_boot(machine)
    keep(machine)
    top = machine.filesystem.top
    sh("btrfs", "property", "set", "-ts", top / "root-blank@1", "ro", "false")
    (top / "root-blank@1/etc/mine").touch()
    machine.filesystem.mount(machine.root.parent / "old", "subvol=root-blank@2,ro")
    reasons = {one["number"]: one["reason"] for one in pruned(machine)["stay"]}
    assert reasons[1] == "somebody has written to it"
    assert "mounted" in reasons[2]


def test_half_made_when_the_power_went(machine: Machine) -> None:
    """The hook archives what is in staging/, and nobody needs it."""
    machine.say("blank", "create")
    sh(
        "btrfs",
        "subvolume",
        "snapshot",
        machine.filesystem.top / "root-blank",
        machine.state / "staging/blank.next",
    )
    (machine.state / "staging/blank.next/etc/half").touch()
    machine.filesystem.sync()
    good_boot(machine)
    (left,) = machine.filesystem.top.glob("old_roots/*-recovered-*.blank.next")
    assert "half made, when the power went" in machine.say("prune", "--yes")
    assert not left.exists()


def test_nothing_is_asked_for_where_nothing_goes(machine: Machine) -> None:
    made(machine, 2)
    good_boot(machine)
    assert "it takes over if the blank of root cannot boot" in machine.say("prune")
