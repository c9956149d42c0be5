"""The watch before there is a daemon: the mark, and the queue that holds the events until they are read.

Logins wait for the mark, and for nothing else.  So little is loaded here: the bus and the report take most of
the time in which the daemon starts.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config.fingerprint import Fingerprint, fingerprint
from ..config.load import DEFAULT, Config
from ..volumes.configured import open_configured
from ..volumes.machine import Machine
from ..watch.mark import open_fanotify


@dataclass(frozen=True, slots=True)
class Begun:
    """What the start leaves for the daemon, which owns all of it."""

    config_file: bytes | None  # None: the default file and its drop-ins
    as_read: Fingerprint  # of the files of the configuration
    opened: tuple[Config, Machine]
    fan: int | None  # the marked descriptor; None: the kernel refuses fanotify, and nothing is watched yet


def begin(config_file: bytes | None) -> Begun:
    """Read the configuration, open the machine and mark its filesystem.

    Raises ConfigError, NotSetUp, NotPermitted, or OSError where the filesystem itself fails.
    """
    as_read = fingerprint(config_file or DEFAULT, config_file is None)
    config, machine = open_configured(config_file, writable=False)
    try:
        fan = open_fanotify(machine.top)
    except OSError:  # the daemon asks again, and says why
        fan = None
    return Begun(config_file, as_read, (config, machine), fan)
