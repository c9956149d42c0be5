"""The life of a path over several boots, as the command shows it."""

from __future__ import annotations

import os
import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import btrfsutil
import pytest

from impermanenced.boots import history
from impermanenced.state import LEDGER
from impermanenced.watch.ledger import Ledger, past
from impermanenced.watch.ledger.rows import Noted, Origin
from tests.conftest import sh
from tests.schema import checked

from .lives import live, writes
from .machine import Machine, boot_id_of

PROGRAM = Origin("app.service", b"/usr/bin/app", b"app", 7, 1000)


def seen(machine: Machine, path: str) -> list[Any]:
    document = checked("path_history", machine.say("history", "--json", path))
    return [
        (one["moment"]["boot"], one["there"], one["changed"], one["size"]) for one in document["sightings"]
    ]


def test_a_file_that_comes_and_goes(machine: Machine) -> None:
    live(machine, [writes(a="one\n"), writes(a="one\n"), writes(), writes(a="three\n"), writes(a="now\n")])
    assert seen(machine, "/etc/a") == [
        (5, True, True, 4),
        (4, True, True, 6),
        (3, False, None, None),
        (2, True, False, 4),
        (1, True, None, 4),
        (0, False, None, None),
        (None, False, None, None),
    ]
    said = machine.say("history", "/etc/a").splitlines()
    assert said[0] == "/etc/a: at 4 of 7 moments, 3 contents"
    assert "boot 5 (now)" in said[2] and "changed" in said[2]
    assert "same content" in said[5]
    assert said[-1].split() == ["the", "blank", "-", "-"]


def test_what_the_blank_has_and_what_changes_it(machine: Machine) -> None:
    live(machine, [lambda root: (root / "etc").chmod(0o700), lambda root: (root / "etc/x").touch(), writes()])
    document = checked("path_history", machine.say("history", "--json", "/etc"))
    assert [(one["moment"]["boot"], one["as_blank"], one["mode"]) for one in document["sightings"]] == [
        (3, True, "0755"),
        (2, False, "0755"),
        (1, True, "0700"),
        (0, True, "0755"),
        (None, True, "0755"),
    ]


def test_in_a_nested_subvolume(machine: Machine) -> None:
    def life(root: Path) -> None:
        sh("btrfs", "subvolume", "create", root / "srv")
        (root / "srv/file").write_text("x")

    live(machine, [life, writes()])
    assert [row[:2] for row in seen(machine, "/srv/file")] == [
        (2, False),
        (1, True),
        (0, False),
        (None, False),
    ]
    document = checked("path_history", machine.say("history", "--json", "/srv"))
    assert document["sightings"][1]["type"] == "subvolume"


def test_who_wrote_it_in_each_boot(machine: Machine) -> None:
    live(machine, [writes(a="1"), writes(a="2"), writes(a="3")])
    (root,) = machine.filesystem.top.glob("old_roots/1-*")
    note(machine, boot_id_of(1), root)
    document = checked("path_history", machine.say("history", "--json", "/etc/a"))
    writers = [one["writer"] and one["writer"]["unit"] for one in document["sightings"]]
    assert writers == [None, None, "app.service", None, None]
    assert "app.service" in machine.say("history", "/etc/a")


def note(machine: Machine, boot_id: str, root: Path) -> None:
    """As if the daemon had seen the program write it."""
    ledger = Ledger(os.fsencode(machine.state), boot_id, lambda: 1000.0)
    inode, number = (root / "etc/a").stat().st_ino, btrfsutil.subvolume_id(os.fspath(root))
    ledger.write({number: {inode: Noted(PROGRAM, (root / "etc").stat().st_ino, True, 1000.0, 1001.0)}})
    ledger.close()


# The ledger, while somebody writes to it


