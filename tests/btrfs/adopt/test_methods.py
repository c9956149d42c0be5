"""The methods of `persist`: a link, copies of a file, and a mount in the place of another one."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator

import pytest

from impermanenced.boots.records.job import ENDED, Step
from impermanenced.config.placement import BIND, SYMLINK, SYNC
from impermanenced.errors import UsageError
from impermanenced.keep import sync
from impermanenced.keep.adopt import originals, run
from impermanenced.keep.adopt.live import Live
from impermanenced.kernel import attach, mounts
from tests.conftest import sh

from ..copying import trees
from .disturbed import killed_at
from .machine import Machine
from .test_cuts import ROUNDS, grow

APP = "/var/lib/app"
ORIGINALS = ".impermanence-originals"


def look(machine: Machine, path: str = APP) -> trees.Seen:
    """What a program finds there; a link leads where it would with this root."""
    place = machine.root / path[1:]
    if place.is_symlink():
        place = machine.root / os.readlink(place)[1:]
    return trees.look(os.fsencode(place), atime=False)


def at(machine: Machine, path: str = APP) -> list[mounts.Mount]:
    return [one for one in mounts.read() if one.path == os.fsencode(machine.root / path[1:])]


@pytest.mark.parametrize("directory", [True, False], ids=["directory", "file"])
def test_a_link_takes_the_place_and_goes_back(machine: Machine, directory: bool) -> None:
    place = machine.root / APP[1:]
    if directory:
        grow(place)
    else:
        place.write_text("content")
        os.chown(place, 33, 33)
    before = look(machine)
    job, notes = machine.adopt(APP, method=SYMLINK)
    assert (job.step, notes) == (Step.DONE, [])
    assert os.readlink(place) == f"/persist{APP}"
    assert place.lstat().st_uid == (machine.persist / APP[1:]).stat().st_uid
    assert trees.difference(before, look(machine)) == {}
    put_away = machine.root / ORIGINALS
    assert stat.S_IMODE(put_away.stat().st_mode) == 0o700
    assert trees.difference(before, trees.look(os.fsencode(put_away / "1"), atime=False)) == {}
    if directory:
        (machine.persist / APP[1:] / "later").write_text("later")
    before = look(machine)
    assert machine.undo().method == SYMLINK
    assert not place.is_symlink() and machine.declared() == set()
    assert trees.difference(before, look(machine)) == {}
    assert sorted(path.name for path in put_away.iterdir()) == ["1"]
    machine.undo_list_is_over()
    assert list(put_away.iterdir()) == []


@pytest.mark.parametrize("written", [False, True])
def test_a_time_that_tells_nothing_is_no_write(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """All of it in one tick of the clock: the copy seems to have changed since, and so does the original."""
    place = machine.root / "etc/app.conf"
    place.write_text("content")
    exchange = originals.exchange

    def in_one_tick(directory: int, name: bytes, live: Live) -> None:
        if written:
            place.write_text("written at the last moment")
        exchange(directory, name, live)
        copy = machine.persist / "etc/app.conf"
        os.utime(copy, ns=(copy.stat().st_atime_ns, copy.stat().st_mtime_ns))  # its ctime is that of now

    monkeypatch.setattr(originals, "exchange", in_one_tick)
    _, notes = machine.adopt("/etc/app.conf", method=SYMLINK)
    assert [("look at it" in note) for note in notes] == ([True] if written else [])


def test_a_link_is_there_after_a_wipe(machine: Machine) -> None:
    before = grow(machine.root / APP[1:])
    machine.adopt(APP, method=SYMLINK)
    machine.reboot()
    assert trees.difference(before, look(machine)) == {}
    assert not (machine.root / ORIGINALS).exists(), "the original went with the old root"
    machine.give_back(APP)
    assert trees.difference(before, look(machine)) == {}


def test_a_link_that_was_replaced_is_not_given_back(machine: Machine) -> None:
    grow(machine.root / APP[1:])
    machine.adopt(APP, method=SYMLINK)
    (machine.root / APP[1:]).unlink()
    (machine.root / APP[1:]).mkdir()
    with pytest.raises(UsageError, match="say which of both counts"):
        machine.give_back(APP)
    assert (machine.root / APP[1:]).is_dir() and machine.declared() == {APP.encode()}


def test_each_version_of_a_file_is_copied_back(machine: Machine) -> None:
    place, source = machine.root / "etc/app.conf", machine.persist / "etc/app.conf"
    place.write_text("old")
    place.chmod(0o640)
    inode = place.stat().st_ino
    job, notes = machine.adopt("/etc/app.conf", method=SYNC)
    assert (job.step, notes) == (Step.DONE, [])
    assert place.stat().st_ino == inode and not at(machine, "/etc/app.conf")
    assert source.read_text() == "old" and stat.S_IMODE(source.stat().st_mode) == 0o640
    new = place.with_suffix(".tmp")
    new.write_text("new")
    new.rename(place)
    machine.work(lambda ground, _: sync.run(ground.config.placements, ground.root, dry_run=False))
    assert source.read_text() == "new"
    machine.give_back("/etc/app.conf")
    assert place.read_text() == "new" and not source.exists()
    assert machine.declared() == set()


def test_what_is_written_until_the_end_is_in_the_first_copy(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = machine.root / "etc/app.conf"
    place.write_text("old")
    compile = machine.compile

    def late() -> None:
        place.write_text("written at the last moment")
        compile()

    monkeypatch.setattr(machine, "compile", late)
    machine.adopt("/etc/app.conf", method=SYNC)
    assert (machine.persist / "etc/app.conf").read_text() == "written at the last moment"


@pytest.fixture
def mounted(machine: Machine) -> Iterator[Machine]:
    """Something is mounted at the place, with data of its own."""
    place = machine.root / APP[1:]
    place.mkdir()
    sh("mount", "-t", "tmpfs", "tmpfs", place)
    (place / "data").write_text("of the mount")
    yield machine
    while at(machine):
        sh("umount", "--lazy", place)


def test_a_mount_takes_the_place_of_another(mounted: Machine) -> None:
    before = look(mounted)
    job, notes = mounted.adopt(APP, replaces=True)
    assert (job.step, notes) == (Step.DONE, [])
    assert [one.fstype for one in at(mounted)] == [b"btrfs"], "the other one has gone"
    assert trees.difference(before, look(mounted)) == {}
    mounted.give_back(APP)
    assert at(mounted) == []
    assert trees.difference(before, look(mounted)) == {}


def test_a_kernel_that_puts_nothing_beneath_covers_it(
    mounted: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one before 6.5: it says EINVAL to a flag that it does not know."""
    monkeypatch.setattr(attach, "MOVE_MOUNT_BENEATH", 0x8000)
    before = look(mounted)
    _, notes = mounted.adopt(APP, replaces=True)
    assert len(notes) == 1 and "stays, covered, until the next boot" in notes[0]
    assert [one.fstype for one in at(mounted)] == [b"tmpfs", b"btrfs"]
    assert trees.difference(before, look(mounted)) == {}
    with pytest.raises(UsageError, match="is there, covered, and would be seen"):
        mounted.give_back(APP)
    assert trees.difference(before, look(mounted)) == {}
    mounted.reboot()
    mounted.give_back(APP)
    assert (mounted.root / APP[1:] / "data").read_text() == "of the mount"


