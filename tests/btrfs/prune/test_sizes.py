"""What an old root holds is what its deletion gives back."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import btrfsutil

from impermanenced.boots import records
from impermanenced.boots.prune.prune import DAY
from impermanenced.boots.prune.sizes import Sizes
from impermanenced.boots.records import BootRecord, BootVolume
from impermanenced.kernel import btrfs
from impermanenced.report.report import Manager
from tests.conftest import calls, sh

from .machine import NOW, System, after_the_blank, exclusive, fill, sh_subvolume, uuid_of


def in_use(system: System) -> int:
    """What all data takes on the disk; what was deleted has gone."""
    sh("btrfs", "subvolume", "sync", system.top)
    system.filesystem.sync()
    lines = sh("btrfs", "filesystem", "df", "--raw", system.top).splitlines()
    return sum(int(line.rpartition("used=")[2]) for line in lines if line.startswith("Data"))


def sizes(system: System) -> dict[int | None, int]:
    """By number of the boot; of all old roots, the newest first."""
    system.filesystem.sync()
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        found = archive.read()
        measured = Sizes(manager.machine).of(found, reversed(found.roots))
        return {root.number: measured[root.id] for root in found.roots}


def fill_blank(system: System, mebibytes: float) -> None:
    blank = system.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    fill(blank / "big", mebibytes)
    system.filesystem.sync()
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")


def test_bytes_are_those_that_btrfs_calls_exclusive_and_that_come_back(system: System) -> None:
    fill_blank(system, 16)
    old, other = system.boot(90), system.boot(80)
    fill(old / "new", 20)
    fill(other / "new", 5)
    with open(old / "big", "r+b") as stream:  # a part of what is the blank's
        stream.seek(4 << 20)
        stream.write(os.urandom(3 << 20))
    os.unlink(other / "big")
    measured = sizes(system)
    assert measured[0] == exclusive(old)
    assert measured[1] == exclusive(other)
    assert measured[0] == 23 << 20 and measured[1] == 5 << 20
    before = in_use(system)
    system.goes(old)
    assert before - in_use(system) == measured[0] + measured[1]


def test_bytes_of_what_is_nested(system: System) -> None:
    fill_blank(system, 4)
    old = system.boot(90)
    fill(old / "new", 2)
    sh_subvolume(old / "a")
    fill(old / "a/new", 3)
    sh_subvolume(old / "a/b")
    fill(old / "a/b/new", 4)
    system.filesystem.sync()
    system.filesystem.snapshot(f"old_roots/{old.name}/a", f"old_roots/{old.name}/c")
    fill(old / "c/more", 5)
    (measured,) = sizes(system).values()
    assert measured == 14 << 20
    before = in_use(system)
    system.goes(old)
    assert before - in_use(system) == measured


def test_an_unchanged_tree_holds_nothing_and_is_hardly_read(system: System) -> None:
    for number in range(3000):
        (system.top / f"seed/file{number}").write_bytes(b"x" * 3000)
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")
    system.filesystem.snapshot("seed", "root-blank", readonly=True)
    old = system.boot(90)
    system.filesystem.sync()
    tree = btrfs.Tree(os.open(system.top, os.O_RDONLY), btrfsutil.subvolume_id(os.fspath(old)))
    try:
        otransid = btrfsutil.subvolume_info(os.fspath(old)).otransid
        assert calls(lambda: tree.written(0)) > 3000
        assert calls(lambda: tree.written(otransid)) < 100
    finally:
        os.close(tree.fd)
    assert sizes(system) == {0: 0}


def test_bytes_of_small_compressed_reserved_and_missing_parts(system: System) -> None:
    old = system.boot(90)
    (old / "small").write_bytes(b"s" * 1000)
    system.filesystem.sync()
    assert sizes(system) == {0: 1000}
    with open(old / "hole", "wb") as stream:
        stream.truncate(1 << 30)
    assert sizes(system) == {0: 1000}
    with open(old / "reserved", "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 8 << 20)
    assert sizes(system)[0] == 1000 + (8 << 20)
    zeros = old / "zeros"
    zeros.touch()
    sh("btrfs", "property", "set", zeros, "compression", "zstd")
    zeros.write_bytes(bytes(4 << 20))
    measured = sizes(system)[0]
    assert 0 < measured - 1000 - (8 << 20) < 1 << 20
    assert measured - 1000 == exclusive(old) - (4 << 20) + in_use_of(zeros)


def in_use_of(path: Path) -> int:
    """What a compressed file takes on the disk: each extent of 128 KiB of zeros is one block."""
    lines = sh("filefrag", "-v", path).splitlines()
    return 4096 * sum("encoded" in line for line in lines)


def test_bytes_of_a_root_that_was_made_empty_in_the_same_transaction(system: System) -> None:
    old = system.boot(90)
    name = old.name
    sh("btrfs", "subvolume", "delete", old)
    system.filesystem.sync()
    sh_subvolume(old)
    fill(old / "new", 1)
    record = records.parse_record((system.boots / "1.env").read_bytes())
    volume = BootVolume("root", b"root", old=b"old_roots/" + name.encode(), old_uuid=uuid_of(old))
    system.write(record._replace(volumes=(volume,)))
    assert sizes(system) == {0: 1 << 20}


def test_bytes_of_the_first_root_of_which_the_blank_is_a_snapshot(system: System) -> None:
    # As installers leave it: what is in the blank does not come back when the first root goes.
    first = system.boot(90)
    fill(first / "installed", 9)
    system.filesystem.sync()
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")
    system.filesystem.snapshot(f"old_roots/{first.name}", "root-blank", readonly=True)
    fill(first / "later", 2)
    assert sizes(system) == {0: 2 << 20}
    again = boot_again(system, first)
    fill(again / "latest", 1)
    assert sizes(system) == {0: 0, 1: 3 << 20}


def boot_again(system: System, source: Path) -> Path:
    """An old root whose life began as a copy of another one, as `next boot` makes it."""
    system.filesystem.sync()
    taken = uuid_of(source)
    old = system.boot(50)
    name = old.name
    sh("btrfs", "subvolume", "delete", old)
    system.filesystem.snapshot(f"old_roots/{source.name}", f"old_roots/{name}")
    info = btrfsutil.subvolume_info(os.fspath(old))
    made = BootVolume(
        "root", b"root", uuid=uuid_of(old), source=b"x", source_uuid=taken, generation=info.otransid
    )
    life = records.parse_record((system.boots / f"{system.newest - 1}.env").read_bytes())
    (put_away,) = life.volumes
    made = made._replace(old=put_away.old, old_uuid=put_away.old_uuid)
    system.write(life._replace(action="booted", boot=0, volumes=(made,)))
    record = records.parse_record((system.boots / f"{system.newest}.env").read_bytes())
    volume = record.volumes[0]._replace(old_uuid=uuid_of(old))
    system.write(record._replace(volumes=(volume,)))
    return old


def test_what_two_old_roots_have_counts_once_and_to_the_end(system: System) -> None:
    fill_blank(system, 4)
    first = system.boot(90)
    with open(first / "big", "ab") as stream:
        stream.write(os.urandom(6 << 20))
    source = uuid_of(first)
    again = boot_again(system, first)
    fill(again / "more", 1)
    assert sizes(system) == {0: 0, 1: 7 << 20}
    # The one that it was made from goes: only the records know now what it began with.
    sh("btrfs", "subvolume", "delete", "--commit-after", first)
    assert source.encode() in (system.boots / "1.env").read_bytes()
    made = BootVolume("root", b"root", uuid=source, source=b"root-blank", generation=after_the_blank(system))
    system.write(BootRecord(0, str(uuid.UUID(int=0)), NOW - 95 * DAY, "6.1.0", "wiped", volumes=(made,)))
    assert sizes(system) == {1: 7 << 20}
    assert exclusive(again) == 7 << 20
