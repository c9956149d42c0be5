"""Names that somebody chose to be misread: of files, programs and control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.document import fields
from impermanenced.paths import DEEPEST
from impermanenced.text import to_text

from .conftest import Bus, Daemon, Machine, Signals, fetch, wait_until

DEEP = 40  # directories with names of 200 bytes: about twice PATH_MAX
NAME = b"\n\x1b]0;x\x07\xffP=0"
WRITE = 'echo x >"$0"; read _'
DIG = """
import os, sys
os.chdir(sys.argv[1])
name = bytes.fromhex(sys.argv[3]) * 200
for _ in range(int(sys.argv[2])):
    os.mkdir(name)
    os.chdir(name)
open("bottom", "w").close()
"""


def clean(daemon: Daemon) -> None:
    """Every line is one that the daemon began, and nothing in it moves a cursor."""
    lines = daemon.output().splitlines()
    assert all(line.isprintable() and line.startswith("impermanenced: ") for line in lines), lines


def test_a_program_that_has_control_characters_for_a_name(
    bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path
) -> None:
    shell = os.path.join(os.fsencode(tmp_path), NAME)
    os.symlink("/bin/sh", shell)
    path = machine.mountpoint / "etc/written"
    with subprocess.Popen([shell, "-c", WRITE, path], stdin=subprocess.PIPE) as program:
        wait_until(lambda: "/etc/written" in daemon.output(), "news")
        entries = fetch(bus, machine.config)["entries"]
        program.communicate()
    (writer,) = [entry["writer"] for entry in entries if entry["path"] == "/etc/written"]
    assert (writer["pid"], writer["comm"]) == (program.pid, to_text(NAME))
    clean(daemon)
    assert to_text(NAME) in daemon.output()


def test_a_path_deeper_than_a_path_can_be(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    dig(machine, DEEP, b"d")
    top = b"/srv/" + b"d" * 200
    wait_until(lambda: top in signals.paths(), "the signal")
    paths = {fields.path(entry) for entry in fetch(bus, machine.config)["entries"]}
    assert b"/srv" + (b"/" + b"d" * 200) * DEEP + b"/bottom" in paths
    clean(daemon)


def test_directories_without_end_cost_no_more_than_their_number(
    bus: Bus, machine: Machine, daemon: Daemon
) -> None:
    """Escaped, the paths of these are 150 MB: each has all those above it in it."""
    dig(machine, 700, b"\xff")
    (machine.mountpoint / "etc/canary").write_text("x")
    document = fetch(bus, machine.config)
    paths = {fields.path(entry) for entry in document["entries"]}
    assert b"/etc/canary" in paths
    level = b"/" + b"\xff" * 200
    deepest = (DEEPEST - len("/srv")) // len(level) + 1
    assert {b"/srv" + level * depth for depth in range(1, deepest + 1)} == paths - {b"/etc/canary"}
    assert not document["complete"]
    assert any("with a path of more than 16,384 bytes" in note for note in document["notes"])
    clean(daemon)


def dig(machine: Machine, depth: int, letter: bytes) -> None:
    argv = [sys.executable, "-c", DIG, os.fspath(machine.mountpoint / "srv"), str(depth), letter.hex()]
    subprocess.run(argv, check=True)


@pytest.fixture
def forged_group() -> Iterator[Path]:
    """A control group below our own with the name of a service, as who may delegate can make it."""
    line = next(
        (one for one in Path("/proc/self/cgroup").read_text().splitlines() if one.startswith("0::")), ""
    )
    mounts = [one.split() for one in Path("/proc/self/mountinfo").read_text().splitlines()]
    where = next((words[4] for words in mounts if "cgroup2" in words), "")
    if not line or not where:
        pytest.skip("needs the unified control groups: mount -t cgroup2")
    group = Path(where) / line[3:].lstrip("/") / "evil.slice" / "\x1b[31msshd.service"
    try:
        group.mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"needs to make a control group: {error}")
    yield group
    group.rmdir()
    group.parent.rmdir()


def test_a_control_group_with_a_forged_name(
    bus: Bus, machine: Machine, daemon: Daemon, forged_group: Path
) -> None:
    script = f'echo $$ >"$1/cgroup.procs" || exit 9; {WRITE}'
    path = machine.mountpoint / "etc/written"
    with subprocess.Popen(["sh", "-c", script, path, forged_group], stdin=subprocess.PIPE) as program:
        wait_until(lambda: "/etc/written" in daemon.output() or program.poll() == 9, "news")
        if program.poll() == 9:
            pytest.skip("needs a control group that takes processes")
        entries = fetch(bus, machine.config)["entries"]
        program.communicate()
    (writer,) = [entry["writer"] for entry in entries if entry["path"] == "/etc/written"]
    assert (writer["unit"], writer["kind"]) == ("", ""), "what cannot be a unit is none"
    assert writer["pid"] == program.pid
    clean(daemon)


def test_names_that_are_bytes_beyond_text(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    name = b"/srv/" + b"\xff" * 255
    with open(os.fsencode(machine.mountpoint) + name, "wb"):
        pass
    wait_until(lambda: name in signals.paths(), "the signal")
    assert name in {fields.path(entry) for entry in fetch(bus, machine.config)["entries"]}
    clean(daemon)
