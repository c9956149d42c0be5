"""The parser of fanotify's buffers, on what the kernel would and would never write."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from impermanenced.kernel import fanotify


def record(kind: int, root_id: int, inode: int, *, name: bytes = b"", handle_type: int = 0x4D) -> bytes:
    body = struct.pack("=QIiQQI", 0, 20, handle_type, inode, root_id, 7) + name
    body += b"\0" * (-len(body) % 4)
    return struct.pack("=BBH", kind, 0, 4 + len(body)) + body


def event(mask: int, pid: int, *records: bytes, length: int | None = None) -> bytes:
    body = b"".join(records)
    size = 24 + len(body) if length is None else length
    return struct.pack("=IBBHQii", size, 3, 0, 24, mask, -1, pid) + body


ENTRY = (
    record(fanotify.FAN_EVENT_INFO_TYPE_DFID_NAME, 256, 300, name=b"file\0"),
    record(fanotify.FAN_EVENT_INFO_TYPE_FID, 256, 301),
)


def test_the_target_of_an_entry_is_the_child() -> None:
    batch = fanotify.parse(event(fanotify.FAN_CREATE, 42, *ENTRY), {256})
    assert batch == ([fanotify.Event(fanotify.FAN_CREATE, 42, 256, 301, 7, 300)], 1, False, set(), 0, set())


def test_what_follows_each_other_about_one_file_is_one_event() -> None:
    made, closed = fanotify.FAN_CREATE, fanotify.FAN_CLOSE_WRITE
    other = (ENTRY[0], record(fanotify.FAN_EVENT_INFO_TYPE_FID, 256, 302))
    elsewhere = (record(fanotify.FAN_EVENT_INFO_TYPE_DFID_NAME, 256, 299, name=b"file\0"), ENTRY[1])
    buffer = b"".join(
        (
            event(made, 42, *ENTRY),
            event(closed, 42, *ENTRY),
            event(closed, 43, *ENTRY),
            event(closed, 43, *elsewhere),
            event(made, 43, *other),
            event(closed, 42, *ENTRY),
        )
    )
    batch = fanotify.parse(buffer, {256})
    assert [(found.mask, found.pid, found.inode, found.parent) for found in batch.events] == [
        (made | closed, 42, 301, 300),
        (closed, 43, 301, 300),
        (closed, 43, 301, 299),
        (made, 43, 302, 300),
        (closed, 42, 301, 300),
    ]
    assert batch.total == 6
    # One that is looked at slowly stays in its place.
    lone = record(fanotify.FAN_EVENT_INFO_TYPE_DFID_NAME, 256, 300, name=b".\0")
    around = event(made, 42, *ENTRY)
    batch = fanotify.parse(around + event(closed, 42, lone) + around, {256})
    assert [found.inode for found in batch.events] == [301, 300, 301]


def test_of_a_directory_itself_only_the_directory_is_told() -> None:
    self_event = record(fanotify.FAN_EVENT_INFO_TYPE_DFID_NAME, 256, 300, name=b".\0")
    (found,) = fanotify.parse(event(fanotify.FAN_ATTRIB, 1, self_event), {256}).events
    assert (found.inode, found.parent) == (300, 0)


def test_other_subvolumes_are_dropped_and_named() -> None:
    other = event(fanotify.FAN_CREATE, 1, record(2, 999, 5), record(1, 999, 6))
    nested = event(fanotify.FAN_CREATE, 1, record(2, 256, 5), record(1, 257, 256))
    batch = fanotify.parse(other + nested + event(fanotify.FAN_CREATE, 2, *ENTRY), {256})
    assert [found.pid for found in batch.events] == [2]
    assert batch.foreign == {999, 257}
    assert batch.arrived == {257}, "it has a name in one that is not dropped"
    assert batch.total == 3


def test_unknown_records_are_skipped_and_counted() -> None:
    unknown = struct.pack("=BBH", 200, 0, 12) + b"12345678"
    stranger = record(fanotify.FAN_EVENT_INFO_TYPE_FID, 256, 5, handle_type=0x51)
    batch = fanotify.parse(event(fanotify.FAN_CREATE, 1, unknown, stranger, *ENTRY), {256})
    assert [found.inode for found in batch.events] == [301]
    assert batch.skipped == 2


def test_the_quick_look_and_the_slow_walk_say_the_same() -> None:
    """Another type of handle is the same one with more behind it, and takes the slow way."""
    for wanted in ({256}, {257}, {256, 257}, set()):
        for root_id, child_root in ((256, 256), (256, 257), (999, 256)):
            quick, slow = (
                fanotify.parse(
                    event(
                        fanotify.FAN_CREATE,
                        42,
                        record(fanotify.FAN_EVENT_INFO_TYPE_DFID_NAME, root_id, 300, name=b"f\0"),
                        record(fanotify.FAN_EVENT_INFO_TYPE_FID, child_root, 301, handle_type=handle_type),
                    ),
                    wanted,
                )
                for handle_type in (0x4D, 0x4E)
            )
            assert quick == slow


def test_overflow_has_no_handle() -> None:
    batch = fanotify.parse(event(fanotify.FAN_Q_OVERFLOW, 0) + event(fanotify.FAN_CREATE, 1, *ENTRY), {256})
    assert batch.overflowed
    assert len(batch.events) == 1


def test_lengths_that_lie_end_the_walk() -> None:
    good = event(fanotify.FAN_CREATE, 1, *ENTRY)
    for length in (0, 1, 23, 10_000, 0xFFFFFFFF):
        batch = fanotify.parse(good + event(fanotify.FAN_CREATE, 2, *ENTRY, length=length), {256})
        assert [found.pid for found in batch.events] == [1]
        assert batch.skipped == 1
    for length in (0, 3, 5000):
        lying = struct.pack("=BBH", 1, 0, length) + b"\0" * 40
        batch = fanotify.parse(event(fanotify.FAN_CREATE, 2, lying) + good, {256})
        assert [found.pid for found in batch.events] == [1]


def test_a_cut_off_buffer_gives_what_is_whole() -> None:
    good = event(fanotify.FAN_CREATE, 1, *ENTRY)
    for size in range(len(good)):
        assert not fanotify.parse(good[:size], {256}).events


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 300), st.binary(max_size=8))
def test_no_bytes_crash_or_hang_it(noise: bytes, offset: int, patch: bytes) -> None:
    fanotify.parse(noise, {256})
    good = event(fanotify.FAN_CREATE, 1, *ENTRY) * 2
    offset %= len(good)
    fanotify.parse(good[:offset] + patch + good[offset + len(patch) :], {256})