def test_what_is_written_to_the_mount_until_it_goes_is_copied(
    mounted: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    detach = attach.detach

    def late(directory: int, name: bytes, *, used: bool = False) -> None:
        (mounted.root / APP[1:] / "data").write_text("written at the last moment")
        detach(directory, name, used=used)

    monkeypatch.setattr(attach, "detach", late)
    _, notes = mounted.adopt(APP, replaces=True)
    assert notes == []
    assert (mounted.root / APP[1:] / "data").read_text() == "written at the last moment"


METHODS = {"link": SYMLINK, "mount": BIND, "replaced": BIND}


@pytest.mark.parametrize("method", METHODS)
def test_the_path_is_never_missing(machine: Machine, method: str) -> None:
    place = machine.root / APP[1:]
    place.mkdir()
    if method == "replaced":
        sh("mount", "-t", "tmpfs", "tmpfs", place)
    (place / "file").write_text("content")
    watched = place if method == "link" else place / "file"  # a link leads out of this root
    missing: list[OSError] = []
    looks, stop = 0, threading.Event()

    def watch() -> None:
        nonlocal looks
        while not stop.is_set():
            try:
                os.lstat(watched)
            except OSError as error:
                missing.append(error)
            looks += 1

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        machine.adopt(APP, method=METHODS[method], replaces=method == "replaced")
        machine.give_back(APP)
    finally:
        stop.set()
        thread.join()
    assert looks and missing == []


@pytest.mark.parametrize("method", ["link", "replaced", "copies"])
@pytest.mark.parametrize("back", [False, True], ids=["persist", "unpersist"])
def test_killed_at_any_call(machine: Machine, method: str, back: bool) -> None:
    """The next run finishes or undoes it."""
    for turn in range(ROUNDS):
        path = f"/var/lib/app{turn}"
        place = machine.root / path[1:]
        if method == "copies":
            place.write_text("content")
        elif method == "replaced":
            place.mkdir()
            sh("mount", "-t", "tmpfs", "tmpfs", place)
            grow(place / "tree")
        else:
            grow(place)
        before = look(machine, path)
        act: Callable[[], object] = lambda path=path: machine.adopt(  # type: ignore[misc]  # noqa: E731
            path,
            method={"link": SYMLINK, "copies": SYNC, "replaced": BIND}[method],
            replaces=method == "replaced",
        )
        if back:
            act()
            act = lambda path=path: machine.give_back(path)  # type: ignore[misc]  # noqa: E731
        killed = killed_at(turn, act)
        machine.recover()
        assert {job.step for job in machine.jobs()} <= set(ENDED)
        assert trees.difference(before, look(machine, path)) == {}
        kept = path.encode() in machine.declared()
        assert (machine.persist / path[1:]).exists() == kept
        if method == "link":
            assert place.is_symlink() == kept
            assert not [one for one in (machine.root / ORIGINALS).glob("*") if one.is_symlink()]
        elif method == "replaced":
            assert [one.fstype for one in at(machine, path)] == (
                [b"btrfs"] if kept else [] if back else [b"tmpfs"]
            )
            for _ in at(machine, path):
                sh("umount", place)
        else:
            assert place.is_file() and not at(machine, path)
        if not killed:
            break
    assert turn > 8
    assert not killed


def test_what_no_method_takes(machine: Machine, mounted: Machine) -> None:
    place = machine.root / APP[1:]

    def refused(match: str, path: str = APP, method: str = BIND, *, replaces: bool = False) -> None:
        before = mounts.read()
        with pytest.raises(UsageError, match=match):
            machine.adopt(path, method=method, replaces=replaces)
        assert mounts.read() == before and machine.jobs() == []

    refused("mounted there already")
    refused("neither a link nor a copy", method=SYMLINK, replaces=True)
    (machine.root / "etc/app").mkdir()
    refused("copies are made of files alone", "/etc/app", SYNC)
    sh("mount", "-t", "tmpfs", "tmpfs", place)
    refused("over another mount", replaces=True)
    sh("umount", place)
    sh("umount", place)
    (place / "beneath").touch()
    sh("mount", "-t", "tmpfs", "tmpfs", place)
    refused("what lies beneath it is not empty", replaces=True)
    sh("umount", place)
    sh("mount", "-t", "proc", "proc", place)
    refused("mounted there already", replaces=True)


def test_originals_of_jobs_that_are_known_stay(machine: Machine) -> None:
    grow(machine.root / APP[1:])
    machine.adopt(APP, method=SYMLINK)
    (machine.root / ORIGINALS / "77").mkdir()
    machine.work(lambda ground, book: run.expire(ground, book))
    assert [path.name for path in (machine.root / ORIGINALS).iterdir()] == [originals.name_of(1).decode()]
