"""What the daemon costs a slow machine: an emulated one, beside twenty thousand paths of drift.

The figures are printed; those that a busy host cannot change are also held to a limit.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from typing import NamedTuple

import pytest

from full.guest import Guest

PATHS = 20_000
BOOTS = int(os.environ.get("SLOW_BOOTS", "3"))  # with the product, and as many without
MINUTES = 5
UNITS = ("impermanenced.service", "impermanence-alert.service", "impermanence-boot-good.service")
WITHOUT = " ".join(f"systemd.mask={unit}" for unit in UNITS)
KEEP = "impermanence=keep"
# As much in each place: of a package manager, of a person, of nobody that is known.
FILL = f"""
for place in /opt/many /usr/share/many /var/lib/many /home/alice/many; do
  for directory in $(seq {PATHS // 400}); do
    mkdir -p $place/$directory && (cd $place/$directory && seq 100 | xargs touch)
  done
done
mkdir -p /var/log/journal && journalctl --flush && sync
"""
# What a machine does that is in use: a file of the system, a log that grows, a new file of a person.
BUSY = """
i=0
until [ $(cut -d. -f1 /proc/uptime) -ge {end} ]; do
  echo $i > /etc/busy$((i % 7)); echo $i >> /var/lib/many/log; echo $i > /home/alice/many/new$i
  i=$((i + 1)); sleep 5
done
"""
CGROUP = "/sys/fs/cgroup/system.slice/impermanenced.service/cpu.stat"


class Boot(NamedTuple):
    """Seconds of one boot: until systemd had finished, and from the request to the end of the power."""

    userspace: float
    shutdown: float


def shown(guest: Guest, unit: str, *names: str) -> list[int]:
    """Properties of a unit, or of the manager for "", that are numbers."""
    said = guest.run(f"systemctl show {unit} " + " ".join(f"--property={name}" for name in names)).output
    found = dict(line.split("=", 1) for line in said.splitlines())
    return [int(found[name]) for name in names]


def one_boot(guest: Guest, words: str) -> Boot:
    guest.boot(words)
    began, finished = shown(guest, "", "UserspaceTimestampMonotonic", "FinishTimestampMonotonic")
    before = time.monotonic()
    guest.shutdown(timeout=240)
    return Boot((finished - began) / 1e6, time.monotonic() - before)


def stopped(guest: Guest) -> float:
    """Seconds that systemd waited for the daemon at the end of the boot before this one."""
    listed = guest.run("journalctl --boot=-1 --output=json UNIT=impermanenced.service").output
    entries = [json.loads(line) for line in listed.splitlines()]
    times = {
        word: int(entry["__MONOTONIC_TIMESTAMP"])
        for entry in entries
        for word in ("Stopping", "Stopped")
        if str(entry["MESSAGE"]).startswith(f"{word} ")
    }
    said = " ".join(str(entry["MESSAGE"]) for entry in entries)
    assert "Killing process" not in said and "timed out" not in said, said
    return (times["Stopped"] - times["Stopping"]) / 1e6


@pytest.mark.timeout(3600)
def test_a_slow_machine(product: Guest, figures: dict[str, object]) -> None:
    product.boot()
    product.run("impermanence setup")
    product.run(FILL, timeout=600)
    product.shutdown(timeout=240)

    product.boot(KEEP)
    started, active = shown(
        product, UNITS[0], "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"
    )
    figures["start of the daemon, seconds"] = round((active - started) / 1e6, 1)
    end = started // 1_000_000 + 60 * MINUTES
    product.run(BUSY.format(end=end), timeout=60 * MINUTES + 60)
    used = int(product.run(f"sed -n 's/^usage_usec //p' {CGROUP}").output)
    figures[f"processor time of the daemon after {MINUTES} minutes, seconds"] = round(used / 1e6, 1)
    before = time.monotonic()
    product.shutdown(timeout=240)
    figures["shutdown after that, seconds"] = round(time.monotonic() - before, 1)

    pairs = [(one_boot(product, KEEP), one_boot(product, f"{KEEP} {WITHOUT}")) for _ in range(BOOTS)]
    for name in Boot._fields:
        ours, theirs = (statistics.median(getattr(pair[index], name) for pair in pairs) for index in range(2))
        figures[f"{name}, seconds with and without the product"] = f"{ours:.1f} {theirs:.1f}"
        figures[f"{name}, ratio"] = round(ours / theirs, 2)

    product.boot(KEEP)
    began = time.monotonic()
    report = product.json("impermanence status --json", timeout=600)
    figures["status of all that, seconds"] = round(time.monotonic() - began, 1)
    assert report["watching_since"] is not None and report["complete"], "the daemon's own report"
    assert len(report["entries"]) >= PATHS
    product.shutdown(timeout=240)
    product.boot(KEEP)
    figures["stop of the daemon, seconds"] = round(stopped(product), 1)
