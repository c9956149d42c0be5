"""Random load for ten minutes, reports, and 20,000 calls on the bus: memory, descriptors and threads stay.

`BENCH_SECONDS=60` makes a trial of it.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from gi.repository import Gio, GLib

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH

from . import ground, service

SECONDS = ground.setting("SECONDS", 600)
CALLS = 20_000
BURST = 20_000  # files at once, now and then


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("8G") as fs, service.bus(fs.directory) as address:
        fs.subvolume(".impermanence")
        root, config = fs.volume(fs.subvolume("seed"), "root")
        with service.daemon(fs.directory, config) as (_, pid):
            yield from soaked(root, config, pid)
            yield from called(address, pid)


def soaked(root: Path, config: Path, pid: int) -> Iterator[dict[str, object]]:
    chance = random.Random(1)
    samples: list[tuple[float, int, int]] = []
    began = said = time.monotonic()
    bursts = iter(began + SECONDS * tenth / 10 for tenth in (1, 3, 5, 7))
    burst = next(bursts)
    while (now := time.monotonic()) < began + SECONDS:
        for _ in range(chance.randrange(300)):
            step(root, chance)
        if now > burst:
            burst = next(bursts, began + 2 * SECONDS)
            ground.fill(root, BURST, prefix="burst")
            subprocess.run(["rm", "-r", *root.glob("burst*")], check=True)
        if chance.random() < 0.1:
            service.report(config)
        time.sleep(chance.random())
        samples.append((service.resident(pid), service.descriptors(pid), service.threads(pid)))
        if now > said + 30:
            said = now
            ground.say("{:.0f} s: {:.1f} MB, {} descriptors, {} threads".format(now - began, *samples[-1]))
    tenth = max(1, len(samples) // 10)
    kinds = (("resident memory", "MB"), ("descriptors", "open"), ("threads", "running"))
    for index, (what, unit) in enumerate(kinds):
        early = max(sample[index] for sample in samples[2 * tenth : 5 * tenth])
        late = max(sample[index] for sample in samples[-3 * tenth :])
        yield compared(f"{SECONDS / 60:g} minutes of random load, {what}", early, late, unit)


def called(address: str, pid: int) -> Iterator[dict[str, object]]:
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    con = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
    wanted = GLib.Variant("(ss)", (INTERFACE, "Version"))
    memory = []
    for number in range(CALLS + 1):
        if number in (CALLS // 10, CALLS):
            memory.append(service.resident(pid))
        con.call_sync(
            BUS_NAME, OBJECT_PATH, "org.freedesktop.DBus.Properties", "Get", wanted, None,
            Gio.DBusCallFlags.NONE, 10_000, None,
        )  # fmt: skip
    early, late = memory
    yield compared(f"{CALLS} calls on the bus, resident memory", early, late, "MB")


def compared(data: str, early: float, late: float, unit: str) -> dict[str, object]:
    return {
        "data": f"{data}: the end against the beginning",
        "ours": round(late, 1),
        "peer": None,
        "theirs": round(early, 1),
        "ratio": round(late / early, 3),
        "unit": unit,
    }


def step(root: Path, chance: random.Random) -> None:
    """Something is made, changed, moved or deleted in a tree that stays of one size."""
    path = root / f"d{chance.randrange(20)}" / f"f{chance.randrange(200)}"
    path.parent.mkdir(exist_ok=True)
    match chance.randrange(5):
        case 0:
            path.unlink(missing_ok=True)
        case 1 if path.exists():
            path.rename(path.with_name(f"f{chance.randrange(200)}"))
        case 2:
            subprocess.run(["touch", path], check=True)
        case _:
            path.write_bytes(chance.randbytes(chance.randrange(5000)))
