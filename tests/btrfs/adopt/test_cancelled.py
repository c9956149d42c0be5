"""Ctrl-C at any moment: the job is undone, or finished if it was declared by then."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.boots.records.job import Step
from impermanenced.cli.stopping import Stop
from impermanenced.errors import Cancelled
from impermanenced.kernel import libc

from ..copying import trees
from .machine import Machine
from .test_commands import System, system
from .test_cuts import ROUNDS, grow, look

__all__ = ["system"]  # the fixture
CALLS = (
    *((libc, name) for name in ("syncfs", "renameat2", "move_mount", "umount2")),
    *((os, name) for name in ("rename", "unlink", "mkdir", "rmdir", "scandir")),
)


def interrupted_at(turn: int, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Have the n-th call interrupt this process; what is returned says whether there were that many."""
    left = turn

    def guarded(call: Callable[..., object]) -> Callable[..., object]:
        def instead(*arguments: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left == -1:
                os.kill(os.getpid(), signal.SIGINT)
            return call(*arguments, **named)

        return instead

    for module, name in CALLS:
        monkeypatch.setattr(module, name, guarded(getattr(module, name)))
    return lambda: left < 0


@pytest.mark.parametrize("back", [False, True], ids=["persist", "unpersist"])
def test_at_any_call(machine: Machine, monkeypatch: pytest.MonkeyPatch, back: bool) -> None:
    ends = set()
    for turn in range(ROUNDS):
        path = f"/var/lib/app{turn}"
        before = grow(machine.root / path[1:])
        if back:
            machine.adopt(path)
        with monkeypatch.context() as patch, Stop() as stop:
            machine.cancelled = stop.event.is_set
            was_there = interrupted_at(turn, machine, patch)
            try:
                machine.give_back(path) if back else machine.adopt(path)
            except Cancelled:
                assert stop.signal == signal.SIGINT
        machine.cancelled = lambda: False
        last = [job for job in machine.jobs() if job.path == path.encode()][back:][-1:]
        step = last[0].step if last else Step.UNDONE  # it had not been begun
        ends.add(step)
        assert trees.difference(before, look(machine.root / path[1:])) == {}
        kept = (step is Step.DONE) != back
        assert (path.encode() in machine.declared()) == kept == machine.mounted(path)
        assert (machine.persist / path[1:]).exists() == kept
        assert not (machine.persist / ".impermanence-staging").exists()
        if not was_there():
            break
    assert turn > 8 and not was_there()
    assert ends == {Step.DONE, Step.UNDONE}


def at_a_terminal(system: System, *argv: str) -> tuple[subprocess.Popen[bytes], int]:
    """The command with a terminal of its own, which sends Ctrl-C to all that runs in it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        system.command(*argv), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, 0x540E, 0),
    )  # fmt: skip
    os.close(theirs)
    return process, ours


def read_until(fd: int, words: bytes) -> bytes:
    said = b""
    while words not in said:
        said += os.read(fd, 4096)
    return said


def rest(fd: int) -> bytes:
    said = b""
    try:
        while more := os.read(fd, 4096):
            said += more
    except OSError:  # the terminal's other end is closed
        pass
    os.close(fd)
    return said


def test_at_the_question_it_ends_at_once(system: System) -> None:
    system.path("/etc/impermanence/config.d").mkdir()
    system.say("undo", "--list")
    before = system.everything()
    process, terminal = at_a_terminal(system, "persist", "/var/lib/app")
    assert b"mount /persist/var/lib/app over it" in read_until(terminal, b"[y/N]")
    os.write(terminal, b"\x03")
    assert process.wait() == 128 + signal.SIGINT
    assert b"Traceback" not in rest(terminal)
    assert system.everything() == before


def test_in_a_long_copy_everything_is_undone(system: System) -> None:
    many(system.path("/var/lib/app"))
    before = sorted(path.name for path in system.path("/var/lib/app").iterdir())
    process, terminal = at_a_terminal(system, "persist", "--yes", "/var/lib/app")
    said = read_until(terminal, b"of 20,002 files")
    assert b"copy /var/lib/app to /persist/var/lib/app: " in said or b"compare the copy" in said
    assert b" left" in said + read_until(terminal, b" left")
    os.write(terminal, b"\x03")
    assert process.wait() == 128 + signal.SIGINT
    assert b"stopped on the way; what had been begun was undone" in rest(terminal)
    assert sorted(path.name for path in system.path("/var/lib/app").iterdir()) == before
    assert not (system.machine.persist / "var/lib/app").exists()
    assert system.document("undo", "--list")["jobs"][-1]["state"] == "undone"


def many(tree: Path) -> None:
    for number in range(20_000):
        (tree / f"{number}").touch()
