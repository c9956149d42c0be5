"""What an unprivileged user may do all day long: `python -m bench.attacks KIND DIRECTORY` does one of them.

Each ends when it is killed.  The bus is the one of the environment, and the directory belongs to the user.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH

from . import ground

FILES = ground.setting("FILES", 40_000)
DIRECTORIES = ground.setting("DIRECTORIES", 100_000)
DEPTH = 700
CONNECTIONS, CALLS = 60, 120
LARGE = 20 << 20
EIB = 1 << 60

_CLIENT = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION


def connect() -> Any:
    address = os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
    return Gio.DBusConnection.new_for_address_sync(address, _CLIENT, None, None)


def octets(value: bytes) -> Any:
    kind = GLib.VariantType("ay")
    return GLib.Variant.new_tuple(GLib.Variant.new_from_bytes(kind, GLib.Bytes.new(value), True))


def flood(method: str, arguments: Any, connections: int, calls: int) -> None:
    """So many calls that wait on each of so many connections, and a new one for each answer."""

    def ask(con: Any) -> None:
        where = BUS_NAME, OBJECT_PATH, INTERFACE, method
        con.call_with_unix_fd_list(*where, arguments, None, 0, 120_000, None, None, answered)

    def answered(con: Any, result: Any) -> None:
        with contextlib.suppress(GLib.Error):
            con.call_with_unix_fd_list_finish(result)
        ask(con)

    for con in [connect() for _ in range(connections)]:
        for _ in range(calls):
            ask(con)
    GLib.MainLoop().run()


def keep() -> None:
    """Keep the file of each answer."""
    con, kept = connect(), []
    while True:
        try:
            _, fds = con.call_with_unix_fd_list_sync(
                BUS_NAME, OBJECT_PATH, INTERFACE, "Status", None, None, 0, 120_000, None, None
            )
            kept.append(fds.get(0))
        except GLib.Error:
            time.sleep(0.2)


def vanish() -> None:
    """Follow and go, at every moment between the two."""
    while True:
        for late in range(50):
            with contextlib.suppress(GLib.Error):
                con = connect()
                con.call(BUS_NAME, OBJECT_PATH, INTERFACE, "Follow", GLib.Variant("(u)", (0,)), None, 0, -1)
                con.flush_sync(None)
                time.sleep(late / 20_000)
                con.close_sync(None)


def make_deep(directory: str) -> None:
    os.chdir(directory)
    for _ in range(DEPTH):
        os.mkdir(b"\xff" * 255)
        os.chdir(b"\xff" * 255)
    open("bottom", "w").close()


def make_files(directory: str) -> None:
    for number in range(FILES):
        open(f"{directory}/{number:0200}", "w").close()


def deep(directory: str) -> None:
    make_deep(directory)
    flood("Status", None, 1, 10)


def files(directory: str) -> None:
    make_files(directory)
    keep()


def trees(directory: str) -> None:
    """Directories that come and go: each is an inode that somebody wrote."""
    while True:
        for number in range(DIRECTORIES):
            os.mkdir(f"{directory}/{number}")
        for number in range(DIRECTORIES):
            os.rmdir(f"{directory}/{number}")


def sparse(directory: str) -> None:
    """A file of four EiB that takes no space, and then is empty again."""
    while True:
        for size in (4 * EIB, 0):
            os.truncate(os.open(f"{directory}/sparse", os.O_CREAT | os.O_WRONLY), size)
            time.sleep(0.2)


def keys(directory: str) -> None:
    """Private keys, each in a tree of its own and in one that was announced."""
    number = 0
    while True:
        number += 1
        for path in (f"{directory}/tree/key{number}", f"{directory}/tree{number}/key"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as stream:
                stream.write("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        time.sleep(0.05)


def links(directory: str) -> None:
    """Many names of one file."""
    original = f"{directory}/original"
    open(original, "w").close()
    for number in range(FILES):
        try:
            os.link(original, f"{directory}/{number}")
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            original = f"{directory}/{number}"
            open(original, "w").close()
    while True:
        os.utime(original)
        time.sleep(0.1)


KINDS: dict[str, Callable[[str], None]] = {
    "explain": lambda directory: flood("Explain", octets(b"rel"), 1, 100),
    "boots": lambda directory: flood("Boots", None, 2, 50),
    "crowd": lambda directory: flood("Status", None, CONNECTIONS, CALLS),
    "large": lambda directory: flood("Explain", octets(b"x" * LARGE), 1, 1),
    "vanish": lambda directory: vanish(),
    "deep": deep,
    "files": files,
    "trees": trees,
    "sparse": sparse,
    "keys": keys,
    "links": links,
}


if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2])
