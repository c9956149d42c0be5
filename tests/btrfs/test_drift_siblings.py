"""Two roots that went their own ways from one blank: the comparison of the one with the other."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impermanenced.drift.between import Between, Comparison
from impermanenced.kernel import mounts
from impermanenced.model import Change, Difference, FileType, Volume
from impermanenced.volumes.machine import Machine

from ..conftest import sh
from . import oracle
from .conftest import Volumes
from .oracle import Seen
from .test_drift_random import operate, steps

Steps = list[tuple[str, int]]


def compare(volumes: Volumes, now: str, was: str | None) -> Comparison:
    """The comparison of two subvolumes by name."""
    volumes.filesystem.sync()
    mine = volumes.subvolume(now).id
    other = volumes.subvolume(was).id if was else None
    machine = Machine.__new__(Machine)
    machine._state, machine.top = -1, mounts.open_top_level(os.fsencode(volumes.filesystem.device))
    with machine:
        volume = Volume("root", b"/", b"/", now.encode(), mine, None, None)
        return Between(machine, volume, mine, other).run()


def walk(top: bytes) -> dict[bytes, Seen]:
    """Every name, in nested subvolumes too."""
    found: dict[bytes, Seen] = {}
    waiting = [b""]
    while waiting:
        prefix = waiting.pop()
        for path, seen in oracle.walk(top + prefix).items():
            if path != b"/":
                found[prefix + path] = seen
                if seen.type is FileType.SUBVOLUME:
                    waiting.append(prefix + path)
            elif not prefix:
                found[b"/"] = seen
    return found


def is_stub(top: bytes, path: bytes) -> bool:
    return os.lstat(top + path).st_ino == 2


def wanted(now: bytes, was: bytes) -> dict[bytes, tuple[FileType, Change]]:
    new, old = walk(now), walk(was)
    changes = oracle.compare(new, old)
    for path in new.keys() & old.keys():
        if old[path].type is FileType.SUBVOLUME and is_stub(now, path):
            changes[path] = FileType.SUBVOLUME, Change.DELETED  # a stub holds nothing and is nothing
    return changes


def unfolded(found: Comparison, now: bytes) -> dict[bytes, tuple[FileType, Change]]:
    """The names that a comparison speaks of, each move as what went and came with it."""
    differences: list[Difference] = list(found.differences)
    changes = {one.path: (one.type, one.change) for one in differences}
    assert len(changes) == len(differences), "a name appears twice"
    return changes


def check(volumes: Volumes, now: str, was: str) -> Comparison:
    """The comparison, proven equal to that of two walks."""
    found = compare(volumes, now, was)
    new, old = (os.fsencode(volumes.top / name) for name in (now, was))
    truth = wanted(new, old)
    got = unfolded(found, new)
    moved = {one.old: one.new for one in found.moves}
    there, here = walk(old), walk(new)
    for path in truth.keys() | got.keys():
        if truth.get(path) != got.get(path):
            assert explained(path, truth.get(path), got.get(path), moved, there, here), (
                path, truth.get(path), got.get(path), moved)  # fmt: skip
    return found


def explained(
    path: bytes,
    truth: tuple[FileType, Change] | None,
    got: tuple[FileType, Change] | None,
    moved: dict[bytes, bytes],
    there: dict[bytes, Seen],
    here: dict[bytes, Seen],
) -> bool:
    """Whether a move accounts for what the walks call gone or new: it is the same thing at both places."""
    change = truth[1] if truth is not None else None
    gone, come = change is Change.DELETED, change is Change.CREATED
    for old, new in moved.items():
        if gone and got is None and within(path, old) and new + path[len(old) :] in here:
            return True
        if come and within(path, new) and (before := there.get(old + path[len(new) :])) is not None:
            now = here[path]
            same = (before.type, before.content, before.metadata) == (now.type, now.content, now.metadata)
            if (got is None) == same:
                return True
    return False


def within(path: bytes, above: bytes) -> bool:
    return path == above or path.startswith(above + b"/")


def test_what_both_made_under_one_number_is_compared(volumes: Volumes) -> None:
    """The first file that each life makes has the same inode number in both: it is another file."""
    volumes.filesystem.snapshot("root-blank", "other")
    for name, content in (("root", "one"), ("other", "two")):
        (volumes.top / name / "etc/new").write_text(content)
        (volumes.top / name / "etc/dir").mkdir()
        (volumes.top / name / "etc/dir/inside").write_text(content)
        (volumes.top / name / "etc/hosts").rename(volumes.top / name / "etc/dir/hosts")
    found = {one.path for one in volumes.check("root", "other")}
    assert {b"/etc/new", b"/etc/dir/inside"} <= found


def paths(found: Sequence[Difference], change: Change) -> set[bytes]:
    return {one.path for one in found if one.change is change}


def test_moves_are_recognised_and_what_moved_along_is_not_listed(volumes: Volumes) -> None:
    root = volumes.top / "root"
    (root / "var/big").rename(root / "var/large")
    (root / "etc/mode").rename(root / "etc/moved")
    (root / "etc/moved").write_text("and changed")
    (root / "var/large/file3").write_text("changed below")
    (root / "var/large/file4").unlink()
    (root / "var/large/file5").rename(root / "etc/file5")
    os.link(root / "etc/hosts", root / "etc/third")  # a new name is no move
    found = check(volumes, "root", "root-blank")
    assert [(one.old, one.new) for one in found.moves] == [
        (b"/etc/mode", b"/etc/moved"),
        (b"/var/big", b"/var/large"),
        (b"/var/big/file5", b"/etc/file5"),
    ]
    assert paths(found.differences, Change.MODIFIED) == {b"/etc/moved", b"/var/large/file3"}
    assert paths(found.differences, Change.DELETED) == {b"/var/big/file4"}
    assert paths(found.differences, Change.CREATED) == {b"/etc/third"}


def test_roots_that_are_not_related_are_walked(volumes: Volumes) -> None:
    sh("cp", "-a", volumes.top / "root", volumes.filesystem.subvolume("strange"))
    (volumes.top / "strange/root/etc/hosts").write_text("other")
    for name in os.listdir(volumes.top / "strange/root"):
        (volumes.top / "strange/root" / name).rename(volumes.top / "strange" / name)
    (volumes.top / "strange/root").rmdir()
    found = compare(volumes, "strange", "root")
    assert not found.moves
    assert {one.path for one in found.differences if one.type is not FileType.DIRECTORY} == {
        b"/etc/hosts", b"/etc/second"
    }  # fmt: skip


def test_nested_subvolumes_on_both_sides_are_compared_as_one(volumes: Volumes) -> None:
    volumes.filesystem.snapshot("root-blank", "other")
    for name in ("root", "other"):
        volumes.filesystem.subvolume(f"{name}/srv")
        (volumes.top / name / "srv/same").write_text("same")
        os.utime(volumes.top / name / "srv/same", (1, 1))
        (volumes.top / name / "srv/differs").write_text(name)
    volumes.filesystem.subvolume("other/srv/gone")
    (volumes.top / "other/srv/gone/file").touch()
    volumes.filesystem.subvolume("root/came")
    (volumes.top / "root/came/file").touch()
    found = check(volumes, "root", "other")
    assert {(one.path, one.change) for one in found.differences} >= {
        (b"/srv/differs", Change.MODIFIED),
        (b"/srv/gone", Change.DELETED),
        (b"/srv/gone/file", Change.DELETED),
        (b"/came", Change.CREATED),
        (b"/came/file", Change.CREATED),
    }
    assert b"/srv/same" not in {one.path for one in found.differences}


def test_a_stub_of_what_was_nested_is_a_loss(volumes: Volumes) -> None:
    """A copy of an old root lacks what was nested in it, and none of its names has changed."""
    volumes.filesystem.subvolume("root/srv")
    (volumes.top / "root/srv/file").touch()
    volumes.filesystem.snapshot("root", "again")
    found = check(volumes, "again", "root")
    assert {(one.path, one.type, one.change) for one in found.differences} == {
        (b"/srv", FileType.SUBVOLUME, Change.DELETED),
        (b"/srv/file", FileType.FILE, Change.DELETED),
    }


@pytest.mark.parametrize("related", [False, True])
def test_two_subvolumes_at_one_path_differ_in_their_topmost_directories(
    volumes: Volumes, related: bool
) -> None:
    """Whether one comes from the other or not: the mode of the topmost directory is the subvolume's."""
    volumes.filesystem.snapshot("root-blank", "other")
    volumes.filesystem.subvolume("other/srv")
    if related:
        volumes.filesystem.snapshot("other/srv", "root/srv")
    else:
        volumes.filesystem.subvolume("root/srv")
    assert check(volumes, "root", "other").differences == ()
    (volumes.top / "root/srv").chmod(0o700)
    found = check(volumes, "root", "other")
    assert [(one.path, one.type, one.letters) for one in found.differences] == [
        (b"/srv", FileType.SUBVOLUME, ".p.....")
    ]


