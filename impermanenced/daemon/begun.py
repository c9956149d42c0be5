"""The watch before there is a daemon: the mark, and the queue that holds the events until they are read.

Logins wait for the mark, and for nothing else.  In its unit another program makes it before this one is
loaded (start/impermanenced-start.c).  Elsewhere it is made here, where little is loaded yet: the bus and the
report take most of the time in which the daemon starts.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from ..config.fingerprint import Fingerprint, fingerprint
from ..config.load import DEFAULT, Config
from ..volumes.configured import open_configured
from ..volumes.machine import Machine
from ..watch.mark import adopt_fanotify, open_fanotify

GROUP = "/proc/self/autogroup"  # of the tasks of this session, among which alone nice counts


@dataclass(frozen=True, slots=True)
class Begun:
    """What the start leaves for the daemon, which owns all of it."""

    config_file: bytes | None  # None: the default file and its drop-ins
    as_read: Fingerprint  # of the files of the configuration
    opened: tuple[Config, Machine]
    fan: int | None  # the marked descriptor; None: the kernel refuses fanotify, and nothing is watched yet


def begin(config_file: bytes | None, handed: int | None = None) -> Begun:
    """Read the configuration, open the machine and mark its filesystem, unless `handed` does that already.

    Raises ConfigError, NotSetUp, NotPermitted, or OSError where the filesystem itself fails.
    """
    as_read = fingerprint(config_file or DEFAULT, config_file is None)
    config, machine = open_configured(config_file, writable=False)
    fan = handed
    if fan is None or not adopt_fanotify(fan, machine.top):
        try:
            fan = open_fanotify(machine.top)
        except OSError:  # the daemon asks again, and says why
            fan = None
    return Begun(config_file, as_read, (config, machine), fan)


def come_forward(nice: str | None) -> None:
    """Take this process from behind all others, where the program before it has put it, to a nice value."""
    if nice is None:
        return
    with contextlib.suppress(OSError, ValueError):
        os.setpriority(os.PRIO_PROCESS, 0, int(nice))
    with contextlib.suppress(OSError), open(GROUP, "w") as group:
        group.write("0")  # as each begins
