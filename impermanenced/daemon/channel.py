"""Values and files between this process and a second one of the same program.

Values are pickled, so no stranger may be at the other end.  A message is a file in memory: it may have any
size, and is written and read a little at a time.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

_VALUES, _ERROR, _FILE = b"v", b"e", b"f"


class Channel:
    """One end of a socket of type SOCK_SEQPACKET, which it owns.

    Every method raises EOFError when the other end is closed.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def close(self) -> None:
        self._end.close()

    def send(self, *values: object) -> None:
        """Send values as one message."""
        self.send_each(values)

    def send_each(self, values: Iterable[object]) -> None:
        """Send values as one message, and take each from the iterable when it is written."""
        self._send_pickled(_VALUES, values)

    def send_error(self, error: Exception) -> None:
        """Send an exception, which the other end raises in place of a message."""
        self._send_pickled(_ERROR, [error])

    def send_file(self, fd: int) -> None:
        """Send a descriptor, which stays the caller's to close."""
        with _gone_is_the_end():
            socket.send_fds(self._end, [_FILE], [fd])

    def _send_pickled(self, kind: bytes, values: Iterable[object]) -> None:
        fd = os.memfd_create("values", os.MFD_CLOEXEC)
        try:
            with open(fd, "wb", closefd=False) as stream:
                for value in values:
                    pickle.dump(value, stream, pickle.HIGHEST_PROTOCOL)
            os.lseek(fd, 0, os.SEEK_SET)
            with _gone_is_the_end():
                socket.send_fds(self._end, [kind], [fd])
        finally:
            os.close(fd)

    def receive(self) -> Iterator[Any]:
        """Wait for a message and yield its values, each of them read when it is asked for."""
        stream = open(self._receive(_VALUES), "rb")  # noqa: SIM115 - closed with the last value, or with it
        return _unpickled(stream)

    def receive_one(self) -> Any:
        """Wait for a message of one value, and return that."""
        (value,) = self.receive()
        return value

    def receive_file(self) -> int:
        """Wait for a descriptor, which is then the caller's to close."""
        return self._receive(_FILE)

    def _receive(self, wanted: bytes) -> int:
        with _gone_is_the_end():
            kind, fds, _, _ = socket.recv_fds(self._end, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not kind:
            raise EOFError
        if kind == _ERROR:
            (error,) = _unpickled(open(fds[0], "rb"))  # noqa: SIM115
            raise error
        if kind != wanted:
            for fd in fds:
                os.close(fd)
            raise EOFError(kind)
        return fds[0]


@contextlib.contextmanager
def _gone_is_the_end() -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, ConnectionResetError):
        raise EOFError from None


def _unpickled(stream: BinaryIO) -> Iterator[Any]:
    with stream:
        while True:
            try:
                yield pickle.load(stream)
            except EOFError:
                return
