"""A volume with what is nested in it, beside a walk through the mounted filesystem."""

from __future__ import annotations

import os
from pathlib import Path

import btrfsutil
import pytest

from impermanenced.drift import Whole, whole
from impermanenced.errors import TooMany
from impermanenced.kernel import mounts
from impermanenced.kernel.btrfs import Tree, by_uuid, weigh
from impermanenced.model import Change, Difference, FileType, Volume

from ..conftest import sh
from . import oracle
from .conftest import Volumes
from .nesting import nest


class Nested(Volumes):
    """`root`, which has subvolumes nested in it."""

    def whole(self, most: int | None = None) -> tuple[Whole, list[Difference]]:
        self.filesystem.sync()
        root, blank = self.subvolume("root"), self.subvolume("root-blank")
        volume = Volume("root", b"/", b"/", b"root", root.id, b"root-blank", blank.id)
        fd = mounts.open_top_level(os.fsencode(self.filesystem.device))
        try:
            found = Whole(fd, volume, root.otransid, most)
            return found, list(found.differences())
        finally:
            os.close(fd)

    def id_of(self, path: str) -> int:
        return int(btrfsutil.subvolume_id(os.fspath(self.top / "root" / path)))

    def sub(self, path: str) -> Path:
        return self.filesystem.subvolume(f"root/{path}")


@pytest.fixture
def nested(volumes: Volumes) -> Nested:
    return Nested(volumes.filesystem)


def paths(found: list[Difference]) -> set[bytes]:
    return {one.path for one in found}


def test_all_that_is_in_it_is_new(nested: Nested) -> None:
    box = nested.sub("box")
    (box / "dir/deep").mkdir(parents=True)
    (box / "dir/file").write_bytes(os.urandom(10_000))
    (box / "dir/link").symlink_to("file")
    os.link(box / "dir/file", box / "dir/second")
    os.mkfifo(box / "pipe")
    inner = nested.sub("box/dir/deep/inner")
    (inner / "x").write_text("x")
    (nested.top / "root/plain").write_text("x")
    drift, found = nested.whole()
    top = os.fsencode(nested.top / "root")
    walked = oracle.walk(top)
    for place in (b"/box", b"/box/dir/deep/inner"):
        inside = oracle.walk(top + place)
        walked |= {place + path: seen for path, seen in inside.items() if path != b"/"}
    wanted = oracle.compare(walked, oracle.walk(os.fsencode(nested.top / "root-blank")))
    assert oracle.as_changes(found) == wanted
    oracle.check_fields(found, walked, {})
    ids = {path: nested.id_of(path) for path in ("box", "box/dir/deep/inner")}
    of = {one.path: one.subvolume for one in found}
    assert of[b"/box"] == of[b"/box/dir/file"] == ids["box"]
    assert of[b"/box/dir/deep/inner/x"] == ids["box/dir/deep/inner"] and of[b"/plain"] is None
    assert drift.complete and not drift.cut
    assert sum(one.held for one in found if b"/dir/" in one.path) == 10_000 + len("file") + 1


def test_one_that_replaces_what_the_blank_has(nested: Nested) -> None:
    """The next boot brings the blank's back, so what is in the box is compared with that, name by name."""
    root = nested.top / "root"
    sh("mv", root / "etc", root / "old")
    etc = nested.sub("etc")
    sh("cp", "-a", f"{root}/old/.", etc)
    sh("rm", "-r", root / "old")
    (etc / "hosts").write_text("another")
    (etc / "link").unlink()
    (etc / "new").write_text("new")
    (etc / "mode").unlink()
    (etc / "mode").mkdir()
    sh("rm", "-r", root / "var")
    (nested.sub("var") / "file").write_text("x")
    _, found = nested.whole()
    top, blank = os.fsencode(root), os.fsencode(nested.top / "root-blank")
    walked = oracle.walk(top)
    for place in (b"/etc", b"/var"):
        walked |= {place + path: seen for path, seen in oracle.walk(top + place).items() if path != b"/"}
    wanted = oracle.compare(walked, oracle.walk(blank))
    assert oracle.as_changes(found) == wanted
    changes = {path: change for path, (_, change) in wanted.items()}
    assert changes[b"/etc"] is changes[b"/etc/mode"] is Change.REPLACED
    assert (changes[b"/etc/hosts"], changes[b"/etc/link"]) == (Change.MODIFIED, Change.DELETED)
    assert b"/etc/deep/er/file" not in changes


