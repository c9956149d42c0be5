from __future__ import annotations

import os
from pathlib import Path

import btrfsutil
import pytest

from impermanenced.drift import Drift, weight
from impermanenced.kernel import mounts
from impermanenced.model import Change, Difference, Volume
from impermanenced.volumes.lineage import Subvolume, baseline

from ..conftest import Filesystem
from . import oracle


class Volumes:
    """A filesystem with `root-blank` and the `root` that was made from it."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.filesystem = filesystem
        self.top = filesystem.top

    def subvolume(self, name: str) -> Subvolume:
        info = btrfsutil.subvolume_info(os.fspath(self.top / name))
        return Subvolume(info.id, info.uuid, info.parent_uuid, info.otransid, info.ctransid)

    def drift(self, root: str = "root", blank: str | None = "root-blank", path: bytes = b"/") -> Drift:
        self.filesystem.sync()
        volume, other = self.subvolume(root), self.subvolume(blank) if blank else None
        every = {
            info.uuid: Subvolume(info.id, info.uuid, info.parent_uuid, info.otransid, info.ctransid)
            for _, info in btrfsutil.SubvolumeIterator(os.fspath(self.top), top=5, info=True)
        }
        base = baseline(volume, other, every) if other else None
        self.fd = mounts.open_top_level(os.fsencode(self.filesystem.device))
        against = (blank.encode(), other.id) if blank and other else (None, None)
        return Drift(self.fd, Volume("root", b"/", path, root.encode(), volume.id, *against), base)

    def differences(self, root: str = "root", blank: str | None = "root-blank") -> list[Difference]:
        drift = self.drift(root, blank)
        try:
            return list(drift.differences())
        finally:
            os.close(self.fd)

    def check_weight(self, root: str, blank: str, found: list[Difference]) -> int | None:
        """What a look at the sizes alone says is not less than what a report finds, or it says nothing."""
        mine, other = self.subvolume(root), self.subvolume(blank)
        base = baseline(mine, other, {one.uuid: one for one in (mine, other)})
        if base is None or other.ctransid > base:
            return None
        fd = mounts.open_top_level(os.fsencode(self.filesystem.device))
        try:
            most = weight.of_tree(fd, mine.id, other.id, base)
        finally:
            os.close(fd)
        assert most is None or most >= sum(one.held for one in found if one.change is not Change.DELETED)
        return most

    def check(self, root: str = "root", blank: str | None = "root-blank") -> list[Difference]:
        """The drift, proven equal to the walk's."""
        found = self.differences(root, blank)
        if blank:
            self.check_weight(root, blank, found)
        now = oracle.walk(os.fsencode(self.top / root))
        was = oracle.walk(os.fsencode(self.top / blank)) if blank else {}
        wanted = oracle.compare(now, was)
        if not blank:
            del wanted[b"/"]
        got = oracle.as_changes(found)
        assert got == wanted, {
            path: (got.get(path), wanted.get(path))
            for path in got.keys() | wanted.keys()
            if got.get(path) != wanted.get(path)
        }
        oracle.check_fields(found, now, was)
        return found


def populate(root: Path) -> None:
    """A blank with one of everything."""
    (root / "etc").mkdir()
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/mode").write_text("x")
    (root / "etc/link").symlink_to("hosts")
    (root / "etc/deep/er").mkdir(parents=True)
    (root / "etc/deep/er/file").write_bytes(b"d" * 5000)
    os.link(root / "etc/hosts", root / "etc/second")
    (root / "var/big").mkdir(parents=True)
    (root / "var/big/data").write_bytes(bytes(range(256)) * 4096)
    for number in range(40):
        (root / f"var/big/file{number}").write_text(f"{number}\n" * number)
    os.mkfifo(root / "var/pipe")
    os.mknod(root / "var/device", 0o600 | 0o020000, os.makedev(1, 3))


@pytest.fixture
def volumes(filesystem: Filesystem) -> Volumes:
    populate(filesystem.subvolume("seed"))
    filesystem.snapshot("seed", "root-blank", readonly=True)
    filesystem.snapshot("root-blank", "root")
    return Volumes(filesystem)
