"""What `impermanence doctor` finds in the layout, and that `status` and `gate` say the worst of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from impermanenced.boots import doctor_layout
from impermanenced.boots.doctor import Finding
from impermanenced.report.report import Manager
from impermanenced.system.unit_files import PLACES
from impermanenced.volumes import placement
from tests.conftest import sh
from tests.schema import checked

from .machine import System

NUMBER = "after a rollback the number of the old root"


def findings(system: System) -> list[Finding]:
    with Manager(os.fsencode(system.config)) as manager:
        return doctor_layout.examine(manager.config, manager.machine)


def whats(system: System) -> list[tuple[str, str]]:
    return [(finding.severity, finding.what) for finding in findings(system)]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def root_id(system: System) -> str:
    return sh("btrfs", "inspect-internal", "rootid", system.root).strip()


# Mount units


@pytest.mark.parametrize("place", [os.fsdecode(place[1:]) for place in PLACES[:4]])
def test_a_unit_by_number(system: System, place: str) -> None:
    text = f"[Mount]\nWhat=/dev/x\nWhere=/data\nType=btrfs\nOptions=noatime,subvolid={root_id(system)}\n"
    write(system.root / place / "data.mount", text)
    (one,) = findings(system)
    assert (one.severity, one.hint) == ("error", "name it there: Options=subvol=root")
    assert one.what == f"/{place}/data.mount: /data is mounted by subvolid=, {NUMBER}"


def test_a_unit_for_the_place_of_a_volume(system: System) -> None:
    """Whatever number it has there: home.mount for a volume with path /home."""
    home = system.filesystem.subvolume("home")
    system.filesystem.snapshot("home", "home-blank", readonly=True)
    where = system.filesystem.mount(home.parent.parent / "home", "subvol=home")
    system.configure(f'[[volume]]\nmountpoint = "{where}"\npath = "/home"\n')
    write(system.root / "etc/systemd/system/home.mount", "[Mount]\nWhat=/dev/x\nOptions=subvolid=999\n")
    (one,) = findings(system)
    assert one.what == f"/etc/systemd/system/home.mount: /home is mounted by subvolid=, {NUMBER}"
    assert one.hint == "name it there: Options=subvol=home"


def test_a_drop_in_and_a_unit_of_a_package(system: System) -> None:
    """What counts is the unit in the first place, with its drop-ins."""
    by_number, by_name = f"Options=subvolid={root_id(system)}\n", "Options=subvol=root\n"
    unit = "[Mount]\nWhat=/dev/x\nWhere=/data\n"
    write(system.root / "usr/lib/systemd/system/data.mount", unit + by_number)
    write(system.root / "etc/systemd/system/data.mount", unit + by_name)
    assert findings(system) == []
    write(system.root / "etc/systemd/system/data.mount.d/number.conf", f"[Mount]\n{by_number}")
    assert len(findings(system)) == 1
    write(system.root / "etc/systemd/system/data.mount.d/other.conf", f"[Mount]\n{by_name}")
    assert findings(system) == []


def test_a_unit_in_the_blank_alone(system: System) -> None:
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    write(blank / "etc/systemd/system/-.mount", "[Mount]\nWhat=/dev/x\nOptions=subvolid=5000\n")
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    assert whats(system) == [
        ("error", f"root-blank/etc/systemd/system/-.mount: / is mounted by subvolid=, {NUMBER}")
    ]


def test_units_that_are_nothing_of_the_kind(system: System, tmp_path: Path) -> None:
    units = system.root / "etc/systemd/system"
    by_number = f"subvolid={root_id(system)}"
    write(units / "a.mount", f"[Mount]\nWhere=/a\nType=ext4\nOptions={by_number}\n")
    write(units / "b.mount", f"[Mount]\nWhere=/b\nType=btrfs\n#Options={by_number}\nOptions=subvolid=4242\n")
    write(units / "c.service", f"[Mount]\nWhere=/c\nOptions={by_number}\n")
    write(tmp_path / "outside", f"[Mount]\nWhere=/d\nOptions={by_number}\n")
    (units / "d.mount").symlink_to(tmp_path / "outside")
    (units / "e.mount").symlink_to("/dev/null")
    os.mkfifo(units / "f.mount")
    (units / "g.mount").write_bytes(b"\xff\x00\x1b" * 1000)
    assert findings(system) == []


def test_a_hostile_name(system: System) -> None:
    text = f"[Mount]\nWhere=/\x1b[31mred\nOptions=subvolid={root_id(system)}\n"
    write(system.root / "etc/systemd/system/x.mount", text)
    assert system.run("setup").returncode == 0
    result = system.run("doctor")
    assert (result.returncode, result.stderr, "\x1b" in result.stdout) == (1, "", False)
    assert "x.mount: /\\x1b[31mred is mounted by subvolid=" in result.stdout


# Stubs


def blank_with(system: System, *nested: str) -> None:
    """Take the blank anew, of a root with these subvolumes nested in it."""
    top = system.filesystem.top
    for path in nested:
        (top / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        sh("btrfs", "subvolume", "create", top / "root" / path)
    sh("btrfs", "subvolume", "delete", top / "root-blank")
    system.filesystem.snapshot("root", "root-blank", readonly=True)


def test_stubs_in_a_blank(system: System) -> None:
    blank_with(system, "var/lib/portables", "var/lib/machines", "s\x1bx")
    ((severity, what),) = whats(system)
    assert severity == "warning"
    assert what.startswith("blank root-blank of volume root has an empty place where a subvolume was nested")
    assert ": /s\\x1bx, /var/lib/machines, /var/lib/portables. After each rollback nobody can" in what


def test_stubs_among_many_files(system: System) -> None:
    for number in range(3000):
        write(system.root / f"many/{number % 50}/{'x' * 90}{number}", "")
    blank_with(system, *(f"many/{number}/sub{number}" for number in range(7)))
    ((_, what),) = whats(system)
    named = ", ".join(f"/many/{number}/sub{number}" for number in range(5))
    assert f": {named} and 2 more. After" in what


def test_the_remedy_for_stubs(system: System) -> None:
    """Nobody can write into a stub; what the hint says makes a directory of it."""
    blank_with(system, "var/lib/machines")
    stub = system.filesystem.top / "root-blank/var/lib/machines"
    copy = system.filesystem.snapshot("root-blank", "copy")
    with pytest.raises(OSError):
        (copy / "var/lib/machines/file").touch()
    sh("btrfs", "property", "set", "-ts", system.filesystem.top / "root-blank", "ro", "false")
    stub.rmdir()
    stub.mkdir()
    (stub / "file").touch()
    (stub / "file").unlink()
    sh("btrfs", "property", "set", "-ts", system.filesystem.top / "root-blank", "ro", "true")
    assert findings(system) == []


def test_a_real_subvolume_in_a_blank_is_no_stub(system: System) -> None:
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    sh("btrfs", "subvolume", "create", blank / "var/lib/machines")
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    assert findings(system) == []


# Persist volumes

PERSIST = '[persist."/persist"]\ndirectories = ["/var/lib/app"]\n'
LIES = (
    "/persist is no volume of its own: it lies in volume root (as root/persist), "
    "and the next boot takes it away with all that is declared"
)


def say_so(system: System) -> None:
    """All that are asked say it: doctor, status and the gate."""
    assert system.run("setup").returncode == 0
    result = system.run("doctor", "--json")
    assert result.returncode == 1
    found = checked("doctor", result.stdout)["findings"]
    assert [one["what"] for one in found if one["severity"] == "error"] == [LIES]
    assert "mount it at /persist" in found[0]["hint"]
    assert system.run("status").stdout.splitlines()[1] == f"error: {LIES}."
    assert system.document("status")["faults"] == [LIES]
    result = system.run("gate", "--json")
    assert result.returncode == 3
    judged = checked("gate", result.stdout)
    assert judged["gate"] == "block" and {"gate": "block", "why": LIES} in judged["reasons"]


def test_a_directory_of_the_root(system: System) -> None:
    system.configure(PERSIST)
    write(system.root / "persist/var/lib/app/file", "x")
    say_so(system)
    system.configure(f"[rollback]\nwipe = false\n{PERSIST}")
    assert system.run("setup").returncode == 0
    assert json.loads(system.run("gate", "--json").stdout)["gate"] == "pass", "nothing is wiped"


def test_a_subvolume_nested_in_the_root(system: System) -> None:
    system.configure(PERSIST)
    sh("btrfs", "subvolume", "create", system.root / "persist")
    write(system.root / "persist/file", "x")
    say_so(system)


def test_a_nested_subvolume_that_is_mounted(system: System) -> None:
    system.configure(PERSIST)
    sh("btrfs", "subvolume", "create", system.root / "nested")
    (system.root / "persist").mkdir()
    system.filesystem.mount(system.root / "persist", "subvol=root/nested")
    write(system.root / "persist/file", "x")
    ((severity, what),) = whats(system)
    assert (severity, what) == ("error", LIES.replace("root/persist", "root/nested"))
    system.filesystem.umount(system.root / "persist")


def test_a_volume_of_its_own(system: System) -> None:
    """Beside the root, or a directory of such a one, or another filesystem."""
    system.configure(PERSIST)
    write(system.filesystem.subvolume("persist") / "deep/file", "x")
    (system.root / "persist").mkdir()
    where = system.filesystem.mount(system.root / "persist", "subvol=persist")
    assert findings(system) == []
    system.filesystem.umount(where)
    sh("mount", "--bind", system.filesystem.top / "persist/deep", where)
    try:
        assert findings(system) == []
    finally:
        sh("umount", where)
    sh("mount", "-t", "tmpfs", "none", system.root / "persist")
    write(system.root / "persist/file", "x")
    try:
        assert findings(system) == []
    finally:
        sh("umount", system.root / "persist")


def test_what_nobody_can_know(system: System) -> None:
    """Of a system that does not run: there is no such directory, an empty one, or a link."""
    system.configure(PERSIST)
    assert findings(system) == []
    (system.root / "persist").mkdir()
    assert findings(system) == [], "the mount point, with nothing mounted now"
    (system.root / "persist").rmdir()
    (system.root / "persist").symlink_to("/etc")
    assert findings(system) == []


def test_a_second_volume(system: System) -> None:
    system.filesystem.subvolume("home")
    system.filesystem.snapshot("home", "home-blank", readonly=True)
    where = system.filesystem.mount(system.root / "home", "subvol=home")
    persist = PERSIST.replace('"/persist"', '"/home/keep"')
    system.configure(f'[[volume]]\nmountpoint = "{where}"\npath = "/home"\n{persist}')
    write(where / "keep/file", "x")
    with Manager(os.fsencode(system.config)) as manager:
        (one,) = placement.misplaced(manager.config.persist, manager.machine.volumes)
    assert (one.volume, one.place) == ("home", b"home/keep")
    system.filesystem.umount(where)
