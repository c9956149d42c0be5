"""What is said of a loss, on a real volume: whose, how bad, why, and when it is none."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from impermanenced.model import AdviceKind, Difference, Entry, Verdict, Volume, Writer
from impermanenced.report.appraisal import Judged, VolumeFacts, appraise
from impermanenced.report.appraisal.old_roots import OldRootTree
from impermanenced.report.knowledge import load
from impermanenced.system.systemd import Span
from impermanenced.system.unit_files import Owner, Units

from ..conftest import Filesystem
from .conftest import Volumes

SQLITE = b"SQLite format 3\0" + bytes(100)
KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"x" * 100
ALICE = 1000


class Told:
    """A systemd that says what the test wants."""

    def __init__(self, span: Span | None, directories: dict[bytes, Owner]) -> None:
        self.span_, self._directories = span, directories

    def units(self, root: int) -> Units:
        return Units(self._directories)

    def span(self) -> Span | None:
        return self.span_


class Machine(Volumes):
    def __init__(self, filesystem: Filesystem) -> None:
        super().__init__(filesystem)
        seed = filesystem.subvolume("seed")
        for directory in ("etc", "home/alice", "var/lib", "var/cache", "var/log", "opt"):
            (seed / directory).mkdir(parents=True)
        (seed / "etc/motd").write_text("hello\n")
        filesystem.snapshot("seed", "root-blank", readonly=True)
        self.root = filesystem.snapshot("root-blank", "root")
        self.old: list[str] = []
        self.span: Span | None = None
        self.units: dict[bytes, Owner] = {}
        self.writers: dict[str, Writer] = {}

    def reboot(self) -> None:
        self.old.insert(0, f"old-{len(self.old)}")
        self.root.rename(self.top / self.old[0])
        self.root = self.filesystem.snapshot("root-blank", "root")

    def write(self, path: str, content: bytes | str = "x\n", uid: int = 0) -> Path:
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content.encode() if isinstance(content, str) else content)
        os.chown(where, uid, uid)
        return where

    @contextlib.contextmanager
    def volume_facts(self, told: Told | None = None) -> Iterator[VolumeFacts]:
        volume = Volume("root", b"/", b"/", b"root", 256, b"root-blank", 257)
        found = [OldRootTree(None, os.fsencode(self.top / name)) for name in self.old]

        def lives() -> Sequence[OldRootTree]:
            return found

        with VolumeFacts(
            volume,
            os.fsencode(self.root),
            os.fsencode(self.top / "root-blank"),
            os.fsencode(self.root),
            told or Told(self.span, self.units),
            lambda homes: load(homes=homes),
            lives,
            "",
        ) as volume_facts:
            yield volume_facts

    def entries(self, only: str = "") -> dict[str, Entry]:
        differences: list[Difference] = self.differences()
        if only:
            differences = [one for one in differences if os.fsdecode(one.path) == only]
        judged = [
            Judged(one, Verdict.CRUD, "nothing declares it", self.writers.get(os.fsdecode(one.path)))
            for one in differences
        ]
        with self.volume_facts() as volume_facts:
            found = appraise(volume_facts, judged, time.time())
            assert volume_facts.faults() == []
        assert [entry.difference.path for entry in found] == sorted(one.path for one in differences)
        return {os.fsdecode(entry.difference.path): entry for entry in found}


@pytest.fixture
def machine(filesystem: Filesystem) -> Machine:
    return Machine(filesystem)


def session(uid: int = ALICE) -> Writer:
    return Writer("session-3.scope", b"/usr/bin/nvim", b"nvim", 1, uid, 1.0, 1.0, "session")


def test_every_loss_has_a_class_a_score_a_reason_and_advice(machine: Machine) -> None:
    machine.write("etc/unheard-of.conf")
    machine.write("opt/thing/bin/x")
    machine.write("home/alice/notes.md", uid=ALICE)
    machine.write("var/lib/unheard-of/x")
    machine.write("stray")
    (machine.root / "etc/motd").unlink()
    machine.filesystem.subvolume("root/var/lib/machines")
    crud = [entry for entry in machine.entries().values() if entry.verdict is Verdict.CRUD]
    assert len(crud) >= 7
    for entry in crud:
        assert entry.loss and entry.rule and entry.advice, entry
        assert 0 <= entry.score <= 100
        assert entry.score or not entry.difference.size
    found = {os.fsdecode(entry.difference.path): entry for entry in crud}
    assert found["/var/lib/machines"].loss == "subvolume"
    assert found["/etc/motd"].advice == (("blank", ""),)
    assert (
        found["/home/alice/notes.md"].score > found["/etc/unheard-of.conf"].score > found["/stray"].score - 10
    )


def test_whose_state_it_is(machine: Machine) -> None:
    machine.units = {
        b"/var/lib/thing": Owner("thing.service", "state"),
        b"/var/cache/thing": Owner("thing.service", "cache"),
        b"/var/lib/weird-cache": Owner("weird.service", "cache"),
        b"/var/log/thing": Owner("thing.service", "logs"),
    }
    for path in ("var/lib/thing/x", "var/cache/thing/x", "var/lib/weird-cache/x", "var/log/thing/x"):
        machine.write(path)
    found = machine.entries()
    state = found["/var/lib/thing/x"]
    assert (state.verdict, state.unit, state.loss) == (Verdict.CRUD, "thing.service", "service-state")
    assert state.group == b"/var/lib/thing"
    assert "state of thing.service: /var/lib/thing" in state.because
    assert state.advice == (("persist-directory", "/var/lib/thing"),)
    # The directory itself is the unit's to make; what is in it is nobody's.
    made = found["/var/lib/thing"]
    assert (made.verdict, made.rule) == (Verdict.REGENERATED, "made for thing.service when it starts: state")
    assert found["/var/cache/thing/x"].verdict is Verdict.IGNORED
    assert found["/var/lib/weird-cache/x"].rule == "cache of weird.service: /var/lib/weird-cache"
    assert (found["/var/log/thing/x"].verdict, found["/var/log/thing/x"].loss) == (Verdict.CRUD, "log")


def test_what_holds_nothing_is_no_loss(machine: Machine) -> None:
    (machine.root / "opt/empty").mkdir()
    (machine.root / "opt/full").mkdir()
    machine.write("opt/full/x")
    (machine.root / "opt/full-of-nothing").mkdir()
    found = machine.entries()
    assert found["/opt/empty"].rule == "an empty directory, which holds nothing"
    assert found["/opt/empty"].verdict is Verdict.REGENERATED
    assert found["/opt/full-of-nothing"].verdict is Verdict.REGENERATED
    assert found["/opt/full"].verdict is Verdict.CRUD


def test_a_directory_is_empty_by_what_the_disk_has_not_by_what_was_asked(machine: Machine) -> None:
    """The daemon asks for single paths: the file in the directory is none of them."""
    (machine.root / "opt/full").mkdir()
    machine.write("opt/full/x")
    found = machine.entries(only="/opt/full")
    assert found["/opt/full"].verdict is Verdict.CRUD


def test_a_copy_of_the_skeleton_of_homes_is_no_loss(machine: Machine) -> None:
    for name in (".profile", ".bashrc", ".config/thing/rc"):
        machine.write(f"etc/skel/{name}", "as delivered\n")
        machine.write(f"home/alice/{name}", "as delivered\n")
    machine.write("home/alice/.bashrc", "edited\n")
    machine.write("home/alice/.zshrc", "as delivered\n")
    found = machine.entries()
    assert found["/home/alice/.profile"].rule == "as /etc/skel has it, where each new home begins"
    assert found["/home/alice/.profile"].verdict is Verdict.REGENERATED
    assert found["/home/alice/.config/thing/rc"].verdict is Verdict.REGENERATED
    assert found["/home/alice/.bashrc"].verdict is Verdict.CRUD
    assert found["/home/alice/.zshrc"].verdict is Verdict.CRUD


def test_content_tells_what_names_do_not(machine: Machine) -> None:
    machine.write("opt/thing/a", SQLITE)
    machine.write("opt/thing/b", KEY)
    machine.write("opt/thing/c", b"x" * 200)
    (machine.root / "opt/thing/link").symlink_to("b")
    os.mkfifo(machine.root / "opt/thing/fifo")
    found = machine.entries()
    assert found["/opt/thing/a"].loss == "database"
    assert "begins as a SQLite database does" in found["/opt/thing/a"].because
    assert found["/opt/thing/b"].loss == "secret"
    assert found["/opt/thing/b"].score > found["/opt/thing/a"].score > found["/opt/thing/c"].score
    assert found["/opt/thing/link"].loss == found["/opt/thing/fifo"].loss == "unknown"


def test_the_first_boot_is_excused_for_what_it_made_before_it_had_settled(machine: Machine) -> None:
    machine.span = Span(time.time() - 100, time.time() + 100)
    for path in ("etc/made.conf", "etc/edited.conf", "home/alice/x", "opt/thing/key"):
        machine.write(path)
    machine.write("etc/ssh/ssh_host_ed25519_key", KEY)
    machine.write("opt/thing/key", KEY)
    machine.writers["/etc/edited.conf"] = session(0)
    found = machine.entries()
    assert found["/etc/made.conf"].verdict is Verdict.REGENERATED
    assert found["/etc/made.conf"].rule == "made before the boot had settled"
    for path in ("/etc/edited.conf", "/home/alice/x", "/etc/ssh/ssh_host_ed25519_key"):
        assert found[path].verdict is Verdict.CRUD, path
    machine.span = Span(time.time() - 200, time.time() - 100)
    assert machine.entries()["/etc/made.conf"].verdict is Verdict.CRUD


def test_what_the_boot_makes_anew_is_no_loss(machine: Machine) -> None:
    machine.write("etc/made.conf")
    machine.write("home/alice/same", uid=ALICE)
    machine.reboot()
    machine.write("etc/made.conf")
    machine.write("home/alice/same", uid=ALICE)
    # One boot before, and nobody knows when this one had settled: not enough.
    assert machine.entries()["/etc/made.conf"].verdict is Verdict.CRUD
    assert machine.entries()["/etc/made.conf"].lost == 1
    machine.span = Span(time.time() - 100, time.time() + 100)
    made = machine.entries()["/etc/made.conf"]
    assert (made.verdict, made.rule) == (
        Verdict.REGENERATED,
        "the last boot had it too, with the same content",
    )
    machine.writers["/etc/made.conf"] = session(0)
    assert machine.entries()["/etc/made.conf"].verdict is Verdict.CRUD
    machine.writers.clear()
    machine.span = None
    machine.reboot()
    machine.write("etc/made.conf")
    machine.write("home/alice/same", uid=ALICE)
    found = machine.entries()
    assert found["/etc/made.conf"].rule == "each of the last 2 boots had it too, with the same content"
    # In a home somebody may have restored it by hand, each time.
    assert found["/home/alice/same"].verdict is Verdict.CRUD


def test_a_stamp_is_not_the_same_because_it_is_empty(machine: Machine) -> None:
    timer, stamp = "var/lib/systemd/timers/stamp-backup.timer", "var/lib/unheard-of/stamp"
    for _ in range(2):
        machine.write(timer, "")
        machine.write(stamp, "")
        machine.reboot()
    machine.write(timer, "")
    machine.write(stamp, "")
    machine.span = Span(time.time() - 100, time.time() + 100)
    found = machine.entries()
    # What is known to keep a time in its own would be missed; what nobody knows comes back by itself.
    assert (found["/" + timer].verdict, found["/" + timer].lost) == (Verdict.CRUD, 2)
    assert found["/" + stamp].verdict is Verdict.REGENERATED


def test_when_the_boot_has_settled_is_asked_until_it_has(machine: Machine) -> None:
    told = Told(None, {})
    with machine.volume_facts(told) as volume_facts:
        assert volume_facts.span is None
        told.span_ = Span(1.0, 2.0)
        assert volume_facts.span is None, "not for each path anew"
        volume_facts.ask_again()
        assert volume_facts.span == Span(1.0, 2.0)


def test_an_identity_that_comes_back_different_is_flagged(machine: Machine) -> None:
    for _ in range(3):
        machine.write("etc/strange-id", os.urandom(16).hex())
        machine.reboot()
    machine.write("etc/strange-id", os.urandom(16).hex())
    machine.span = Span(time.time() - 100, time.time() + 100)
    entry = machine.entries()["/etc/strange-id"]
    assert (entry.verdict, entry.loss, entry.lost) == (Verdict.CRUD, "service-state", 3)
    assert any("comes back with other content at each boot (the last 4)" in one for one in entry.because)


def test_what_a_unit_makes_at_each_boot_is_no_loss_if_only_numbers_differ(machine: Machine) -> None:
    """Nobody misses how long the last boot took; an identity of digits has more of them."""
    made, identity = "var/lib/unheard-of/duration", "var/lib/unheard-of/identity"
    for boot in range(3):
        machine.write(made, f"took {boot}.25 s, {boot * 99} files\n")
        machine.write(identity, f"id {boot}123456789\n")
        if boot < 2:
            machine.reboot()
    for path in (made, identity):
        machine.writers["/" + path] = Writer("thing.service", b"/x", b"x", 1, 0, 1.0, 1.0, "system")
    found = machine.entries()
    assert found["/" + made].verdict is Verdict.REGENERATED
    assert found["/" + made].rule == (
        "thing.service makes it: each of the last 2 boots had it too, and only numbers in it differ"
    )
    assert found["/" + identity].verdict is Verdict.CRUD
    for kind in ("session", "user"):
        machine.writers["/" + made] = Writer("thing.service", b"/x", b"x", 1, 0, 1.0, 1.0, kind)
        assert machine.entries()["/" + made].verdict is Verdict.CRUD, kind
    machine.writers.clear()
    assert machine.entries()["/" + made].verdict is Verdict.CRUD, "nobody knows who made it"
    # Once it was missing: somebody else may have put it there since.
    machine.reboot()
    machine.reboot()
    machine.write(made, "took 7.25 s, 7 files\n")
    machine.writers["/" + made] = Writer("thing.service", b"/x", b"x", 1, 0, 1.0, 1.0, "system")
    assert machine.entries()["/" + made].verdict is Verdict.CRUD


def test_what_the_package_manager_s_unit_writes_below_usr_is_of_a_trigger(machine: Machine) -> None:
    machine.write("var/lib/dpkg/status", "")
    machine.write("var/lib/dpkg/info/thing.list", "/.\n/usr\n")
    index, mine = "/usr/lib/thing/index", "/usr/local/bin/mine"
    for path in (index, mine):
        machine.write(path[1:], "x\n")

    def judged(kind: str) -> list[Verdict]:
        writer = Writer("packagekit.service", b"/usr/bin/index", b"index", 1, 0, 1.0, 1.0, kind)
        machine.writers = dict.fromkeys((index, mine), writer)
        found = machine.entries()
        return [found[path].verdict for path in (index, mine)]

    assert machine.entries()[index].verdict is Verdict.CRUD
    assert machine.entries()[index].advice == ((AdviceKind.PERSIST_FILE, index),), "and not all of /usr"
    assert judged("system") == [Verdict.REGENERATED, Verdict.CRUD]
    assert judged("user") == [Verdict.CRUD, Verdict.CRUD], "a user's unit of that name"


def test_lost_before_hurts_more(machine: Machine) -> None:
    machine.write("opt/thing/again", "1\n")
    machine.reboot()
    machine.write("opt/thing/again", "2\n")
    machine.write("opt/thing/new", "2\n")
    found = machine.entries()
    assert found["/opt/thing/again"].score == found["/opt/thing/new"].score + 1


def git(machine: Machine, pushed: str | None) -> None:
    machine.write("home/alice/code/.git/HEAD", "ref: refs/heads/main\n", ALICE)
    machine.write("home/alice/code/.git/refs/heads/main", "a" * 40 + "\n", ALICE)
    machine.write("home/alice/code/main.c", "int main;\n", ALICE)
    if pushed is not None:
        machine.write("home/alice/code/.git/refs/remotes/origin/main", pushed + "\n", ALICE)


@pytest.mark.parametrize(
    ("pushed", "words"),
    [
        (None, "git: main is on no remote"),
        ("b" * 40, "git: main has commits that are not pushed"),
        ("a" * 40, None),
    ],
)
def test_work_that_is_not_pushed(machine: Machine, pushed: str | None, words: str | None) -> None:
    git(machine, pushed)
    entry = machine.entries()["/home/alice/code/main.c"]
    said = [one for one in entry.because if one.startswith("git: ")]
    assert said == ([words] if words else [])
    assert (("push", "/home/alice/code") in entry.advice) == bool(words)


def test_a_repository_that_lies_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    machine.write("home/alice/code/main.c", "int main;\n", ALICE)
    (machine.root / "home/alice/code/.git").symlink_to(tmp_path)
    machine.write("home/alice/other/.git/HEAD", "ref: refs/heads/../../../../etc/shadow\n", ALICE)
    machine.write("home/alice/third/.git/HEAD", "ref: refs/heads/main\n", 0)  # not theirs
    machine.write("home/alice/third/.git/index", "x", ALICE)
    for entry in machine.entries().values():
        assert not [one for one in entry.because if one.startswith("git: ")]


def test_links_in_loops_are_links_and_no_more(machine: Machine) -> None:
    """Wherever something is looked up: content, repositories, old roots, accounts, homes, the skeleton."""
    machine.write("home/alice/code/main.c", "int main;\n", ALICE)
    loops = (
        "etc/passwd", "etc/skel", "home/alice/loop", "home/alice/code/.git", "var/lib/one", "opt/thing",
        "var/lib/dpkg", "usr/lib/tmpfiles.d", "usr/lib/systemd", ".git",
    )  # fmt: skip
    for path in loops:
        (machine.root / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / path).symlink_to((machine.root / path).name)
    (machine.root / "var/lib/two").symlink_to("three")
    (machine.root / "var/lib/three").symlink_to("two")
    machine.reboot()
    for path in (*loops[:6], "var/lib/two"):
        (machine.root / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / path).symlink_to((machine.root / path).name)
    machine.write("var/lib/three", SQLITE)
    found = machine.entries()
    assert set(found) >= {f"/{path}" for path in loops[:6]}
    assert found["/var/lib/three"].loss == "database"
    assert found["/home/alice/loop"].verdict is Verdict.CRUD


def test_what_is_hidden_under_a_mount_is_not_excused(machine: Machine) -> None:
    machine.write("var/cache/thing/x")
    difference = next(one for one in machine.differences() if one.path == b"/var/cache/thing/x")
    with machine.volume_facts() as volume_facts:
        (entry,) = appraise(volume_facts, [Judged(difference, Verdict.CRUD, "words", None, hidden=True)], 0)
    assert entry.verdict is Verdict.CRUD
    assert entry.advice == (("copy", ""),)


def test_a_rule_file_with_a_mistake_is_said(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[[rule]]\napplication = 3\n")
    machine.write("etc/x")
    with machine.volume_facts() as volume_facts:
        volume_facts._load = lambda homes: load([os.fsencode(tmp_path)], homes)
        appraise(volume_facts, [Judged(one, Verdict.CRUD, "", None) for one in machine.differences()], 0)
        assert any("bad.toml: line 2: application" in fault for fault in volume_facts.faults())
