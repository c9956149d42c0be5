"""What two moments differ in, as the command shows it: blank, old roots and now, with real boots between."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sh
from tests.schema import checked

from .lives import DEEP, live, writes, writes_deep
from .machine import Machine


@pytest.fixture
def lived(machine: Machine) -> Machine:
    """Three lives: boot 3 runs."""
    live(
        machine,
        [
            writes(first="1\n", both="one\n", same="same\n"),
            writes(second="2\n", both="two\nlines\n", same="same\n"),
            writes(third="3\n"),
        ],
    )
    for number in (1, 2):
        (root,) = machine.filesystem.top.glob(f"old_roots/{number}-*")
        os.utime(root / "etc/same", (5, 5))
    return machine


def compared(machine: Machine, *argv: str) -> Any:
    return checked("comparison", machine.say("diff", "--json", *argv))


def changes(document: Any) -> set[tuple[str, str]]:
    (volume,) = document["volumes"]
    assert volume["complete"]
    return {(one["letters"][0], one["path"]) for one in volume["differences"]}


def test_two_old_roots(lived: Machine) -> None:
    document = compared(lived, "-b", "1..2")
    assert changes(document) == {("-", "/etc/first"), ("+", "/etc/second"), ("c", "/etc/both")}
    assert (document["from"]["boot"], document["to"]["boot"]) == (1, 2)
    (both,) = [one for one in document["volumes"][0]["differences"] if one["path"] == "/etc/both"]
    assert (both["was_size"], both["size"]) == (4, 10)


@pytest.mark.parametrize("span", ["-2..-1", "1..-1", "-2..2"])
def test_boots_are_counted_back(lived: Machine, span: str) -> None:
    assert changes(compared(lived, "-b", span)) == changes(compared(lived, "-b", "1..2"))
    assert changes(compared(lived, f"--boot={span}")) == changes(compared(lived, "-b", "1..2"))


def test_blank_and_now(lived: Machine) -> None:
    assert changes(compared(lived, "-b", "blank..now")) == {("+", "/etc/third")}
    assert changes(compared(lived, "-b", "now..blank")) == {("-", "/etc/third")}
    assert ("-", "/etc/second") in changes(compared(lived, "-b", "-1"))
    assert changes(compared(lived, "-b", "3")) == set()  # the running one with itself


def test_a_kept_root_is_that_of_the_boot_that_kept_it(machine: Machine) -> None:
    live(machine, [writes(first="1")])
    machine.boot("impermanence=keep")
    assert changes(compared(machine, "-b", "blank..1")) == {("+", "/etc/first")}


def test_only_a_path(lived: Machine) -> None:
    assert changes(compared(lived, "-b", "1..2", "/etc/both")) == {("c", "/etc/both")}
    assert len(changes(compared(lived, "-b", "1..2", "/etc"))) == 3
    assert changes(compared(lived, "-b", "1..2", "/usr")) == set()


def test_the_words(lived: Machine) -> None:
    head, blank, *lines = lived.say("diff", "-b", "1..2").splitlines()
    assert head == "from boot 1 to boot 2: 3 differences, 2 B came, 2 B went"
    assert blank == ""
    assert lines == ["c.....m /etc/both", "-...... /etc/first", "+...... /etc/second"]
    assert "4 B -> 10 B" in lived.say("diff", "-b", "1..2", "--stat")
    tree = lived.say("diff", "-b", "1..2", "--tree").splitlines()[2:]
    assert tree == [".......  etc/", "c.....m    both", "-......    first", "+......    second"]
    unified = lived.say("diff", "-b", "1..2", "-u")
    assert "--- a/etc/both\n+++ b/etc/both\n@@ -1 +1,2 @@\n-one\n+two\n+lines\n" in unified
    assert lived.say("diff", "-b", "1..1") == "from boot 1 to boot 1: 0 differences, 0 B came, 0 B went\n"


def test_a_view_alone_compares_the_blank_with_now(lived: Machine) -> None:
    assert "+...... /etc/third  +2 B" in lived.say("diff", "--stat")


def test_moves(machine: Machine) -> None:
    live(machine, [lambda root: (root / "etc").rename(root / "settings"), writes()])
    document = compared(machine, "-b", "blank..1")
    assert changes(document) == set()
    assert [(one["old"], one["new"]) for one in document["volumes"][0]["moves"]] == [("/etc", "/settings")]
    said = machine.say("diff", "-b", "blank..1")
    assert "1 move" in said and "r...... /etc -> /settings\n" in said


def test_content_that_a_terminal_would_obey_is_escaped(machine: Machine) -> None:
    live(machine, [lambda root: (root / "etc/x\x1b[31m").write_text("\x1b[2Jtext\n"), writes()])
    said = machine.say("diff", "-b", "blank..1", "-u")
    assert "\x1b" not in said and "\\x1b[2Jtext" in said


def test_what_is_no_text_says_so(machine: Machine) -> None:
    def life(root: Path) -> None:
        (root / "etc/binary").write_bytes(b"\0\1\2")
        (root / "etc/large").write_bytes(b"x" * (2 << 20))
        (root / "etc/link").symlink_to("binary")
        os.mkfifo(root / "etc/fifo")

    live(machine, [life, writes()])
    said = machine.say("diff", "-b", "blank..1", "-u")
    assert "no text, or too many lines: 3 B" in said
    assert "not shown: larger than 1.0 MiB" in said
    assert "+-> binary" in said


def test_old_roots_of_the_scripts(lived: Machine) -> None:
    """What the well-known scripts have put away is an old root like any other."""
    top = lived.filesystem.top
    for path in ("old_roots/2024-7-4_09:59:51", "@old-roots/root.20240704T095951"):
        (top / path).parent.mkdir(exist_ok=True)
        sh("btrfs", "subvolume", "snapshot", top / "root-blank", top / path)
        (top / path / "etc/classic").write_text("classic\n")
        name = Path(path).name
        for word in (name, path):
            assert changes(compared(lived, "-b", f"blank..{word}")) == {("+", "/etc/classic")}
        assert ("-", "/etc/classic") in changes(compared(lived, "-b", name))
    other = top / ".snapshots"
    other.mkdir()
    sh("btrfs", "subvolume", "snapshot", "-r", top / "root", other / "root.20240704T095951")
    known = {root["path"] for boot in lived.document()["boots"] for root in boot["old_roots"]}
    assert "@old-roots/root.20240704T095951" in known
    assert not any(path.startswith(".snapshots") for path in known)  # a snapshot of another tool


def test_names_longer_than_a_path_can_be(machine: Machine) -> None:
    live(machine, [writes_deep, writes()])
    found = changes(compared(machine, "-b", "blank..1"))
    assert ("+", DEEP) in found
    for view in ("--stat", "--tree", "-u"):
        assert machine.run("diff", "-b", "blank..1", view).returncode == 0


# Bad input


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("-b", "77"), 2, "there is no boot 77"),
        (("-b", "-9..now"), 2, "there is no boot -9"),
        (("-b", "1..9"), 2, "there is no boot 9"),
        (("-b", "yesterday"), 2, "there is no boot and no old root yesterday"),
        (("-b", "..1"), 2, "'' is not a boot"),
        (("-b", "1..-x"), 2, "'-x' is not a boot"),
        (("-b", "1", "--stat", "--json"), 2, "--stat and --json"),
    ],
)
def test_what_makes_no_sense(lived: Machine, argv: tuple[str, ...], code: int, message: str) -> None:
    assert message in lived.refused(code, "diff", *argv)


def test_an_old_root_that_is_gone(lived: Machine) -> None:
    (root,) = lived.filesystem.top.glob("old_roots/1-*")
    sh("btrfs", "subvolume", "delete", root)
    assert "the old root of boot 1 is gone" in lived.refused(1, "diff", "-b", "1")


def test_an_old_root_that_is_being_pruned(lived: Machine) -> None:
    (root,) = lived.filesystem.top.glob("old_roots/1-*")
    fd = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert f"old_roots/{root.name} is being pruned" in lived.refused(1, "diff", "-b", "1")
    finally:
        os.close(fd)


def test_an_old_root_that_is_half_deleted(machine: Machine) -> None:
    """A run of prune was cut: what was nested is gone, the rest is there."""

    def life(root: Path) -> None:
        sh("btrfs", "subvolume", "create", root / "srv")
        (root / "srv/file").touch()
        (root / "etc/file").touch()

    live(machine, [life, writes()])
    assert ("+", "/srv/file") in changes(compared(machine, "-b", "blank..1"))
    (root,) = machine.filesystem.top.glob("old_roots/1-*")
    sh("btrfs", "subvolume", "delete", root / "srv")
    assert changes(compared(machine, "-b", "blank..1")) == {("+", "/etc/file")}