def test_the_stub_of_one_is_nothing(nested: Nested) -> None:
    nested.sub("box")
    (nested.top / "root/box/file").write_text("x")
    sh("btrfs", "subvolume", "snapshot", nested.top / "root", nested.top / "root/copy")
    _, found = nested.whole()
    assert b"/copy/box" in paths(found) and b"/copy/box/file" not in paths(found)


@pytest.mark.parametrize("bound", ["paths", "bytes", "met", "all"])
def test_of_each_user_a_share_is_listed(nested: Nested, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    name = {"paths": "LISTED", "bytes": "BYTES", "met": "MET", "all": "ALL"}[bound]
    monkeypatch.setattr(whole, name, {"bytes": 40 * len("/theirs/f00000")}.get(bound, 40))
    theirs, mine = nested.sub("theirs"), nested.sub("mine")
    for number in range(100):
        (theirs / f"f{number:05}").write_bytes(os.urandom(8192))
        os.chown(theirs / f"f{number:05}", 1000, 1000)
    os.chown(theirs, 1000, 1000)
    (mine / "canary").write_text("x")
    drift, found = nested.whole()
    listed = [one for one in found if one.path.startswith(b"/theirs/")]
    assert 30 <= len(listed) <= 40
    assert b"/mine/canary" in paths(found), "of root"
    assert drift.cut == [b"/theirs"] and not drift.complete
    (box,) = [one for one in found if one.path == b"/theirs"]
    assert box.held + sum(one.held for one in listed) == 100 * 8192, "what is not listed is weighed"


def test_a_directory_with_very_many_names_is_not_held_in_memory(
    nested: Nested, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "LISTED", 10)
    monkeypatch.setattr(whole, "MET", 20)
    asked: list[int] = []
    entries = Tree.entries

    def counted(self: Tree, directory: int, most: int = 0) -> object:
        found = entries(self, directory, most)
        asked.append(len(found))
        return found

    box = nested.sub("box")
    for number in range(20_000):
        (box / f"{number}").touch()
    monkeypatch.setattr(Tree, "entries", counted)
    drift, found = nested.whole()
    assert drift.cut == [b"/box"]
    assert len([one for one in found if one.path.startswith(b"/box/")]) == 9, "and the box"
    assert max(asked) < 5000, "what fits into one answer of the kernel"


def test_too_many_is_said_as_of_a_volume(nested: Nested) -> None:
    box = nested.sub("box")
    for number in range(5000):
        (box / f"{number}").touch()
    with pytest.raises(TooMany):
        nested.whole(1500)


def test_a_chain_without_end_does_not_recurse(nested: Nested) -> None:
    nest(nested.top / "root", "s", 1200)
    drift, found = nested.whole()
    assert len([one for one in found if one.type is FileType.SUBVOLUME]) == 1200
    assert drift.complete


@pytest.mark.parametrize("moment", ["before", "between"])
def test_one_that_goes_meanwhile_is_left_out(
    nested: Nested, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    nested.sub("box")
    (nested.top / "root/box/file").write_text("x")
    nested.sub("other")
    (nested.top / "root/other/file").write_text("x")
    ids = {nested.id_of(name): nested.top / "root" / name for name in ("box", "other")}
    copy = Whole._is_copy

    def delete_first(self: Whole, number: int) -> bool:
        if moment == "before" and len(ids) == 2:
            sh("btrfs", "subvolume", "delete", ids.pop(number))
        answer = copy(self, number)
        if moment == "between" and len(ids) == 2:
            sh("btrfs", "subvolume", "delete", ids.pop(number))
        return answer

    monkeypatch.setattr(Whole, "_is_copy", delete_first)
    drift, found = nested.whole()
    assert drift.complete
    (left,) = ids.values()
    assert b"/" + os.fsencode(left.name) + b"/file" in paths(found)


def test_weights_and_uuids(nested: Nested) -> None:
    box = nested.sub("box")
    size = 0
    for number in range(300):
        (box / f"{number}").write_bytes(os.urandom(number * 50))
        size += number * 50
    os.truncate(box / "0", 1 << 50)
    nested.filesystem.sync()
    info = btrfsutil.subvolume_info(os.fspath(box))
    fd = mounts.open_top_level(os.fsencode(nested.filesystem.device))
    try:
        weight = weigh(Tree(fd, info.id), 10**6)
        assert (weight.files, weight.size, weight.whole) == (300, size, True)
        assert not weigh(Tree(fd, info.id), 0).whole
        assert by_uuid(fd, info.uuid) == info.id
        assert by_uuid(fd, bytes(range(16))) is None
    finally:
        os.close(fd)
