"""What the daemon costs a slow machine, beside twenty thousand paths of drift.

It has one processor, whose clock counts instructions, 250 million a second: what else the host does changes
no figure.  The figures are printed.
"""

from __future__ import annotations

import json
import os
import re
import statistics
from typing import NamedTuple

import pytest

from full.guest import Guest

PATHS = 20_000
NANOSECONDS = 2  # of an instruction, as a power of two
PATIENCE = 1800  # seconds of a busy host for a boot or an end
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
    guest.boot(words, timeout=PATIENCE)
    began, finished = shown(guest, "", "UserspaceTimestampMonotonic", "FinishTimestampMonotonic")
    return Boot((finished - began) / 1e6, ended(guest))


def ended(guest: Guest) -> float:
    """Seconds from the request for a reboot to the end of the power, by the guest's clock."""
    requested = float(guest.run("cut -d' ' -f1 /proc/uptime").output)
    guest.shutdown(timeout=PATIENCE)
    (*_, last) = re.finditer(r"\[ *(\d+\.\d+)\] reboot: ", guest.machine.console.read_text(errors="replace"))
    return float(last[1]) - requested


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


def since_start(guest: Guest, beginning: str) -> float:
    """Seconds from the start of the daemon to the entry in its journal that begins so."""
    (started,) = shown(guest, UNITS[0], "ExecMainStartTimestampMonotonic")
    listed = guest.run(f"journalctl --boot --output=json --unit={UNITS[0]}").output
    entries = [json.loads(line) for line in listed.splitlines()]
    (said, *_) = [one for one in entries if str(one["MESSAGE"]).startswith(beginning)]
    return (int(said["__MONOTONIC_TIMESTAMP"]) - started) / 1e6


@pytest.mark.timeout(4 * PATIENCE)
def test_a_slow_machine(product: Guest, figures: dict[str, object]) -> None:
    product.machine.cpus, product.machine.counted = 1, NANOSECONDS
    product.boot(timeout=PATIENCE)
    product.run("impermanence setup", timeout=PATIENCE)
    product.run(FILL, timeout=PATIENCE)
    ended(product)

    product.boot(KEEP, timeout=PATIENCE)
    started, active = shown(
        product, UNITS[0], "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"
    )
    figures["start of the daemon, seconds"] = round((active - started) / 1e6, 2)
    end = started // 1_000_000 + 60 * MINUTES
    product.run(BUSY.format(end=end), timeout=PATIENCE)
    used = int(product.run(f"sed -n 's/^usage_usec //p' {CGROUP}").output)
    figures[f"processor time of the daemon after {MINUTES} minutes, seconds"] = round(used / 1e6, 1)
    figures["the daemon says that it watches, seconds after its start"] = round(
        since_start(product, "watching"), 1
    )
    figures["shutdown after that, seconds"] = round(ended(product), 1)

    pairs = [(one_boot(product, KEEP), one_boot(product, f"{KEEP} {WITHOUT}")) for _ in range(BOOTS)]
    for name in Boot._fields:
        ours, theirs = (statistics.median(getattr(pair[index], name) for pair in pairs) for index in range(2))
        figures[f"{name}, seconds with and without the product"] = f"{ours:.1f} {theirs:.1f}"
        figures[f"{name}, ratio"] = round(ours / theirs, 2)

    product.boot(KEEP, timeout=PATIENCE)
    timed = "cut -d' ' -f1 /proc/uptime; {}; cut -d' ' -f1 /proc/uptime"
    report = "impermanence status --json > /run/report.json 2>/dev/null"
    for when in ("as soon as it has booted", "then"):  # the first waits for the daemon
        began, *_, done = product.run(timed.format(report), timeout=PATIENCE).output.split()
        figures[f"status of all that {when}, seconds"] = round(float(done) - float(began), 1)
    found = product.json("cat /run/report.json", timeout=PATIENCE)
    assert found["watching_since"] is not None and found["complete"], "the daemon's own report"
    assert len(found["entries"]) >= PATHS
    ended(product)
    product.boot(KEEP, timeout=PATIENCE)
    figures["stop of the daemon, seconds"] = round(stopped(product), 1)
