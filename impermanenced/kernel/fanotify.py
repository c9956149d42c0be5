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
    entry's inode (FAN_REPORT_TARGET_FID, Linux 5.17); one about a directory itself has the first alone.
  * `pid` is 0 for a process that the reader's PID namespace does not show.
"""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import NamedTuple

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
FAN_REPORT_FID = 0x00000200
FAN_REPORT_DIR_FID = 0x00000400
FAN_REPORT_NAME = 0x00000800
FAN_REPORT_TARGET_FID = 0x00001000
FAN_REPORT_DFID_NAME_TARGET = FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_FID | FAN_REPORT_TARGET_FID

FAN_MARK_ADD = 0x00000001
FAN_MARK_MOUNT = 0x00000010
FAN_MARK_FILESYSTEM = 0x00000100

FANOTIFY_METADATA_VERSION = 3
FAN_EVENT_INFO_TYPE_FID = 1
FAN_EVENT_INFO_TYPE_DFID_NAME = 2
FAN_EVENT_INFO_TYPE_DFID = 3

# linux/exportfs.h, enum fid_type
FILEID_BTRFS_WITHOUT_PARENT = 0x4D
FILEID_BTRFS_WITH_PARENT = 0x4E
FILEID_BTRFS_WITH_PARENT_ROOT = 0x4F
_FIDS = {FAN_EVENT_INFO_TYPE_FID, FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_DFID}
_BTRFS_HANDLES = {FILEID_BTRFS_WITHOUT_PARENT, FILEID_BTRFS_WITH_PARENT, FILEID_BTRFS_WITH_PARENT_ROOT}

_METADATA = struct.Struct("=IBBHQii")  # event_len, vers, reserved, metadata_len, mask, fd, pid
_INFO = struct.Struct("=BBH")  # info_type, pad, len
# The info header, fsid, and then struct file_handle: handle_bytes, handle_type, and the start of
# fs/btrfs/export.h's struct btrfs_fid: objectid, root_objectid, gen (packed).
_FID = struct.Struct("=BBHQIiQQI")
_FID_BYTES = 20


class Event(NamedTuple):
    mask: int
    pid: int
    root_id: int
    inode: int
    generation: int


class Batch(NamedTuple):
    events: list[Event]
    total: int  # number of events, also the dropped
    overflowed: bool
    foreign: set[int]  # subvolume ids that were dropped
    skipped: int  # records of a kind or shape that is not known here


def init(flags: int, event_f_flags: int = 0) -> int:
    return libc.fanotify_init(flags, event_f_flags)


def mark(fan: int, flags: int, mask: int, dir_fd: int, path: bytes | None = None) -> None:
    libc.fanotify_mark(fan, flags, mask, dir_fd, path)


def _target(
    buffer: bytes, record: int, end: int, wanted: Container[int], foreign: set[int]
) -> tuple[tuple[int, int, int] | None, int]:
    """(inode, root id, generation) of what an event is about, and how many of its records made no sense.

    None where it names no inode, or one of a subvolume that is not wanted.
    """
    target: tuple[int, int, int] | None = None
    skipped = 0
    while end - record >= _INFO.size:
        kind, _, size = _INFO.unpack_from(buffer, record)
        if not _INFO.size <= size <= end - record:
            return target, skipped + 1
        if kind not in _FIDS or size < _FID.size:
            skipped += 1
            record += size
            continue
        _, _, _, _, handle_bytes, handle_type, inode, root_id, generation = _FID.unpack_from(buffer, record)
        record += size
        if handle_type not in _BTRFS_HANDLES or handle_bytes < _FID_BYTES:
            skipped += 1
        elif root_id not in wanted:
            foreign.add(root_id)
            return None, skipped
        elif target is None or kind == FAN_EVENT_INFO_TYPE_FID:
            target = (inode, root_id, generation)
    return target, skipped


def parse(buffer: bytes, wanted: Container[int]) -> Batch:
    """The events of one read that are about the subvolumes in `wanted`.

    Every record is walked by its own length; one that claims to be shorter than its header or longer than
    what holds it ends the walk of that event (or of the buffer) and is counted.
    """
    events: list[Event] = []
    foreign: set[int] = set()
    overflowed = False
    skipped = total = offset = 0
    end = len(buffer)
    while end - offset >= _METADATA.size:
        length, version, _, metadata_length, mask, _, pid = _METADATA.unpack_from(buffer, offset)
        sane = _METADATA.size <= metadata_length <= length <= end - offset
        if not sane or version != FANOTIFY_METADATA_VERSION:
            break
        total += 1
        record, offset = offset + metadata_length, offset + length
        if mask & FAN_Q_OVERFLOW:
            overflowed = True
            continue
        target, odd = _target(buffer, record, offset, wanted, foreign)
        skipped += odd
        if target is not None:
            events.append(Event(mask, pid, target[1], target[0], target[2]))
    return Batch(events, total, overflowed, foreign, skipped + (end != offset))
