"""A run that is stopped, killed or doubled deletes nothing twice and nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from impermanenced.kernel.btrfs import delete
from impermanenced.report.report import Manager
from impermanenced.volumes.machine import Machine
from tests.conftest import sh
from tests.isolation import PATIENCE

from .machine import System, names, sh_subvolume


def test_stopped_between_two(system: System) -> None:
    old, other = system.boot(90), system.boot(80)
    stop = threading.Event()
    pruned = system.prune(stop=stop, progress=lambda _: stop.set())
    assert (names(pruned.gone), pruned.left, pruned.stopped) == ([0], 1, True)
    assert not old.exists() and other.exists()


def test_stopped_between_two_that_are_nested(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    old = system.boot(90)
    for path in ("a", "b"):
        sh_subvolume(old / path)
    stop = threading.Event()
    destroy = delete.snap_destroy

    def stop_after(fd: int, number: int) -> None:
        destroy(fd, number)
        stop.set()

    monkeypatch.setattr(delete, "snap_destroy", stop_after)
    pruned = system.prune(stop=stop)
    assert (pruned.gone, pruned.failed, pruned.left, pruned.stopped) == ((), (), 1, True)
    assert len({"a", "b"} & set(os.listdir(old))) == 1


def test_deletions_are_on_the_disk_at_the_end(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.boot(90)
    synced = []
    sync = Machine.sync

    def look_first(machine: Machine) -> None:
        synced.append(system.old_roots())
        sync(machine)

    monkeypatch.setattr(Machine, "sync", look_first)
    system.prune()
    assert synced[-1] == []


def slowly(system: System, script: str, *, after: int = 1) -> subprocess.Popen[str]:
    """The real command, with a pause of its own after so many deletions."""
    code = (
        "import itertools, sys, threading\n"
        "from impermanenced.cli.main import command\n"
        "from impermanenced.kernel.btrfs import delete\n"
        "destroy, calls = delete.snap_destroy, itertools.count(1)\n"
        "def pause(fd, number):\n"
        "    destroy(fd, number)\n"
        f"    if next(calls) < {after}:\n"
        "        return\n"
        "    print('deleted one', flush=True)\n"
        f"    {script}\n"
        "delete.snap_destroy = pause\n"
        "sys.exit(command())\n"
    )
    argv = [sys.executable, "-c", code, "--config", os.fspath(system.config), "prune", "--yes"]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_idle_io_priority_of_the_unit_and_of_the_command(system: System) -> None:
    unit = (Path(__file__).parents[3] / "systemd/impermanence-prune.service").read_text().splitlines()
    assert {"IOSchedulingClass=idle", "Nice=19"} <= set(unit)
    system.boot(400)
    with slowly(system, "sys.stdin.readline()") as process:
        until_first(process)
        priority = sh("ionice", "--pid", str(process.pid))
        process.communicate("\n", timeout=PATIENCE)
    assert priority == "idle\n"
    assert sh("ionice", "--pid", str(os.getpid())) != "idle\n", "this test would have given it that"


def until_first(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while process.stdout.readline() != "deleted one\n":
        assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_killed_after_any_deletion_and_run_again(system: System, after: int) -> None:
    first = system.boot(400)
    for path in ("a", "a/b"):
        sh_subvolume(first / path)
    system.boot(300)
    system.boot(200)
    others = {name for name in system.subvolumes() if not name.startswith("old_roots/")}
    before = len(system.subvolumes())
    with slowly(system, "threading.Event().wait()", after=after) as process:
        until_first(process)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert len(system.subvolumes()) == before - after
    result = system.command("prune", "--yes")
    assert (result.returncode, result.stderr) == (0, "")
    assert system.old_roots() == []
    assert set(system.subvolumes()) == others


def test_sigterm_ends_between_two_and_says_so(system: System) -> None:
    system.boot(400)
    system.boot(300)
    with slowly(system, "sys.stdin.readline()") as process:
        until_first(process)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate("\n", timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "1 old root deleted; stopped, 1 left for the next run." in output
    assert len(system.old_roots()) == 1


def test_reader_of_the_output_went_away(system: System) -> None:
    # A list that nobody reads is no failed deletion, and what was deleted stays so.
    for days in (400, 300):
        system.boot(days)
    with slowly(system, "sys.stdin.readline()") as process:
        until_first(process)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate("\n", timeout=PATIENCE)
    assert (process.returncode, errors) == (128 + signal.SIGPIPE, "")
    assert len(system.old_roots()) == 1


def test_two_at_once(system: System) -> None:
    system.boot(400)
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        archive.lock()
        result = system.command("prune", "--yes")
        assert (result.returncode, "already" in result.stderr) == (1, True)
        assert system.command("prune", "--dry-run").returncode == 0
    assert len(system.old_roots()) == 1
