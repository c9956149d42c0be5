"""The boots that were, with real runs of the hook between the commands."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from impermanenced.boots import history, records, setup
from impermanenced.boots.listing import Listing
from impermanenced.cli import boots_list
from impermanenced.document.boots import boots_to_json
from impermanenced.model import Decision
from impermanenced.report.report import Manager
from impermanenced.state import NO_BOOT_ID
from impermanenced.text import time_to_text
from tests.conftest import sh
from tests.schema import checked
from tests.shell.cuts import disturbed

from .machine import Machine, as_another_boot, boot_id_of, with_image, with_other_root


def test_boots(machine: Machine) -> None:
    machine.boot()
    machine.boot("impermanence=keep")
    machine.boot()
    for number in (1, 2):
        as_another_boot(machine, number, boot_id_of(number))
    (machine.state / "boots/1.good").touch()
    document = machine.document()
    assert (document["version"], document["hold"], document["next"]) == (1, False, None)
    found = [(boot["number"], boot["action"], boot["ended"], boot["kept_by"]) for boot in document["boots"]]
    assert found == [
        (3, "wiped", "running", None),
        (2, "kept", "bad", None),
        (1, "wiped", "good", 2),
        (0, None, "unknown", None),
    ]
    roots = [[(root["path"], root["there"]) for root in boot["old_roots"]] for boot in document["boots"]]
    assert roots == [
        [],
        [(f"old_roots/2-{boot_id_of(2)}", True)],
        [],
        [(f"old_roots/0-{NO_BOOT_ID}", True)],
    ]
    assert document["boots"][0]["kernel"] == os.uname().release
    text = machine.say("boots")
    assert max(map(len, text.splitlines())) <= 80
    assert [line[:6].strip() for line in text.splitlines()[:7]] == ["boot", "3", "2", "", "1", "0", ""]
    assert "kept by boot 2" in text
    assert "kept: impermanence= on the kernel command line" in text


def test_everything_that_is_known_of_a_boot(machine: Machine, tmp_path: Path) -> None:
    """Number, boot id, when, kernel, what the hook did and why, how the boot ended, where its old root is."""
    machine.boot()
    machine.boot("impermanence=keep")
    machine.boot()
    for number in (1, 2):
        as_another_boot(machine, number, boot_id_of(number))
    (machine.state / "boots/1.good").touch()
    for number, boot_id in [(2, boot_id_of(2)), (1, boot_id_of(7))]:  # the second one is of another boot
        end = records.EndRecord(boot_id, 3000, 5, 38 << 20, complete=True)
        (machine.state / f"boots/{number}.end").write_bytes(records.format_end(end))
    (machine.state / "boots/3.end").write_text("nonsense\n")
    ends = {boot_id_of(1): (1000.0, True), boot_id_of(2): (2000.0, False)}
    with Manager(os.fsencode(machine.config)) as manager:
        archive = manager.config.archive.directory
        found = history.read(manager.machine, archive, history.this_boot_id(), ends.get)
    document: Any = boots_to_json(Listing(found))
    three, two, one, zero = document["boots"]
    times = [records.parse_record((machine.state / f"boots/{n}.env").read_bytes()).time for n in (2, 1)]
    assert two == {
        "number": 2,
        "boot_id": boot_id_of(2),
        "time": time_to_text(times[0]),
        "kernel": os.uname().release,
        "action": "kept",
        "reason": "impermanence= on the kernel command line",
        "reason_code": None,
        "booted": None,
        "hold": False,
        "ended": "bad",
        "last_entry": time_to_text(2000),
        "shutdown": "cut",
        "seconds": None,
        "left": {"paths": 5, "bytes": 38 << 20, "complete": True, "worst": None},
        "pinned": False,
        "reviewed": False,
        "from": [],
        "kept_by": None,
        "old_roots": [
            {
                "path": f"old_roots/2-{boot_id_of(2)}",
                "volume": "root",
                "there": True,
                "waits_in": None,
                "bytes": None,
            }
        ],
        "fault": None,
    }
    assert (one["ended"], one["shutdown"], one["last_entry"]) == ("good", "clean", time_to_text(1000))
    assert (one["time"], one["kept_by"]) == (time_to_text(times[1]), 2)
    assert (one["left"], three["left"]) == (None, None)
    assert (three["ended"], three["shutdown"], three["boot_id"]) == ("running", None, history.this_boot_id())
    assert (zero["ended"], zero["shutdown"], zero["boot_id"]) == ("unknown", None, None)
    text = boots_list.text(Listing(found), decision=Decision("wiped"), columns=200, now=time.time())
    rows = {line.split()[0]: line for line in text.splitlines() if line[:6].strip().isdecimal()}
    today = time.strftime("%H:%M", time.localtime(times[0]))
    for row, words in {
        "3": ("running", "wiped", " -"),
        "2": (today, os.uname().release[:10], "bad", "kept", f"old_roots/2-{boot_id_of(2)}"),
        "1": (today[:2], "clean", "wiped", "kept by boot 2"),
        "0": ("unknown", f"old_roots/0-{NO_BOOT_ID}"),
    }.items():
        assert [word for word in words if word not in rows[row]] == [], rows[row]
    assert "        kept: impermanence= on the kernel command line\n" in text
    assert text.count("        lost 5 paths that nothing declared, 38.0 MiB\n") == 1


def test_which_blank_each_boot_was_made_from(machine: Machine) -> None:
    top = machine.filesystem.top
    machine.boot()
    as_another_boot(machine, 1, boot_id_of(1))
    assert "made from" not in machine.say("boots")
    (top / "root-blank").rename(top / "root-blank@1")
    machine.filesystem.snapshot("root-blank@1", "root-blank", readonly=True)
    with Manager(os.fsencode(machine.config)) as manager:
        setup.run(manager.config, manager.machine, dry_run=False)
    machine.boot()
    said = machine.say("boots").splitlines()
    (at,) = [number for number, line in enumerate(said) if "made from" in line]
    assert said[at].strip() == "made from root-blank@1"
    assert said[at - 1].split()[0] == "1"
    sh("btrfs", "subvolume", "delete", top / "root-blank@1")
    assert "made from a blank that is deleted\n" in machine.say("boots")


def test_what_old_roots_hold(machine: Machine) -> None:
    machine.boot()
    (machine.root / "big").write_bytes(os.urandom(3 << 20))
    machine.boot()
    machine.filesystem.sync()
    machine.filesystem.subvolume("old_roots/of-somebody-else")
    name = f"1-{history.this_boot_id()}"
    held = {
        root["path"]: root["bytes"]
        for boot in checked("boots", machine.say("boots", "--sizes", "--json"))["boots"]
        for root in boot["old_roots"]
    }
    assert held == {
        f"old_roots/{name}": 3 << 20,
        f"old_roots/0-{NO_BOOT_ID}": 0,
        "old_roots/of-somebody-else": None,
    }
    assert "  3.0 MiB  old_" in machine.say("boots", "--sizes")
    assert "MiB" not in machine.say("boots")


def test_this_boot_where_the_hook_did_not_even_mount(machine: Machine, tmp_path: Path) -> None:
    machine.boot()
    as_another_boot(machine, 1, boot_id_of(1))
    for action in ("refused", "off"):
        booted = with_image(machine, tmp_path) if action == "refused" else machine.boot("impermanence=off")
        with Manager(os.fsencode(machine.config)) as manager:
            found = history.read(manager.machine, b"old_roots", history.this_boot_id(), result=booted.result)
        known: Any = boots_to_json(Listing(found))
        here, *_ = known["boots"]
        assert (here["number"], here["ended"], here["action"]) == (None, "running", action)
        assert here["boot_id"] == history.this_boot_id()
        assert [boot.number for boot in found.boots] == [None, 1, 0]
        assert found.boot(-1).number == 1
        assert history.bootable(found, 0) == 0


def test_an_old_root_that_is_gone(machine: Machine) -> None:
    machine.boot()
    machine.boot()
    (old,) = machine.filesystem.top.glob("old_roots/0-*")
    sh("btrfs", "subvolume", "delete", old)
    *_, first = machine.document()["boots"]
    assert (first["number"], first["old_roots"][0]["there"]) == (0, False)
    assert " gone\n" in machine.say("boots")
    machine.filesystem.subvolume(f"old_roots/{old.name}")
    assert [root["there"] for root in machine.document()["boots"][-1]["old_roots"]] == [True]


def test_a_record_that_cannot_be_understood(machine: Machine) -> None:
    for _ in range(3):
        machine.boot()
    (machine.state / "boots/2.env").write_bytes(b"VERSION=1\nNUMBER=2\nX=\x1b\n")
    (machine.state / "boots/7.env").mkdir()
    (machine.state / "boots/nonsense.env").touch()
    document = machine.document()
    faults = {boot["number"]: boot["fault"] for boot in document["boots"]}
    assert faults[2] == ".impermanence/boots/2.env:3: not KEY=value"
    assert faults[7].startswith(".impermanence/boots/7.env: ")
    assert (faults[3], faults[1], faults[0]) == (None, None, None)
    text = " ".join(machine.say("boots").split())
    assert "the record cannot be understood: .impermanence/boots/2.env:3: not KEY=value" in text
    assert machine.say("next").startswith(
        "nothing is asked for: the rollback of the next boot will be refused: boots/7.env: "
    )
    (machine.state / "boots/7.env").rmdir()
    assert machine.say("next") == "nothing is asked for: the next boot wipes\n"


def test_old_roots_of_others(machine: Machine) -> None:
    """The classic script names them by a time whose day may have one digit; a blank there is none of them."""
    machine.boot()
    names = ["2025-11-3_20:02:07", "2025-11-12_08:00:00", "before-upgrade", "weird\n\x1b[31m"]
    for name in names:
        machine.filesystem.subvolume(f"old_roots/{name}")
    (machine.filesystem.top / "old_roots/plain").mkdir()
    (machine.filesystem.top / "old_roots/link").symlink_to("../root")
    machine.filesystem.snapshot("root-blank", "old_roots/blank", readonly=True)
    machine.config.write_text(machine.config.read_text() + 'blank = "old_roots/blank"\n')
    others = [boot for boot in machine.document()["boots"] if boot["number"] is None]
    paths = [boot["old_roots"][0]["path"] for boot in others]
    assert sorted(paths[:2]) == ["old_roots/before-upgrade", r"old_roots/weird\x0a\x1b[31m"]
    assert paths[2:] == ["old_roots/2025-11-12_08:00:00", "old_roots/2025-11-3_20:02:07"]
    assert others[3]["time"].startswith("2025-11-03T20:02:07")
    text = machine.say("boots")
    assert "     -  2025-11-03 20:02 old_roots/2025-11-3_20:02:07\n" in text
    assert "\x1b" not in text


def test_old_roots_before_the_machine_is_set_up(machine: Machine) -> None:
    sh("btrfs", "subvolume", "delete", machine.state)
    machine.filesystem.subvolume("old_roots/2025-11-3_20:02:07")
    (boot,) = machine.document()["boots"]
    assert boot["time"].startswith("2025-11-03T20:02:07")


def test_the_hold_is_said_and_ends_with_a_wipe(machine: Machine) -> None:
    for number in range(1, 5):
        machine.boot()
        if number == 1:
            (machine.state / "boots/1.good").touch()
    assert machine.boot().result.hold
    for said in (machine.say("status"), machine.say("boots")):
        assert "wiping pauses" in said
        assert "impermanence next wipe" in said
    assert "it is held" in machine.say("next")
    machine.say("next", "wipe")
    assert machine.boot().result.action == "wiped"
    assert "wiping pauses" not in machine.say("status")


def test_an_old_root_that_waits_in_staging(machine: Machine, tmp_path: Path) -> None:
    """The switch was made, and the old root could not be moved: the next boot does it."""
    machine.filesystem.umount(machine.root)
    machine.initrd.boot(wrap=disturbed(tmp_path))
    steps = (tmp_path / "turns").read_text().splitlines()
    renames = [turn for turn, step in enumerate(steps, 1) if "rename .impermanence/staging/next.root" in step]
    assert len(renames) == 2, "the exchange, and the way to the archive"
    booted = machine.initrd.boot(wrap=disturbed(tmp_path, fail=renames[1]))
    machine.filesystem.mount(machine.root, "subvol=root")
    assert booted.result.action == "wiped" and "waits in staging" in booted.result.reason, booted.said
    roots = {boot["number"]: boot["old_roots"] for boot in machine.document()["boots"]}
    (one,) = roots[1]
    assert (one["there"], one["waits_in"]) == (False, ".impermanence/staging/next.root")
    text = machine.say("boots")
    assert "gone" not in text and "waits in" in text
    machine.boot()
    assert all(
        root["waits_in"] is None and root["there"]
        for boot in machine.document()["boots"]
        for root in boot["old_roots"]
    )


def test_another_root_that_booted(machine: Machine) -> None:
    machine.boot()
    as_another_boot(machine, 1, boot_id_of(1))
    booted = with_other_root(machine)
    with Manager(os.fsencode(machine.config)) as manager:
        known = history.read(manager.machine, b"old_roots", history.this_boot_id(), result=booted.result)
    document: Any = boots_to_json(Listing(known))
    here = document["boots"][0]
    assert [here[key] for key in ("number", "action", "reason_code")] == [None, "other", "other-subvolume"]
    text = boots_list.text(Listing(known), decision=Decision("other"), columns=200, now=time.time())
    assert "other       -\n        another root runs than the one that is rolled back: subvol=other" in text
