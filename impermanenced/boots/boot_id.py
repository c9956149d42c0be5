"""The boot id of the running system."""

from __future__ import annotations

_FILE = "/proc/sys/kernel/random/boot_id"


def this_boot_id() -> str:
    """Return the boot id of the running system."""
    with open(_FILE, encoding="ascii") as stream:
        return stream.read().strip()