def test_the_copy_is_whole_while_the_daemon_writes(tmp_path: Path) -> None:
    """The daemon's lock keeps SQLite out: the copy has all that was stored when it was made."""
    ledger = Ledger(os.fsencode(tmp_path), boot_id_of(1), lambda: 1000.0)
    try:
        for number in range(300):  # far more than one checkpoint of the log
            batch = {5: {number * 50 + n: Noted(PROGRAM, n, True, 1.0, 2.0) for n in range(50)}}
            ledger.write(batch)
            if number % 50 == 0:
                with past.read(os.fsencode(tmp_path)) as copy:
                    assert copy.fault is None
                    assert copy.of(boot_id_of(1), 5, number * 50 + 49, 0) is not None
                    assert copy.of(boot_id_of(2), 5, 1, 0) is None
    finally:
        ledger.close()


def test_the_copy_takes_no_more_memory_than_the_file(tmp_path: Path) -> None:
    """On a machine with little memory nothing else can be told of it."""
    ledger = Ledger(os.fsencode(tmp_path), boot_id_of(1), lambda: 1000.0)
    try:
        tracemalloc.start()
        with past.read(os.fsencode(tmp_path)) as copy:
            assert copy.fault is None
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
        ledger.close()


def test_a_checkpoint_between_the_copies_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(os.fsencode(tmp_path), boot_id_of(1), lambda: 1000.0)
    content: Callable[..., bytes] = past._content
    begun: list[int] = []

    def read(path: bytes, *arguments: Any, **options: Any) -> bytes:
        found = content(path, *arguments, **options)
        if path.endswith(LEDGER) and len(begun) < 2:
            begun.append(1)
            ledger.write({5: {len(begun): Noted(PROGRAM, 1, True, 1.0, 2.0)}})
            ledger._database.con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            ledger.write({5: {len(begun) + 100: Noted(PROGRAM, 1, True, 1.0, 2.0)}})
        return found

    monkeypatch.setattr(past, "_content", read)
    try:
        ledger.write({5: {1000: Noted(PROGRAM, 1, True, 1.0, 2.0)}})
        with past.read(os.fsencode(tmp_path)) as copy:
            assert copy.fault is None
            assert all(copy.of(boot_id_of(1), 5, inode, 0) for inode in (1, 2, 101, 102, 1000))
        assert len(begun) == 2
    finally:
        ledger.close()


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000, b"SQLite format 3\0" + bytes(4096)])
def test_a_ledger_that_cannot_be_read_loses_the_writers_alone(machine: Machine, content: bytes) -> None:
    live(machine, [writes(a="1"), writes(a="2")])
    (machine.state / os.fsdecode(LEDGER)).write_bytes(content)
    document = checked("path_history", machine.say("history", "--json", "/etc/a"))
    assert [one["there"] for one in document["sightings"]] == [True, True, False, False]
    assert document["writers_fault"]
    assert "writers of earlier boots are not known" in machine.say("history", "/etc/a")


def test_values_of_another_type_are_no_writers(machine: Machine) -> None:
    live(machine, [writes(a="1"), writes(a="2")])
    (root,) = machine.filesystem.top.glob("old_roots/1-*")
    note(machine, boot_id_of(1), root)
    con = sqlite3.connect(machine.state / os.fsdecode(LEDGER))
    con.execute("UPDATE seen SET pid = 'x'")
    con.commit()
    con.close()
    document = checked("path_history", machine.say("history", "--json", "/etc/a"))
    assert [one["writer"] for one in document["sightings"]] == [None] * 4


# Bad input


def test_a_path_that_never_was(machine: Machine) -> None:
    live(machine, [writes()])
    assert "/etc/nothing: neither the blank" in machine.refused(1, "history", "/etc/nothing")


def test_a_path_beside_the_volumes(machine: Machine) -> None:
    where = machine.config.parent / "root"
    machine.config.write_text(f'[[volume]]\nmountpoint = "{where}"\npath = "/volume"\n')
    assert "is in no volume" in machine.refused(2, "history", "/elsewhere")


def test_before_any_boot(machine: Machine) -> None:
    assert history.this_boot_id()
    assert [row[:2] for row in seen(machine, "/etc")] == [(None, True), (None, True)]
