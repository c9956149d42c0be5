"""What callers on the bus do on the machine.

As on the command line each call starts from the configuration and the disk as they are then: what was
looked at before does not count.
"""

from __future__ import annotations

from ..boots import listing, requests
from ..boots.listing import Listing
from ..volumes.configured import configured


def boots(config_file: bytes | None) -> Listing:
    """Return what is on the disk of the boots."""
    with configured(config_file) as (config, machine):
        ours = config_file is None
        return listing.read(config, machine, newest=listing.NEWEST, ours=ours)


def request(config_file: bytes | None, action: str, number: int) -> str:
    """Ask for something at the next boot; return what that boot does now, in words."""
    with configured(config_file) as (config, machine):
        if action == requests.CANCEL:
            return requests.withdraw(machine)
        boot = number if action == "boot" else None
        boots = number if action == "keep" else 1
        return requests.ask(config, machine, action, boot=boot, boots=boots)