def test_a_file_in_the_place_of_a_subvolume_is_one_difference(volumes: Volumes) -> None:
    volumes.filesystem.snapshot("root-blank", "other")
    volumes.filesystem.subvolume("other/srv")
    (volumes.top / "other/srv/file").touch()
    (volumes.top / "root/srv").touch()
    found = check(volumes, "root", "other")
    assert {(one.path, one.type, one.change) for one in found.differences} == {
        (b"/srv", FileType.FILE, Change.REPLACED),
        (b"/srv/file", FileType.FILE, Change.DELETED),
    }


def test_a_directory_in_the_place_of_a_subvolume_is_one_difference(volumes: Volumes) -> None:
    volumes.filesystem.snapshot("root-blank", "other")
    volumes.filesystem.subvolume("other/srv")
    for name in ("other", "root"):
        (volumes.top / name / "srv").mkdir(exist_ok=True)
    check(volumes, "root", "other")
    (volumes.top / "other/srv/file").touch()
    (volumes.top / "root/srv/new").touch()
    found = check(volumes, "root", "other")
    assert {(one.path, one.type, one.change) for one in found.differences} == {
        (b"/srv", FileType.DIRECTORY, Change.REPLACED),
        (b"/srv/new", FileType.FILE, Change.CREATED),
        (b"/srv/file", FileType.FILE, Change.DELETED),
    }


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(steps, max_size=20),
    one=st.lists(steps, min_size=1, max_size=30),
    two=st.lists(steps, min_size=1, max_size=30),
)
def test_two_lives_at_random(volumes: Volumes, before: Steps, one: Steps, two: Steps) -> None:
    count = len(os.listdir(volumes.top))
    seed, blank = f"seed{count}", f"blank{count}"
    volumes.filesystem.subvolume(seed)
    for name, number in before:
        operate(os.fsencode(volumes.top / seed), name, random.Random(number))
    volumes.filesystem.snapshot(seed, blank, readonly=True)
    lives = [f"one{count}", f"two{count}"]
    for life, operations in zip(lives, (one, two), strict=True):
        volumes.filesystem.snapshot(blank, life)
        for name, number in operations:
            operate(os.fsencode(volumes.top / life), name, random.Random(number))
    check(volumes, *lives)


def test_each_has_lost_a_name_of_one_length(volumes: Volumes) -> None:
    """The sizes of the directory are the same on both sides, and its names are not."""
    volumes.filesystem.snapshot("root-blank", "other")
    (volumes.top / "root/var/big/file10").unlink()
    (volumes.top / "other/var/big/file20").unlink()
    found = check(volumes, "root", "other")
    assert paths(found.differences, Change.DELETED) == {b"/var/big/file10"}
    assert paths(found.differences, Change.CREATED) == {b"/var/big/file20"}
