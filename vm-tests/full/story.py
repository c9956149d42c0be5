"""What the stories of whole boots wait for."""

from __future__ import annotations

import json

from full.guest import TOP, Guest

CRUD = "5708851a4b854e9ca0d4f872ddb637e6"  # MESSAGE_ID of an alert


def alerts(guest: Guest, unit: str, *, timeout: int = 120) -> list[dict[str, str]]:
    """The alerts about a unit, as soon as there is one."""
    words = f"journalctl --boot --output json MESSAGE_ID={CRUD} IMPERMANENCE_WRITER_UNIT={unit}"
    waiting = f"until {words} | grep .; do sleep 0.2; done"
    found = guest.run(f"timeout {timeout} sh -c '{waiting}'", timeout=timeout + 10).output
    return [json.loads(line) for line in found.splitlines()]


def wait_good(guest: Guest, number: int) -> None:
    """Until the running boot is on record as a good one."""
    good = f"{TOP}/.impermanence/boots/{number}.good"
    guest.run(f"timeout 120 sh -c 'until test -e {good}; do sleep 0.2; done'", timeout=130)


def wait_loaded(guest: Guest) -> None:
    """Until the daemon has its name on the bus, and reads the events that the kernel has queued."""
    there = "busctl status org.impermanence.Manager1 >/dev/null 2>&1"
    guest.run(f"timeout 240 sh -c 'until {there}; do sleep 0.2; done'", timeout=250)
