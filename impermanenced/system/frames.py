"""A connection to the bus that very large messages do not reach, nor the answers to `questions`.

Hard facts
    GDBus keeps a buffer of the size of the largest message that it has read, until the connection closes.
    The bus passes on messages of up to 32 MiB from everybody, and has no smaller limit for one service.
    A descriptor comes with the first bytes of its message, and with no bytes of a later one (unix(7)); GDBus
    takes it for part of the message whose bytes it is reading.

So two threads carry the bytes between GDBus and the bus.  They look at the lengths of messages, and of an
answer at what it answers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

from gi.repository import Gio, GLib

from .dbus import BUS
from .questions import Questions

LARGEST = 2 << 20  # bytes of a call or a signal

_CHUNK = 64 << 10
_FDS = 64  # descriptors with one chunk, at most; the bus allows 16 for a message
_FIXED = 16  # bytes before the array of header fields
_FIELDS = 64 << 10  # bytes of that array that are looked at
_ANSWER = 8 << 10  # bytes of an answer to one of the questions, at most
_CALL, _RETURN, _ERROR, _SIGNAL = 1, 2, 3, 4  # DBus.MessageType
_NO_REPLY = 1
_BUS = BUS.name.encode()
_REPLY_SERIAL, _SENDER = 5, 7  # DBus.HeaderField
_FLAGS = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION

Parcel = tuple[bytes, list[int]]  # bytes of one message, and the descriptors that come with them
Skipped = Callable[[int, str], None]  # serial and sender of a call
Taken = Callable[[int, bytes], bool]  # what the bus answers, and how: whether that goes no further


class Frames:
    """The messages in a stream of bytes, cut where they end; those that are too large are left out, and
    answers of the bus that `taken` takes.
    """

    def __init__(
        self,
        largest: int | None,
        skipped: Skipped = lambda serial, sender: None,
        taken: Taken | None = None,
    ) -> None:
        self._largest = largest
        self._skipped = skipped
        self._taken = taken
        self._head = bytearray()
        self._left = 0  # bytes of the message that has begun
        self._drop = False  # it is left out
        self._kept: bytearray | None = None  # the beginning of one that is left out and wants an answer
        self._held: bytearray | None = None  # an answer, until it is whole
        self._waiting: list[int] = []  # descriptors of a message whose head is not whole

    def feed(self, data: bytes, fds: list[int]) -> Iterator[Parcel]:
        """Yield what is to be passed on of a chunk; descriptors belong to its last message."""
        parcels: list[Parcel] = []
        view = memoryview(data)
        while view:
            if not self._left:
                missing = _FIXED - len(self._head)
                self._head += view[:missing]
                view = view[missing:]
                if len(self._head) < _FIXED:
                    break
                self._begin(bytes(self._head))
                if self._held is None:
                    parcels += self._passed(bytes(self._head))
                self._head.clear()
            part = view[: self._left]
            view = view[len(part) :]
            self._left -= len(part)
            if self._held is not None:
                self._held += part
                if not self._left:
                    parcels += self._answered(bytes(self._held))
            elif not self._drop:
                before, with_it = parcels.pop() if parcels else (b"", [])
                parcels.append((before + part, with_it))
            elif self._kept is not None:
                self._keep(part)
        self._waiting += fds
        if not self._head and self._held is None:  # whose they are is known
            if parcels and not self._drop:
                parcels[-1][1].extend(self._waiting)
                self._waiting.clear()
            self._passed(b"")
        yield from parcels

    def _passed(self, data: bytes) -> list[Parcel]:
        """Return the beginning of a message with the descriptors that wait; if it is left out, nothing, and
        close them.
        """
        fds, self._waiting = self._waiting, []
        if not self._drop:
            return [(data, fds)]
        for fd in fds:
            os.close(fd)
        return []

    def _begin(self, head: bytes) -> None:
        order = "<" if head[:1] == b"l" else ">"
        body, serial, fields = struct.unpack_from(f"{order}III", head, 4)
        self._left = fields + -fields % 8 + body
        kind, flags = head[1], head[2]
        total = _FIXED + self._left
        self._drop = self._largest is not None and total > self._largest and kind in (_CALL, _SIGNAL)
        self._kept = None
        answers = self._taken is not None and kind in (_RETURN, _ERROR) and fields
        self._held = bytearray(head) if answers and total <= _ANSWER else None
        self._fields, self._serial, self._order = fields, serial, order
        if self._drop and kind == _CALL and not flags & _NO_REPLY and fields <= _FIELDS:
            self._kept = bytearray()

    def _answered(self, message: bytes) -> list[Parcel]:
        """Return an answer that is whole, or nothing if it is taken."""
        assert self._taken is not None
        self._held = None
        fields = dict(_header(message[_FIXED : _FIXED + self._fields], self._order))
        order: Literal["little", "big"] = "little" if self._order == "<" else "big"
        serial = int.from_bytes(fields.get(_REPLY_SERIAL, b""), order)
        self._drop = fields.get(_SENDER) == _BUS and self._taken(serial, message)
        return self._passed(message)

    def _keep(self, part: memoryview) -> None:
        assert self._kept is not None
        self._kept += part[: self._fields - len(self._kept)]
        if len(self._kept) == self._fields:
            sender = dict(_header(bytes(self._kept), self._order)).get(_SENDER)
            self._kept = None
            if sender:
                self._skipped(self._serial, sender.decode("ascii", "replace"))


def _header(fields: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the code and the bytes of each field of a header, up to the first of another type than those of
    D-Bus.
    """
    at = 0
    while at + 4 <= len(fields):
        code, signature = fields[at], fields[at + 2 : at + 3]
        at += 4  # code, length of the signature, signature, NUL
        if signature == b"u":
            at += -at % 4
            yield code, fields[at : at + 4]
            at += 4
        elif signature in (b"s", b"o"):
            at += -at % 4
            if at + 4 > len(fields):
                break
            (length,) = struct.unpack_from(f"{order}I", fields, at)
            yield code, fields[at + 4 : at + 4 + length]
            at += 4 + length + 1
        elif signature == b"g" and at < len(fields):
            at += 1 + fields[at] + 1
        else:
            break
        at += -at % 8


