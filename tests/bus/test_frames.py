"""Messages that are too large for the daemon."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.system import frames
from impermanenced.system.frames import LARGEST, Frames

from ..fuzz.rounds import TIMES, chance
from .conftest import Bus, Daemon, get_properties, wait_until
from .test_descriptors import Bad, call, opened
from .test_methods import of_path

FIELDS = b"\x07\x01s\0" + struct.pack("<I", 4) + b":1.9\0"
HUGE = of_path(b"/" + b"x" * (20 << 20))


def message(kind: int, body: int, fields: bytes = FIELDS, flags: int = 0, serial: int = 5) -> bytes:
    head = b"l" + bytes((kind, flags, 1)) + struct.pack("<III", body, serial, len(fields))
    return head + fields + bytes(-len(fields) % 8) + b"b" * body


def passed(stream: Frames, octets: bytes, cuts: Iterator[int]) -> bytes:
    found = b""
    while octets:
        length = next(cuts)
        found += b"".join(data for data, _ in stream.feed(octets[:length], []))
        octets = octets[length:]
    return found


def test_large_calls_and_signals_are_left_out_however_the_bytes_come() -> None:
    draw = chance("frames")
    for _ in range(300 * TIMES):
        skipped: list[tuple[int, str]] = []
        stream = Frames(200, lambda serial, sender: skipped.append((serial, sender)))  # noqa: B023
        wanted, octets, calls = b"", b"", []
        for serial in range(draw.randint(1, 8)):
            kind, body = draw.randint(1, 4), draw.choice((0, 1, 100, 164, 500, 3000))
            one = message(kind, body, serial=serial)
            octets += one
            if kind in (1, 4) and len(one) > 200:
                calls += [(serial, ":1.9")] if kind == 1 else []
            else:
                wanted += one
        cuts = iter(lambda: draw.choice((1, 3, 16, 17, 400, 70_000)), None)
        assert passed(stream, octets, cuts) == wanted
        assert skipped == calls


def test_answers_of_the_bus_that_are_taken_go_no_further_however_the_bytes_come() -> None:
    draw = chance("answers")
    for _ in range(300 * TIMES):
        took: list[tuple[int, bytes]] = []

        def take(serial: int, one: bytes) -> bool:
            if serial % 2:
                took.append((serial, one))  # noqa: B023
            return bool(serial % 2)

        stream = Frames(10_000, taken=take)
        wanted, octets, answers = b"", b"", []
        for _ in range(draw.randint(1, 8)):
            kind, serial = draw.randint(1, 4), draw.randint(1, 1000)
            sender, body = draw.choice((b"org.freedesktop.DBus", b":1.9")), draw.choice((0, 1, 100, 9000))
            fields = b"\x05\x01u\0" + struct.pack("<I", serial)
            fields += b"\x07\x01s\0" + struct.pack("<I", len(sender)) + sender + b"\0"
            one = message(kind, body, fields)
            octets += one
            if kind in (2, 3) and serial % 2 and sender != b":1.9" and body < 9000:
                answers.append((serial, one))
            else:
                wanted += one
        cuts = iter(lambda: draw.choice((1, 3, 16, 17, 400, 70_000)), None)
        assert passed(stream, octets, cuts) == wanted
        assert took == answers


def test_a_descriptor_of_an_answer_that_is_taken_is_closed() -> None:
    """Newer buses send one with the credentials of a connection."""
    fields = b"\x05\x01u\0" + struct.pack("<I", 7) + b"\x07\x01s\0"
    fields += struct.pack("<I", 20) + b"org.freedesktop.DBus\0"
    answer, other = message(2, 40, fields), message(4, 3)
    for cut in (5, 20, len(answer) - 1, len(answer)):
        stream = Frames(200, taken=lambda serial, one: serial == 7)
        read, write = os.pipe()
        parcels = [*stream.feed(other + answer[:cut], [read]), *stream.feed(answer[cut:] + other, [])]
        assert b"".join(data for data, _ in parcels) == other + other
        assert not [fd for _, fds in parcels for fd in fds]
        with pytest.raises(OSError):
            os.fstat(read)
        os.close(write)


@pytest.mark.parametrize(
    "fields",
    [b"", b"\x07", b"\x07\x01s\0\xff\xff\xff\xff", b"\x01\x01v\0" + FIELDS, b"\x08\x01g\0\xff", FIELDS[:9]],
)
def test_who_cannot_be_told_is_not_told(fields: bytes) -> None:
    skipped: list[str] = []
    stream = Frames(10, lambda serial, sender: skipped.append(sender))
    assert not list(stream.feed(message(1, 1000, fields), []))
    assert all(len(sender) < 5 for sender in skipped)


def test_a_descriptor_goes_with_its_message_and_is_closed_with_one_left_out() -> None:
    small, large = message(1, 0), message(1, 500)
    stream = Frames(200)
    read, write = os.pipe()
    assert list(stream.feed(small + small, [read])) == [(small, []), (small, [read])]
    assert not list(stream.feed(small[:7], [read]))
    assert list(stream.feed(small[7:], [])) == [(small, [read])]
    assert list(stream.feed(small + large, [read])) == [(small, [])]
    with pytest.raises(OSError):
        os.fstat(read)
    os.close(write)


def test_a_message_of_megabytes_leaves_the_daemon_as_it_was(bus: Bus, daemon: Daemon) -> None:
    con = bus.connect()
    get_properties(bus, con)
    before, descriptors = daemon.rss(), opened(daemon)
    for _ in range(3):
        got = call(con, Bad("Explain", HUGE))
        wait_until(lambda: got, "a refusal")  # noqa: B023
        assert got == ["org.freedesktop.DBus.Error.LimitsExceeded"]
    signal: Any = (None, OBJECT_PATH, INTERFACE, "Level", HUGE)
    con.emit_signal(con.get_unique_name(), *signal[1:])
    con.call_sync(BUS_NAME, OBJECT_PATH, "org.freedesktop.DBus.Peer", "Ping", None, None, 0, 60_000, None)
    assert daemon.rss() - before < 4000, "kB"
    wait_until(lambda: not opened(daemon) - descriptors, "no more open")
    large = call(con, Bad("Explain", of_path(b"/" + b"x" * (LARGEST // 3))))
    wait_until(lambda: large, "an answer")
    assert large != ["org.freedesktop.DBus.Error.LimitsExceeded"]


def test_the_end_of_the_bus_is_the_end_of_the_connection(bus: Bus) -> None:
    link = frames.connect(bus.address)
    con = link.con
    ended: list[bool] = []
    con.connect("closed", lambda *_: ended.append(True))
    assert con.get_unique_name()
    bus.process.terminate()
    wait_until(lambda: ended, "the end")
    link.close()
