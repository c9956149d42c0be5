"""The hard facts that kernel/fanotify.py opens with, on this kernel."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.kernel import fanotify, libc, mounts
from impermanenced.watch.mark import MASK, open_fanotify

from ..conftest import Filesystem

NONBLOCKING = fanotify.FAN_CLOEXEC | fanotify.FAN_NONBLOCK


class Everything:
    def __contains__(self, _: object) -> bool:
        return True


class Group:
    def __init__(self, filesystem: Filesystem) -> None:
        self.top = mounts.open_top_level(os.fsencode(filesystem.device))
        self.fan = open_fanotify(self.top)

    def read(self) -> list[fanotify.Event]:
        try:
            batch = fanotify.parse(os.read(self.fan, 1 << 18), Everything())
        except BlockingIOError:
            return []
        assert not batch.skipped
        return batch.events

    def close(self) -> None:
        os.close(self.fan)
        os.close(self.top)


@pytest.fixture
def root(filesystem: Filesystem) -> Path:
    filesystem.subvolume("root")
    return filesystem.mount(filesystem.directory / "root", "subvol=root")


@pytest.fixture
def group(filesystem: Filesystem, root: Path) -> Iterator[Group]:
    group = Group(filesystem)
    try:
        yield group
    finally:
        group.close()


def root_id_of(path: Path) -> int:
    output = subprocess.run(
        ["btrfs", "inspect-internal", "rootid", path], check=True, capture_output=True
    ).stdout
    return int(output)


@pytest.mark.parametrize("kind", [fanotify.FAN_MARK_FILESYSTEM, fanotify.FAN_MARK_MOUNT])
def test_a_mount_of_a_subvolume_cannot_be_marked(root: Path, kind: int) -> None:
    fan = fanotify.init(NONBLOCKING | fanotify.FAN_REPORT_FID)
    fd = os.open(root, os.O_RDONLY)
    try:
        with pytest.raises(OSError) as caught:
            fanotify.mark(fan, fanotify.FAN_MARK_ADD | kind, fanotify.FAN_CLOSE_WRITE, fd)
        assert caught.value.errno == errno.EXDEV
    finally:
        os.close(fd)
        os.close(fan)


def test_a_detached_top_level_sees_every_subvolume(filesystem: Filesystem, root: Path, group: Group) -> None:
    other = filesystem.subvolume("other")
    group.read()
    for directory in (root, other):
        (directory / "file").write_text("x")
        (event,) = group.read()
        assert (event.root_id, event.inode) == (root_id_of(directory), (directory / "file").stat().st_ino)
        assert event.pid == os.getpid()


def test_the_bytes_of_a_handle_open_its_file(root: Path, group: Group) -> None:
    (root / "file").write_text("content")
    (event,) = group.read()
    handle = struct.pack("<QQI", event.inode, event.root_id, event.generation)
    fd = libc.open_by_handle_at(group.top, fanotify.FILEID_BTRFS_WITHOUT_PARENT, handle, os.O_PATH)
    try:
        assert os.readlink(f"/proc/self/fd/{fd}").endswith("file")
    finally:
        os.close(fd)


def test_every_kind_of_change_names_its_inode(root: Path, group: Group) -> None:
    def inode_of(name: str) -> int:
        return os.lstat(root / name).st_ino

    def check(name: str, mask: int) -> None:
        masks = {event.inode: event.mask for event in group.read()}
        assert masks.get(inode_of(name), 0) & mask == mask, (name, masks)

    (root / "file").write_text("x")
    check("file", fanotify.FAN_CREATE | fanotify.FAN_MODIFY | fanotify.FAN_CLOSE_WRITE)
    (root / "directory").mkdir()
    check("directory", fanotify.FAN_CREATE | fanotify.FAN_ONDIR)
    (root / "directory").chmod(0o700)
    check("directory", fanotify.FAN_ATTRIB | fanotify.FAN_ONDIR)
    (root / "file").rename(root / "directory/moved")
    check("directory/moved", fanotify.FAN_MOVED_TO)
    os.link(root / "directory/moved", root / "second")
    check("second", fanotify.FAN_CREATE)
    (root / "link").symlink_to("nowhere")
    check("link", fanotify.FAN_CREATE)
    os.mkfifo(root / "fifo")
    check("fifo", fanotify.FAN_CREATE)
    os.truncate(root / "second", 100)
    check("second", fanotify.FAN_MODIFY)
    os.setxattr(root / "second", "user.x", b"1")
    check("second", fanotify.FAN_ATTRIB)
    gone = inode_of("link")
    (root / "link").unlink()
    assert {event.inode for event in group.read() if event.mask & fanotify.FAN_DELETE} == {gone}


def test_a_new_nested_subvolume_is_an_event_of_itself(root: Path, group: Group) -> None:
    subprocess.run(["btrfs", "subvolume", "create", root / "nested"], check=True, capture_output=True)
    (event,) = group.read()
    assert (event.root_id, event.inode) == (root_id_of(root / "nested"), 256)


def test_waiting_events_of_one_object_and_process_are_one(root: Path, group: Group) -> None:
    with open(root / "file", "wb", buffering=0) as stream:
        for _ in range(1000):
            stream.write(b"x")
    assert len(group.read()) == 1


def test_a_full_queue_says_so_once(root: Path, group: Group) -> None:
    limit = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"needs a queue that can be filled: fs.fanotify.max_queued_events is {limit}")
    for number in range(limit + 50):
        os.mkdir(root / f"{number:x}")
    overflows = events = 0
    while True:
        try:
            batch = fanotify.parse(os.read(group.fan, 1 << 18), Everything())
        except BlockingIOError:
            break
        overflows += batch.overflowed
        events += len(batch.events)
    assert overflows == 1
    assert events <= limit


def test_the_mask_is_taken_as_a_whole(group: Group) -> None:
    """An unknown bit would be EINVAL; one that the group's flags do not allow too."""
    fanotify.mark(group.fan, fanotify.FAN_MARK_ADD | fanotify.FAN_MARK_FILESYSTEM, MASK, group.top)