def connect(address: str) -> Link:
    """Return a connection to the bus at an address.  Raises GLib.Error."""
    stream, _ = Gio.dbus_address_get_stream_sync(address, None)
    bus = socket.socket(fileno=os.dup(stream.get_socket().get_fd()))
    bus.setblocking(True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    link = Link(bus, ours)
    gdbus = Gio.Socket.new_from_fd(theirs.detach()).connection_factory_create_connection()
    con = Gio.DBusConnection.new_sync(gdbus, None, _FLAGS, None, None)
    link.questions, link.con = Questions(con), con
    return link


class Link:
    """`con`, a Gio.DBusConnection, its two threads, which end when either side closes, and the questions."""

    questions: Questions

    def __init__(self, bus: socket.socket, ours: socket.socket) -> None:
        self.con: Any = None
        self._begun = False  # what comes from the bus are messages, and not words about who we are
        self._bus, self._ours = bus, ours
        self._threads = [
            threading.Thread(target=self._until_closed, args=(work,), name="bus", daemon=True)
            for work in (self._out, self._in)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Close the connection, and wait for the threads."""
        with contextlib.suppress(GLib.Error):  # it is closed
            self.con.close_sync(None)
        for thread in self._threads:
            thread.join()
        self.questions.close()
        for end in (self._bus, self._ours):
            end.close()

    def _until_closed(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError:  # one side has gone, and the other is told by its end
            pass
        finally:
            for end in (self._bus, self._ours):
                _shut(end)

    def _out(self) -> None:
        words = b""
        frames = Frames(None)
        for data, fds in _chunks(self._ours):
            if self._begun:
                for parcel in frames.feed(data, fds):
                    _send(self._bus, *parcel)
                continue
            words += data
            _, begin, after = words.partition(b"\r\nBEGIN\r\n")
            self._begun = bool(begin)
            _send(self._bus, data[: len(data) - len(after)] if begin else data, fds)
            if begin:
                for parcel in frames.feed(after, []):
                    _send(self._bus, *parcel)

    def _in(self) -> None:
        frames = Frames(LARGEST, self._refuse, self._take)
        for data, fds in _chunks(self._bus):
            for parcel in frames.feed(data, fds) if self._begun else [(data, fds)]:
                _send(self._ours, *parcel)

    def _take(self, serial: int, message: bytes) -> bool:
        # GDBus itself asks first, when there are no questions.
        return self.con is not None and self.questions.take(serial, message)

    def _refuse(self, serial: int, sender: str) -> None:
        message = Gio.DBusMessage.new()
        message.set_message_type(Gio.DBusMessageType.ERROR)
        message.set_destination(sender)
        message.set_reply_serial(serial)
        message.set_error_name("org.freedesktop.DBus.Error.LimitsExceeded")
        message.set_body(GLib.Variant("(s)", (f"a message of more than {LARGEST >> 20} MiB",)))
        try:
            self.con.send_message(message, Gio.DBusSendMessageFlags.NONE)
        except GLib.Error:  # the sender, or we, have gone
            return


def _chunks(source: socket.socket) -> Iterator[Parcel]:
    while True:
        data, fds, _, _ = socket.recv_fds(source, _CHUNK, _FDS, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return
        yield data, fds


def _send(sink: socket.socket, data: bytes, fds: list[int]) -> None:
    """Send all of it, with the descriptors at its beginning, and close these."""
    try:
        sent = socket.send_fds(sink, [data], fds) if fds else 0
    finally:
        for fd in fds:
            os.close(fd)
    if sent < len(data):
        sink.sendall(memoryview(data)[sent:])


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is shut
        return
