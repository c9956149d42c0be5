"""The boots and the request for the next one, with real runs of the hook between the commands."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import good, history, outcome, records, requests, setup
from impermanenced.boots.listing import Listing
from impermanenced.boots.outcome import Trouble
from impermanenced.boots.records import NextRequest
from impermanenced.cli import trouble
from impermanenced.cli.commands import boots
from impermanenced.document.boots import boots_to_json
from impermanenced.report.report import Manager
from impermanenced.state import NO_BOOT_ID
from impermanenced.system import journal
from impermanenced.text import time_to_text

from ..conftest import Filesystem, sh
from ..schema import checked
from ..shell.cuts import disturbed
from ..shell.hook import Boot, Initrd

NOBODY = 65534
NOT_READ_ONLY = "the blank root-blank of volume root: it is not read-only"


@dataclass
class Machine:
    """An ephemeral root that is mounted while it runs, and the initrd that it boots with."""

    filesystem: Filesystem
    initrd: Initrd
    config: Path
    root: Path

    @property
    def state(self) -> Path:
        return self.filesystem.top / ".impermanence"

    def boot(self, cmdline: str = "", **files: str) -> Boot:
        """Shut down, run the hook, and write some files in the new life.

        The hook knows no other boot id than this machine's: the record gets one of its own.
        """
        if self.root in self.filesystem.mounts:
            self.filesystem.umount(self.root)
        booted = self.initrd.boot(cmdline)
        self.filesystem.mount(self.root, "subvol=root")
        for name, content in files.items():
            (self.root / name).write_text(content)
        return booted

    def run(self, *argv: str, wrap: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.config.parent}/no-bus", "COLUMNS": "80"}
        return subprocess.run(
            [*wrap, sys.executable, "-c", script, "--config", self.config, *argv],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **bus},
            cwd="/",
            timeout=60,
        )

    def say(self, *argv: str) -> str:
        result = self.run(*argv)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return result.stdout

    def document(self) -> Any:
        return checked("boots", self.say("boots", "--json"))

    def refused(self, code: int, *argv: str, wrap: tuple[str, ...] = ()) -> str:
        before = sh("find", self.filesystem.top, "-printf", "%p %i %T@ %s\n")
        result = self.run(*argv, wrap=wrap)
        assert (result.returncode, result.stdout) == (code, ""), result.stderr
        assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == ["impermanence", "hint"]
        assert sh("find", self.filesystem.top, "-printf", "%p %i %T@ %s\n") == before
        return result.stderr


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path) -> Machine:
    root = filesystem.subvolume("root")
    (root / "etc").mkdir()
    filesystem.snapshot("root", "root-blank", readonly=True)
    mountpoint = filesystem.mount(tmp_path / "root", "subvol=root")
    config = tmp_path / "config.toml"
    config.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\n')
    with Manager(os.fsencode(config)) as manager:
        setup.run(manager.config, manager.machine, dry_run=False)
    return Machine(filesystem, Initrd(tmp_path, filesystem.device), config, mountpoint)


def as_another_boot(machine: Machine, number: int, boot_id: str) -> None:
    """As if a boot of that id had written the record, and the next one had archived its life."""
    file = machine.state / f"boots/{number}.env"
    mine = history.this_boot_id()
    file.write_text(file.read_text().replace(mine, boot_id))
    later = machine.state / f"boots/{number + 1}.env"
    for path in machine.filesystem.top.glob(f"old_roots/{number}-*"):
        renamed = path.with_name(path.name.replace(mine, boot_id))
        path.rename(renamed)
        later.write_text(later.read_text().replace(f"{number}-{mine}", f"{number}-{boot_id}"))


def boot_id_of(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


# The request


def test_keep_is_obeyed_once(machine: Machine) -> None:
    machine.boot(mine="1")
    assert machine.say("next") == "nothing is asked for: the next boot wipes\n"
    assert machine.say("next", "keep") == "the next boot keeps the root\nundo: impermanence next cancel\n"
    assert machine.say("next") == "next: keep, asked for just now  (undo: impermanence next cancel)\n"
    assert machine.boot().result.action == "kept"
    assert (machine.root / "mine").exists()
    assert machine.say("next") == "nothing is asked for: the next boot wipes\n"
    assert machine.boot().result.action == "wiped"


def test_keep_for_some_boots_counts_down(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "keep", "--boots", "2")
    assert machine.boot().result.action == "kept"
    assert machine.say("next").startswith("next: keep, asked for")
    assert machine.document()["next"]["boots"] == 1
    assert machine.boot().result.action == "kept"
    assert machine.boot().result.action == "wiped"


def test_cancel(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "keep", "--boots", "3")
    again = "undo: impermanence next keep --boots 3"
    assert machine.say("next", "cancel") == f"cancelled: keep for 3 boots\n{again}\n"
    assert machine.say("next", "cancel") == "nothing was asked for: nothing to cancel\n"
    assert machine.boot().result.action == "wiped"


def test_a_new_request_takes_the_place_of_the_old_one(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "keep")
    first = (machine.state / "next").read_bytes()
    assert "in place of: keep\n" in machine.say("next", "keep")
    assert (machine.state / "next").read_bytes() != first
    machine.say("next", "wipe")
    assert machine.boot().result.action == "wiped"


def test_dry_run_changes_nothing(machine: Machine) -> None:
    machine.boot()
    assert machine.say("next", "keep", "--dry-run") == (
        "would ask, without --dry-run: the next boot keeps the root\n"
    )
    assert not (machine.state / "next").exists()
    machine.say("next", "keep")
    assert machine.say("next", "cancel", "--dry-run") == "would cancel: keep\n"
    assert (machine.state / "next").exists()


@pytest.mark.parametrize("word", ["1", "-1"])
def test_boot_an_old_root(machine: Machine, word: str) -> None:
    machine.boot(mine="of boot 1")
    machine.boot(mine="of boot 2")
    as_another_boot(machine, 1, boot_id_of(1))
    said = machine.say("next", "boot", word)
    assert said.startswith("the next boot gets a copy of old root 1; the running root is archived\n")
    booted = machine.boot().result
    assert (booted.action, booted.boot) == ("booted", 1)
    assert (machine.root / "mine").read_text() == "of boot 1"


def test_only_an_old_root_that_is_there(machine: Machine) -> None:
    machine.boot()
    machine.boot("impermanence=keep")
    machine.boot()
    as_another_boot(machine, 1, boot_id_of(1))
    as_another_boot(machine, 2, boot_id_of(2))
    assert "there is no boot 9" in machine.refused(2, "next", "boot", "9")
    assert "there is no boot -9" in machine.refused(2, "next", "boot", "-9")
    assert "boot 3 is the running one" in machine.refused(2, "next", "boot", "3")
    assert "boot 1 has no old root: boot 2 kept it" in machine.refused(2, "next", "boot", "1")
    (old,) = machine.filesystem.top.glob("old_roots/2-*")
    twin = f"old_roots/2-{boot_id_of(7)}"
    machine.filesystem.snapshot(f"old_roots/{old.name}", twin)
    assert "there are several old roots 2" in machine.refused(2, "next", "boot", "2")
    sh("btrfs", "subvolume", "delete", old, machine.filesystem.top / twin)
    assert "there is no old root 2 of volume root any more" in machine.refused(2, "next", "boot", "2")


def test_a_name_the_hook_does_not_look_for_is_no_old_root(machine: Machine) -> None:
    machine.boot()
    machine.boot()
    (old,) = machine.filesystem.top.glob("old_roots/0-*")
    old.rename(old.with_name(old.name + "-2"))
    assert "there is no old root 0 of volume root any more" in machine.refused(2, "next", "boot", "0")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file is empty"),
        (b"VERSION=1\nACTION=keep\nID=x\nX=\x1b[31m\n", "next:4: not KEY=value"),
        (b"VERSION=1\nACTION=delete\nID=x\n", "ACTION is not one of"),
    ],
)
def test_a_request_that_cannot_be_understood(machine: Machine, content: bytes, fault: str) -> None:
    machine.boot()
    (machine.state / "next").write_bytes(content)
    for said in (machine.say("next"), machine.say("status"), machine.say("boots")):
        assert "next: cannot be understood, and the hook will not wipe:\n  .impermanence/next" in said
        assert fault in said
        assert "impermanence next cancel" in said
        assert "\x1b" not in said
    assert "in place of: a request that cannot be understood" in machine.say("next", "wipe", "--dry-run")
    assert machine.say("next", "cancel") == "cancelled: a request that cannot be understood\n"
    (machine.state / "next").symlink_to("/etc/hostname")
    assert "cannot be understood" in machine.say("next")
    machine.say("next", "keep")
    assert machine.boot().result.action == "kept"


def test_a_directory_in_place_of_the_request(machine: Machine) -> None:
    (machine.state / "next").mkdir()
    assert ".impermanence/next: not a regular file" in machine.say("next")
    for words in (["next", "keep"], ["next", "cancel"]):
        result = machine.run(*words)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == "impermanence: .impermanence/next: Is a directory\n"
    assert [path.name for path in machine.state.glob(".next*")] == []


def test_status_says_what_is_asked_for(machine: Machine) -> None:
    machine.boot()
    assert "next:" not in machine.say("status")
    machine.say("next", "keep")
    lines = machine.say("status").splitlines()
    assert lines[1] == "next: keep, asked for just now  (undo: impermanence next cancel)"


def test_only_root_may_ask(machine: Machine) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv: apt-get install util-linux")
    nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    # Every pytest that starts closes /tmp/pytest-of-root, and what is below it, to all others.
    with tempfile.TemporaryDirectory(prefix="impermanence-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        root = machine.filesystem.mount(directory / "root", "subvol=root")
        config = directory / "config.toml"
        config.write_text(machine.config.read_text().replace(os.fspath(machine.root), os.fspath(root)))
        theirs = dataclasses.replace(machine, config=config)
        try:
            for words in (["next"], ["next", "keep"], ["boots"]):
                assert "needs root" in theirs.refused(4, *words, wrap=nobody)
        finally:
            machine.filesystem.umount(root)


def test_a_wipe_in_a_trial(machine: Machine) -> None:
    machine.config.write_text(machine.config.read_text() + "[rollback]\nwipe = false\n")
    assert "keeps the root: this is a trial" in machine.say("next")
    assert "but this is a trial: nothing is wiped" in machine.say("next", "wipe")


def test_machine_that_is_not_set_up(machine: Machine) -> None:
    sh("btrfs", "subvolume", "delete", machine.state)
    for words in (["next"], ["next", "keep"], ["next", "cancel"], ["boots"]):
        assert "hint: impermanence setup" in machine.refused(5, *words)
    machine.state.symlink_to("root")
    assert "is not a subvolume" in machine.refused(5, "next", "keep")


# The boots


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
        "booted": None,
        "hold": False,
        "ended": "bad",
        "last_entry": time_to_text(2000),
        "shutdown": "cut",
        "left": {"paths": 5, "bytes": 38 << 20, "complete": True},
        "kept_by": None,
        "old_roots": [
            {"path": f"old_roots/2-{boot_id_of(2)}", "volume": "root", "there": True, "bytes": None}
        ],
        "fault": None,
    }
    assert (one["ended"], one["shutdown"], one["last_entry"]) == ("good", "clean", time_to_text(1000))
    assert (one["time"], one["kept_by"]) == (time_to_text(times[1]), 2)
    assert (one["left"], three["left"]) == (None, None)
    assert (three["ended"], three["shutdown"], three["boot_id"]) == ("running", None, history.this_boot_id())
    assert (zero["ended"], zero["shutdown"], zero["boot_id"]) == ("unknown", None, None)
    text = boots.text(Listing(found), columns=200, now=time.time())
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
    assert "  3.0 MiB  old_r" in machine.say("boots", "--sizes")
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


# What everybody is told


def told(booted: Boot) -> Trouble | None:
    return outcome.look(history.this_boot_id(), os.fsencode(booted.run / "impermanence"))


def with_image(machine: Machine, tmp_path: Path) -> Boot:
    """An image is there, and nobody resumed it: the hook does not even mount."""
    swap = tmp_path / "swap"
    content = bytearray(8192)
    content[4086:4095] = b"S1SUSPEND"
    swap.write_bytes(content)
    return machine.boot(f"resume=/dev/..{swap}")


def three_bad_boots(machine: Machine) -> None:
    mark(machine.boot())
    for _ in range(3):
        assert told(machine.boot()) is None


def test_nothing_is_told_of_a_boot_that_went_as_asked(machine: Machine) -> None:
    for cmdline in ("", "impermanence=keep", "impermanence=off"):
        assert told(machine.boot(cmdline)) is None
    machine.config.write_text(machine.config.read_text() + "[rollback]\nwipe = false\n")
    machine.say("setup")
    booted = machine.boot()
    assert booted.result.action == "trial" and told(booted) is None


def test_the_hold_is_told_at_every_boot_until_a_wipe(machine: Machine) -> None:
    three_bad_boots(machine)
    booted = machine.boot()
    began = booted.result.time
    for row in (1, 2, 3):
        found = told(booted)
        assert found is not None
        assert (found.kind, found.since, found.boots) == ("held", began, row)
        line = trouble.login_line(found)
        assert line.startswith("impermanence: wiping pauses since ")
        assert line.endswith("Mend the blank, then: impermanence next wipe")
        booted = machine.boot()
    machine.say("next", "wipe")
    assert told(machine.boot()) is None


def test_a_refusal_is_told_with_its_reason_and_since_when(machine: Machine) -> None:
    machine.boot()
    blank = machine.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    first = machine.boot()
    began = first.result.time
    for booted, row in ((first, 1), (machine.boot(), 2)):
        found = told(booted)
        assert found is not None
        assert (found.kind, found.since, found.boots) == ("refused", began, row)
        assert found.reason == NOT_READ_ONLY
        if row == 2:
            assert "not rolled back for 2 boots in a row since " in trouble.login_line(found)
    said = machine.say("status").splitlines()
    assert said[1].startswith("not rolled back") and NOT_READ_ONLY in said[1]
    assert said[2] == "  Nothing is lost. See: impermanence boots"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    assert told(machine.boot()) is None
    assert "not rolled back" not in machine.say("status")


def test_a_failure_is_told(machine: Machine, tmp_path: Path) -> None:
    # There is no space for the archive.
    (machine.filesystem.top / "old_roots").rmdir()
    machine.filesystem.umount(machine.root)
    booted = machine.initrd.boot(wrap=disturbed(tmp_path, deny="mkdir old_roots"))
    machine.filesystem.mount(machine.root, "subvol=root")
    assert booted.result.action == "failed", booted.said
    found = told(booted)
    assert found is not None and found.kind == "failed"
    assert "the rollback failed, the archive directory cannot be made" in trouble.login_line(found)


def test_an_image_that_was_not_resumed_is_told(machine: Machine, tmp_path: Path) -> None:
    # There is no record of this boot, and resuming would now destroy what it writes.
    machine.boot()
    booted = with_image(machine, tmp_path)
    found = told(booted)
    assert found is not None and found.image
    assert (found.kind, found.since, found.boots) == ("refused", booted.result.time, 1)
    line = trouble.login_line(found)
    assert "a hibernation image waits in " in line
    assert line.endswith("Do not resume it any more: mkswap, or boot once with noresume")


def test_a_hook_that_broke_off_is_told(machine: Machine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    here = os.fsencode(run)
    (run / "boot-id").write_text(f"{history.this_boot_id()}\n")
    found = outcome.look(history.this_boot_id(), here)
    assert found is not None and "the rollback broke off, it left no result" in trouble.login_line(found)
    (run / "rollback.env").write_text("VERSION=1\n?\n")
    found = outcome.look(history.this_boot_id(), here)
    assert found is not None and "rollback.env:2: not KEY=value" in trouble.login_line(found)
    assert outcome.look(boot_id_of(7), here) is not None, "nobody knows of which boot it is"
    (run / "rollback.env").unlink()
    assert outcome.look(boot_id_of(7), here) is None, "the stamp is another boot's"


def test_an_initrd_without_the_hook_is_told(machine: Machine, tmp_path: Path) -> None:
    # A new kernel, and an initrd that was built while the package was broken: everything goes on, unwiped.
    here, root = os.fsencode(tmp_path / "nothing"), os.fsencode(machine.root)
    assert outcome.look(history.this_boot_id(), here, root) is None, "set up just now"
    os.utime(machine.state / "rollback.env", (1, 1))
    found = outcome.look(history.this_boot_id(), here, root)
    assert found is not None
    assert trouble.login_line(found) == (
        "impermanence: not rolled back: the rollback did not run, this initrd has none. "
        "Nothing is lost. Build the initrd anew, with the hook in it"
    )
    for elsewhere in (tmp_path, machine.filesystem.top, tmp_path / "nothing"):
        assert outcome.look(history.this_boot_id(), here, os.fsencode(elsewhere)) is None
    machine.config.write_text(machine.config.read_text() + "[rollback]\nwipe = false\n")
    machine.say("setup")
    os.utime(machine.state / "rollback.env", (1, 1))
    assert outcome.look(history.this_boot_id(), here, root) is None, "a trial"
    (machine.state / "rollback.env").unlink()
    assert outcome.look(history.this_boot_id(), here, root) is None, "not set up"


def test_what_is_told_has_no_control_characters(machine: Machine) -> None:
    booted = machine.boot()
    file = booted.run / "impermanence/rollback.env"
    text = file.read_text().replace("ACTION=wiped", "ACTION=failed\nREASON=%1B[31m%0Aroot: ok")
    file.write_text(text)
    found = told(booted)
    assert found is not None
    assert trouble.login_line(found).isprintable()
    assert r"\x1b[31m\x0aroot: ok" in trouble.login_line(found)


# A machine's /run of its own, a journal that only listens, and a real login of root there.
LOGIN = """
import json, os, pty, shutil, socket, subprocess, sys
run, cli = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
shutil.copytree(run, "/run/impermanence")
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
journal.setblocking(False)
errors = open("/run/errors", "w")
status = os.fstat(errors.fileno())
environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
os.umask(0o077)
subprocess.run(cli, check=True, stderr=errors, env=environment)
entries = []
try:
    while True:
        entries.append(journal.recv(65536).decode())
