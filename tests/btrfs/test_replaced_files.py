"""Files that are replaced as a whole: what a killed process leaves, and what a failure says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.kernel import openat2
from impermanenced.system import atomic
from impermanenced.text import failure_to_text

from ..conftest import Filesystem, sh
from ..isolation import attach, detach
from .prune.conftest import system
from .prune.machine import System

__all__ = ["system"]  # the fixture

KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from impermanenced.system import atomic
os.rename = lambda *_, **__: os.kill(os.getpid(), 9)
atomic.replace(os.fsencode(sys.argv[2]), b"new")
"""


def killed_while_it_replaces(path: Path) -> Path:
    """A process that is killed before the last step; the file that it leaves."""
    before = set(path.parent.iterdir())
    argv = [sys.executable, "-c", KILLED, os.fspath(Path(__file__).parents[2]), os.fspath(path)]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
    (left,) = set(path.parent.iterdir()) - before
    return left


def test_what_a_killed_process_left_is_removed_by_setup(system: System) -> None:
    state = system.top / ".impermanence"
    record = (state / "rollback.env").read_bytes()
    left = [killed_while_it_replaces(state / "rollback.env"), killed_while_it_replaces(state / "boots/7.pin")]
    kept = [state / f".next.{os.getpid()}.new", state / "boots/.mine.new", state / "x.1.new"]
    for path in kept:
        path.touch()  # of a process that lives; and not of ours
    tried = system.command("setup", "--dry-run")
    assert all(f"remove .impermanence/{path.relative_to(state)}, which" in tried.stdout for path in left)
    assert all(path.exists() for path in left)
    assert "remove .impermanence/boots/.7.pin." in system.command("doctor").stdout
    done = system.command("setup")
    assert done.returncode == 0, done.stderr
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)
    assert (state / "rollback.env").read_bytes() == record


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path, other = tmp_path / "motd", tmp_path / "motd2"
    left = [killed_while_it_replaces(path), killed_while_it_replaces(other)]
    atomic.replace(os.fsencode(path), b"new")
    assert [one.exists() for one in left] == [False, True]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("argv", "path"),
    [
        (("next", "keep"), ".impermanence/next"),
        (("next", "cancel"), ".impermanence/next"),
        (("pin", "0"), ".impermanence/boots/0.pin"),
        (("unpin", "0"), ".impermanence/boots/0.pin"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_failure_names_the_path_that_a_person_knows(
    system: System, argv: tuple[str, ...], path: str
) -> None:
    """It named one by way of a descriptor of this very process: /proc/self/fd/4/..."""
    system.boot(400)
    if argv[-1] == "cancel":
        assert system.command("next", "keep").returncode == 0
    if argv[0] == "unpin":
        assert system.command("pin", "0").returncode == 0
    sh("btrfs", "property", "set", "-ts", system.top / ".impermanence", "ro", "true")
    result = system.command(*argv)
    sh("btrfs", "property", "set", "-ts", system.top / ".impermanence", "ro", "false")
    assert result.returncode == 1
    assert result.stderr == f"impermanence: {path}: Read-only file system\n"


def test_other_failures_do_so_too(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(FileNotFoundError) as failed:
            atomic.replace(b"/proc/self/fd/%d/boots/7.end" % fd, b"")
        assert failure_to_text(failed.value) == "boots/7.end: No such file or directory"
        with pytest.raises(FileNotFoundError) as failed:
            os.listdir(f"/proc/{os.getpid()}/fd/{fd}/a\nb")
        assert failure_to_text(failed.value) == r"a\x0ab: No such file or directory"
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError) as through:
            openat2.read(fd, b"/file/x", 10)
        assert "/proc/self/fd" not in failure_to_text(through.value)
    finally:
        os.close(fd)


def test_a_replaced_file_is_committed_as_a_whole(filesystem: Filesystem, tmp_path: Path) -> None:
    """Nothing has to be replayed from a log: its replay of renames had faults."""
    path = filesystem.top / "file"
    path.write_text("old")
    filesystem.sync()
    atomic.replace(os.fsencode(path), b"new")
    copy = tmp_path / "copy"
    copy.write_bytes(filesystem.image.read_bytes())
    where = filesystem.directory / "copied"
    where.mkdir()
    device = attach(copy)
    try:
        sh("btrfstune", "-f", "-m", device)  # two filesystems of one UUID cannot be mounted
        sh("mount", "-o", "ro,rescue=nologreplay", device, where)
        try:
            assert (where / "file").read_text() == "new"
        finally:
            sh("umount", where)
    finally:
        detach(device, copy)
