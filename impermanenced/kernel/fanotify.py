"""Reading fanotify(7) events of a BTRFS filesystem.  Names and numbers are those of linux/fanotify.h.

Hard facts, each with a test in tests/btrfs/test_fanotify.py:

  * With file handles, `fanotify_mark` on a mount of a BTRFS subvolume is EXDEV, for mount and for
    filesystem marks.  On a mount of the top level FAN_MARK_FILESYSTEM works for every subvolume, also
    when that mount is attached nowhere: one mark, whatever the size of the tree.
  * A BTRFS file handle is (objectid u64, root_objectid u64, generation u32, ...): inode number and
    subvolume id are read out of the event.  Nothing has to be opened, no path has to be resolved.
  * The kernel merges events of one object and one process that still sit in the queue.
  * The queue overflows: one event with FAN_Q_OVERFLOW and no handle stands for all that was dropped.
  * An event about a directory entry carries the handle of the directory with the name, then that of the
    entry's inode (FAN_REPORT_TARGET_FID, Linux 5.17), and so has one about a file; one about a directory
    itself has the first alone.
  * `pid` is 0 for a process that the reader's PID namespace does not show.
  * A pidfd (FAN_REPORT_PIDFD, Linux 5.15) is made when the event is read, not when it happens: of a process
    that was waited for meanwhile there is FAN_NOPIDFD, and nothing to ask PIDFD_GET_INFO (Linux 6.13) about.
    One that was opened while the process lived still gives its control group afterwards (Linux 6.15).
"""

from __future__ import annotations

import struct
from collections.abc import Container

from ..lazy import NamedTuple
from . import libc

FAN_MODIFY = 0x00000002
FAN_ATTRIB = 0x00000004
FAN_CLOSE_WRITE = 0x00000008
FAN_MOVED_FROM = 0x00000040
FAN_MOVED_TO = 0x00000080
FAN_CREATE = 0x00000100
FAN_DELETE = 0x00000200
FAN_Q_OVERFLOW = 0x00004000
FAN_ONDIR = 0x40000000

FAN_CLOEXEC = 0x00000001
FAN_NONBLOCK = 0x00000002
FAN_CLASS_NOTIF = 0x00000000
FAN_REPORT_PIDFD = 0x00000080
FAN_REPORT_FID = 0x00000200
FAN_REPORT_DIR_FID = 0x00000400
FAN_REPORT_NAME = 0x00000800
FAN_REPORT_TARGET_FID = 0x00001000
FAN_REPORT_DFID_NAME_TARGET = FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_FID | FAN_REPORT_TARGET_FID

FAN_MARK_ADD = 0x00000001
FAN_MARK_REMOVE = 0x00000002
FAN_MARK_MOUNT = 0x00000010
FAN_MARK_FILESYSTEM = 0x00000100

FANOTIFY_METADATA_VERSION = 3
FAN_EVENT_INFO_TYPE_FID = 1
FAN_EVENT_INFO_TYPE_DFID_NAME = 2
FAN_EVENT_INFO_TYPE_DFID = 3
FAN_EVENT_INFO_TYPE_PIDFD = 4
FAN_NOPIDFD = -1

# linux/exportfs.h, enum fid_type
FILEID_BTRFS_WITHOUT_PARENT = 0x4D
FILEID_BTRFS_WITH_PARENT = 0x4E
FILEID_BTRFS_WITH_PARENT_ROOT = 0x4F
_FIDS = {FAN_EVENT_INFO_TYPE_FID, FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_DFID}
_BTRFS_HANDLES = {FILEID_BTRFS_WITHOUT_PARENT, FILEID_BTRFS_WITH_PARENT, FILEID_BTRFS_WITH_PARENT_ROOT}

_MARKED = {b"ino", b"mnt_id", b"sdev"}  # what a line of /proc/PID/fdinfo begins with, for each kind of mark

_METADATA = struct.Struct("=IBBHQii")  # event_len, vers, reserved, metadata_len, mask, fd, pid
_INFO = struct.Struct("=BBH")  # info_type, pad, len
# The info header, fsid, and then struct file_handle: handle_bytes, handle_type, and the start of
# fs/btrfs/export.h's struct btrfs_fid: objectid, root_objectid, gen (packed).
_FID = struct.Struct("=BBHQIiQQI")
_FID_BYTES = 20
_FID_RECORD = 40  # with the header
# The same with several fields read as one number, and without what nobody asks for: this is what nearly all
# events begin with, and what most of them go on with.
_HEAD = struct.Struct("=IIQ4xiHH8xQQQ4x")  # 64 bytes
_NEXT = struct.Struct("=I8xQQQI")  # as _FID
(_METADATA_ALONE,) = struct.unpack("=I", struct.pack("=BBH", FANOTIFY_METADATA_VERSION, 0, _METADATA.size))
(_DFID_NAME,) = struct.unpack("=H", struct.pack("=BB", FAN_EVENT_INFO_TYPE_DFID_NAME, 0))
(_FID_ALONE,) = struct.unpack("=I", struct.pack("=BBH", FAN_EVENT_INFO_TYPE_FID, 0, _FID_RECORD))
(_HANDLE,) = struct.unpack("=Q", struct.pack("=Ii", _FID_BYTES, FILEID_BTRFS_WITHOUT_PARENT))


class Event(NamedTuple):
    """One event: what happened (`mask`) to which inode of which subvolume, by which process."""

    mask: int
    pid: int
    root_id: int
    inode: int
    generation: int
    parent: int  # the directory that the event came through; 0: the event does not say