def pidfds(fan: int) -> dict[int, list[int]]:
    """Those of the events that wait, by pid; the caller closes them."""
    found: dict[int, list[int]] = {}
    buffer, at = os.read(fan, 1 << 18), 0
    while at < len(buffer):
        length, _, _, skip, _, _, pid = struct.unpack_from("=IBBHQii", buffer, at)
        record, at = at + skip, at + length
        while record < at:
            kind, _, size = struct.unpack_from("=BBH", buffer, record)
            if kind == fanotify.FAN_EVENT_INFO_TYPE_PIDFD:
                found.setdefault(pid, []).extend(struct.unpack_from("=i", buffer, record + 4))
            record += size
    return found


def test_of_a_process_that_was_waited_for_there_is_no_pidfd(filesystem: Filesystem, root: Path) -> None:
    """Why the daemon does not ask for them: they name nobody that /proc does not."""
    top = mounts.open_top_level(os.fsencode(filesystem.device))
    flags = NONBLOCKING | fanotify.FAN_REPORT_DFID_NAME_TARGET | fanotify.FAN_REPORT_PIDFD
    fan = fanotify.init(flags)
    try:
        fanotify.mark(fan, fanotify.FAN_MARK_ADD | fanotify.FAN_MARK_FILESYSTEM, MASK, top)
        with subprocess.Popen(["touch", root / "gone"]) as gone:
            assert gone.wait() == 0
        with subprocess.Popen(["sh", "-c", f"echo > {root}/here; exec sleep 60"]) as here:
            while not (root / "here").exists() or not (root / "here").stat().st_size:
                os.sched_yield()
            found = pidfds(fan)
            here.kill()
        assert set(found[gone.pid]) == {fanotify.FAN_NOPIDFD}
        assert all(fd >= 0 for fd in found[here.pid])
        for fd in found[here.pid]:
            os.close(fd)
    finally:
        os.close(fan)
        os.close(top)
