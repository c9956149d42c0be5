#!/usr/bin/python3 -I
"""Writes one number after the other to a server, and notes each that the server has acknowledged.

client.py SERVER NOTES: until it is ended.  While the server is away it tries to reach it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from io import BufferedRWPair
from pathlib import Path
from typing import IO

Stream = IO[bytes] | BufferedRWPair

AWAY = 0.1  # seconds until a server that is away is tried again
PSQL = ("runuser", "-u", "postgres", "--", "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "shop")


class Connection:
    """Lines to a server, and one line back for each."""

    def __init__(self, server: str) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        if server == "postgresql":
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(PSQL, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
            assert self.process.stdin is not None and self.process.stdout is not None
            self.out: Stream = self.process.stdin
            self.back: Stream = self.process.stdout
            self.words, self.answer = "insert into written values ({}) returning number;\n", b"{}\n"
            return
        reached = socket.socket(socket.AF_INET if server == "redis" else socket.AF_UNIX)
        reached.settimeout(30)
        reached.connect(("127.0.0.1", 6379) if server == "redis" else "/run/notebook.socket")
        stream = reached.makefile("rwb")
        self.out = self.back = stream
        self.words, self.answer = (
            ("sadd written {}\r\n", b":1\r\n") if server == "redis" else ("{}\n", b"{}\n")
        )

    def write(self, number: int) -> bool:
        """Write a number, and return whether the server has acknowledged it."""
        self.out.write(self.words.format(number).encode())
        self.out.flush()
        return self.back.readline() == self.answer.replace(b"{}", b"%d" % number)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def main(server: str, notes: Path) -> None:
    number = 0
    with notes.open("a", buffering=1) as acknowledged:
        while True:
            try:
                connection = Connection(server)
            except OSError:
                time.sleep(AWAY)
                continue
            try:
                while connection.write(number := number + 1):
                    acknowledged.write(f"{number}\n")
            except OSError:
                pass
            connection.close()
            time.sleep(AWAY)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