class Batch(NamedTuple):
    """The events of one read, and what else the read held."""

    events: list[Event]
    total: int  # number of events, with those that were dropped
    overflowed: bool
    foreign: set[int]  # ids of subvolumes that are not wanted, whose events were dropped
    skipped: int  # number of records of an unknown kind or shape
    arrived: set[int]  # those of `foreign` that have a name in a subvolume that is wanted


def init(flags: int, event_f_flags: int = 0) -> int:
    return libc.fanotify_init(flags, event_f_flags)


def mark(fan: int, flags: int, mask: int, dir_fd: int, path: bytes | None = None) -> None:
    libc.fanotify_mark(fan, flags, mask, dir_fd, path)


def count_marks(fan: int) -> int:
    """Return on how many files, mounts and filesystems a descriptor has marks, as proc(5) shows them.

    It is 0 for a descriptor that is not fanotify's.
    """
    with open(f"/proc/self/fdinfo/{fan}", "rb") as file:
        shown = [line.split()[1].partition(b":")[0] for line in file if line.startswith(b"fanotify ")]
    return sum(key in _MARKED for key in shown)


def _target(
    buffer: bytes, record: int, end: int, wanted: Container[int], foreign: set[int], arrived: set[int]
) -> tuple[tuple[int, int, int, int] | None, int]:
    """Return (root id, inode, generation, parent) of an event's object, and how many records made
    no sense.

    The first is None if the event names no inode, or one of a subvolume that is not wanted.
    """
    target: tuple[int, int, int, int] | None = None
    directory = skipped = 0
    while end - record >= _INFO.size:
        kind, _, size = _INFO.unpack_from(buffer, record)
        if not _INFO.size <= size <= end - record:
            return target, skipped + 1
        if kind not in _FIDS or size < _FID_RECORD:
            skipped += 1
            record += size
            continue
        _, _, _, _, handle_bytes, handle_type, inode, root_id, generation = _FID.unpack_from(buffer, record)
        record += size
        if handle_type not in _BTRFS_HANDLES or handle_bytes < _FID_BYTES:
            skipped += 1
        elif root_id not in wanted:
            foreign.add(root_id)
            if target is not None:
                arrived.add(root_id)
            return None, skipped
        elif kind == FAN_EVENT_INFO_TYPE_FID:
            target = (root_id, inode, generation, directory)
        elif target is None:
            target = (root_id, inode, generation, 0)
            directory = inode
    return target, skipped


def _event(
    buffer: bytes, offset: int, wanted: Container[int], foreign: set[int], arrived: set[int]
) -> tuple[int, Event | None, int, int]:
    """Return an event's length, the event if it is wanted, its mask, and how many records made no sense.

    The length is 0 where the buffer makes no sense from there on.
    """
    length, version, _, metadata_length, mask, _, pid = _METADATA.unpack_from(buffer, offset)
    sane = _METADATA.size <= metadata_length <= length <= len(buffer) - offset
    if not sane or version != FANOTIFY_METADATA_VERSION:
        return 0, None, 0, 0
    if mask & FAN_Q_OVERFLOW:
        return length, None, mask, 0
    target, odd = _target(buffer, offset + metadata_length, offset + length, wanted, foreign, arrived)
    return length, None if target is None else Event(mask, pid, *target), mask, odd


def parse(buffer: bytes, wanted: Container[int]) -> Batch:
    """Return the events of one read that are about the subvolumes in `wanted`.

    Every record is walked by its own length; one that claims to be shorter than its header or longer than
    what holds it ends the walk of that event (or of the buffer) and is counted.  Events about one inode that
    follow each other are one: the kernel does not merge what is about its name with that about its content.

    This runs for every write of the machine.  An event that begins otherwise than nearly all do goes to
    `_event`; of the others, those of other subvolumes are dropped after one look at fixed offsets.
    """
    events: list[Event] = []
    foreign: set[int] = set()
    arrived: set[int] = set()
    latest = None  # the last event without its kinds
    overflowed = False
    skipped = total = offset = 0
    end = len(buffer)
    head, following, make = _HEAD.unpack_from, _NEXT.unpack_from, tuple.__new__
    metadata, name, fid, handle = _METADATA_ALONE, _DFID_NAME, _FID_ALONE, _HANDLE
    while end - offset >= 24:  # _METADATA.size
        if end - offset >= 64:  # _HEAD.size
            length, begin, mask, pid, kind, size, first, inode, root_id = head(buffer, offset)
            if (
                begin == metadata and kind == name and first == handle
                and 64 <= length <= end - offset and 40 <= size <= length - 24
                and not mask & 0x4000  # FAN_Q_OVERFLOW
            ):  # fmt: skip
                if root_id not in wanted:
                    foreign.add(root_id)
                    offset += length
                    total += 1
                    continue
                if length == 64 + size:  # one more record, of the same size as the first without its name
                    second, other, child, child_root, generation = following(buffer, offset + 24 + size)
                    if second == fid and other == handle:
                        offset += length
                        total += 1
                        about = pid, child_root, child, generation, inode
                        if about == latest:
                            events[-1] = make(Event, (events[-1][0] | mask, *about))
                        elif child_root in wanted:
                            events.append(make(Event, (mask, *(latest := about))))
                        else:
                            foreign.add(child_root)
                            arrived.add(child_root)
                        continue
        length, event, mask, odd = _event(buffer, offset, wanted, foreign, arrived)
        if not length:
            break
        total += 1
        offset += length
        overflowed = overflowed or bool(mask & FAN_Q_OVERFLOW)
        skipped += odd
        if event is not None:
            events.append(event)
            latest = None
    return Batch(events, total, overflowed, foreign, skipped + (end != offset), arrived)
