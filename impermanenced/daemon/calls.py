"""What callers on the bus do on the machine.

As on the command line each call starts from the configuration and the disk as they are then: what was
looked at before does not count.
"""

from __future__ import annotations

from ..boots import listing, requests
from ..boots.listing import Listing
from ..keep.examine import states
from ..keep.state import Declared
from ..kernel import mounts
from ..report.report import Manager
from ..system.systemd import NoSystemd
from ..volumes.configured import configured


def boots(config_file: bytes | None) -> Listing:
    """Return what is on the disk of the boots."""
    with configured(config_file, writable=False) as (config, machine):
        ours = config_file is None
        return listing.read(config, machine, newest=listing.NEWEST, ours=ours)


def declarations(config_file: bytes | None) -> list[Declared]:
    """Return the state of each declaration."""
    # PID 1's table is read, because the unit's sandbox has mounts of its own.
    with Manager(config_file, lambda: mounts.read(1), NoSystemd(), writable=False) as manager:
        return states(manager)


def request(config_file: bytes | None, action: str, number: int) -> str:
    """Ask for something at the next boot; return what that boot does now, in words."""
    with configured(config_file, writable=False) as (config, machine):
        if action == requests.CANCEL:
            return requests.withdraw(machine)
        boot = number if action == "boot" else None
        boots = number if action == "keep" else 1
        return requests.ask(config, machine, action, boot=boot, boots=boots)
