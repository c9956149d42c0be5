"""Calls that are refused leave nothing open in the daemon."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, NamedTuple

import pytest
from gi.repository import GLib

from impermanenced.bus.introspection import INTERFACE, OBJECT_PATH
from impermanenced.bus.service import LONGEST
from impermanenced.system.dbus import PROPERTIES

from .conftest import Bus, Daemon, Machine, begin, wait_until
from .test_large import fill
from .test_methods import of_path

TIMES = 50
# What single entries are judged by is opened with the first of them, whenever that is, and stays open.
KEPT = Counter({"/root": 1, "/root-blank": 1})


class Bad(NamedTuple):
    """A call that must be refused."""

    method: str
    arguments: Any = None
    interface: str = INTERFACE


REFUSED = [
    Bad("Explain", of_path(b"rel")),
    Bad("Explain", of_path(b"")),
    Bad("Explain", of_path(b"/a\0b")),
    Bad("Explain", of_path(b"/a/../b")),
    Bad("Explain", of_path(b"\xff\xfe")),
    Bad("Explain", of_path(b"/" + b"x" * LONGEST)),
    Bad("Explain", GLib.Variant("(s)", ("/etc",))),
    Bad("Explain", GLib.Variant("(h)", (0,))),
    Bad("Explain"),
    Bad("Status", GLib.Variant("(s)", ("x",))),
    Bad("Status", GLib.Variant("(h)", (0,))),
    Bad("StatusAll", GLib.Variant("(u)", (1,))),
    Bad("Boots", GLib.Variant("(v)", (GLib.Variant("s", "x"),))),
    Bad("Next", GLib.Variant("(si)", ("reboot", 0))),
    Bad("Next", GLib.Variant("(si)", ("keep", 0))),
    Bad("Next", GLib.Variant("(si)", ("boot", 5))),  # no such boot
    Bad("Next", GLib.Variant("(ss)", ("keep", "2"))),
    Bad("Rescan", GLib.Variant("(s)", ("x",))),
    Bad("Follow", GLib.Variant("(i)", (-1,))),
    Bad("Follow", GLib.Variant("(as)", (["x"],))),
    Bad("Nothing"),
    Bad("Get", GLib.Variant("(ss)", (INTERFACE, "Nothing")), PROPERTIES),
    Bad("Get", GLib.Variant("(ss)", ("no.such.Interface", "Version")), PROPERTIES),
    Bad("Set", GLib.Variant("(ssv)", (INTERFACE, "Version", GLib.Variant("s", "x"))), PROPERTIES),
    Bad("GetAll", GLib.Variant("(ss)", (INTERFACE, "x")), PROPERTIES),
]


def opened(daemon: Daemon) -> Counter[str]:
    """What the daemon has open, by name and without the numbers that differ each time."""
    directory = f"/proc/{daemon.process.pid}/fd"
    found = []
    for fd in os.listdir(directory):
        try:
            found.append(os.readlink(f"{directory}/{fd}").partition(":[")[0])
        except FileNotFoundError:  # it was closed meanwhile
            continue
    return Counter(found)


def call(con: Any, bad: Bad) -> list[str]:
    """Begin a call with a descriptor of ours; the list gets the name of the error, or "" for an answer."""
    got: list[str] = []
    begin(con, (OBJECT_PATH, bad.interface, bad.method), bad.arguments, got)
    return got


@pytest.mark.parametrize("large", [False, True])
def test_refused_calls_leave_no_descriptor(bus: Bus, machine: Machine, daemon: Daemon, large: bool) -> None:
    if large:  # the report is made by another process, and so is the refusal
        fill(machine)
    con = bus.connect()
    answered = Bad("Explain", of_path(b"/"))
    asked = [REFUSED[0], answered] if large else REFUSED
    warm = [call(con, bad) for bad in asked] + [call(con, Bad("Status"))]
    wait_until(lambda: all(warm), "all of them once")
    before = opened(daemon)
    for bad in asked:  # the bus lets 128 calls of a connection wait
        calls = [call(con, bad) for _ in range(3 if large else TIMES)]
        wait_until(lambda: all(calls), f"all answers to {bad.method}")  # noqa: B023
        assert bad is answered or [""] not in calls
    wait_until(lambda: not opened(daemon) - before - KEPT, f"no more than {before}")