except BlockingIOError:
    pass
child, terminal = pty.fork()
if child == 0:
    os.execvp("login", ["login", "-f", "root"])
os.write(terminal, b"exit\\n")
shown = b""
try:
    while data := os.read(terminal, 4096):
        shown += data
except OSError:
    pass
os.waitpid(child, 0)
fragment = "/run/motd.d/impermanence"
mode = oct(os.stat(fragment).st_mode) if os.path.exists(fragment) else None
said = open("/run/errors").read()
sys.stdout.write(json.dumps([entries, shown.decode(errors="replace"), mode, said]))
"""


def log_in(machine: Machine, booted: Boot) -> tuple[list[str], str, str | None]:
    """What the unit tells the journal, what a login shows after that, and the mode of the fragment."""
    if shutil.which("login") is None or not Path("/etc/pam.d/login").exists():
        pytest.skip("needs login: apt-get install login")
    if "pam_motd" not in Path("/etc/pam.d/login").read_text():
        pytest.skip("needs pam_motd in /etc/pam.d/login")
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    cli = [sys.executable, "-c", script, "boots", "--alert"]
    wrap = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", LOGIN]
    run, project = booted.run / "impermanence", Path(__file__).parents[2]
    entries, shown, mode, said = json.loads(sh(*wrap, run, *cli, cwd=project, timeout=60))
    assert said == ""
    return entries, shown, mode


def test_a_login_shows_it_and_the_journal_has_it(machine: Machine) -> None:
    three_bad_boots(machine)
    (entry,), shown, mode = log_in(machine, machine.boot())
    assert "\nMESSAGE=wiping pauses since " in f"\n{entry}"
    assert {"PRIORITY=4", f"MESSAGE_ID={journal.MESSAGE_HELD}"} <= set(entry.splitlines())
    assert {"SYSLOG_IDENTIFIER=impermanence", "IMPERMANENCE_ACTION=held"} <= set(entry.splitlines())
    assert "impermanence: wiping pauses since " in shown
    assert "Mend the blank, then: impermanence next wipe" in shown
    assert mode == "0o100644"
    machine.say("next", "wipe")
    entries, shown, mode = log_in(machine, machine.boot())
    assert (entries, mode) == ([], None)
    assert "wiping pauses" not in shown and "exit" in shown


def test_a_login_shows_that_an_image_waits(machine: Machine, tmp_path: Path) -> None:
    machine.boot()
    (entry,), shown, _ = log_in(machine, with_image(machine, tmp_path))
    assert {"PRIORITY=3", f"MESSAGE_ID={journal.MESSAGE_NOT_ROLLED_BACK}"} <= set(entry.splitlines())
    assert "IMPERMANENCE_REASON=a hibernation image waits in /dev/../" in entry
    assert "impermanence: not rolled back since " in shown and "a hibernation image waits in" in shown


# This boot is good


def mark(booted: Boot) -> int | None:
    result = good.result(os.fsencode(booted.run / "impermanence/rollback.env"))
    return good.mark(result, history.this_boot_id())


def test_a_good_boot_is_marked(machine: Machine) -> None:
    machine.boot()
    booted = machine.boot()
    machine.config.write_text("nonsense [\n")
    for _ in range(2):
        assert mark(booted) == 2
        assert [file.name for file in machine.state.glob("boots/*.good")] == ["2.good"]
    machine.boot()
    assert [file.name for file in machine.state.glob("boots/*.good")] == ["2.good"]


def test_marked_boots_are_what_the_hook_counts(machine: Machine) -> None:
    mark(machine.boot(mine="good"))
    for _ in range(3):
        assert machine.boot().result.action == "wiped"
    booted = machine.boot().result
    assert (booted.action, booted.boot, booted.hold) == ("booted", 1, True)
    assert (machine.root / "mine").read_text() == "good"


def test_the_result_of_another_boot_marks_nothing(machine: Machine) -> None:
    booted = machine.boot()
    file = booted.run / "impermanence/rollback.env"
    file.write_text(file.read_text().replace(history.this_boot_id(), boot_id_of(3)))
    assert mark(booted) is None
    assert not list(machine.state.glob("boots/*.good"))
    assert good.mark(None, history.this_boot_id()) is None


def test_a_boot_without_the_hook_marks_nothing(machine: Machine) -> None:
    assert mark(machine.boot("impermanence=off")) is None


def test_another_filesystem_with_the_same_layout_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    booted = machine.boot()
    (tmp_path / "second").mkdir()
    other = Filesystem(tmp_path / "second")
    try:
        other.subvolume("root")
        other.subvolume(".impermanence")
        (other.top / ".impermanence/boots").mkdir()
        other.mount(tmp_path / "second/root", "subvol=root")
        assert mark(booted) == 1
        assert not list(other.top.glob(".impermanence/boots/*"))
        machine.filesystem.umount(machine.root)
        with pytest.raises(Exception, match="the record of boot 1 is on no mounted filesystem"):
            mark(booted)
    finally:
        other.close()


def test_a_link_in_place_of_the_file_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    booted = machine.boot()
    (machine.state / "boots/1.good").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="symbolic"):
        mark(booted)
    assert not (tmp_path / "made").exists()


def test_requests_have_ids_of_their_own() -> None:
    first, second = requests.new("keep"), requests.new("keep")
    assert first.id != second.id
    assert records.parse_next(records.format_next(first)) == NextRequest("keep", first.id)
