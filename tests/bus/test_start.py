"""The program before the daemon: its mark, who waits for it, and what the daemon does with it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from impermanenced.kernel import mounts
from impermanenced.watch.mark import adopt_fanotify, open_fanotify

from .. import chroot
from ..conftest import Filesystem, sh
from ..shell.hook import built
from .conftest import Bus, Daemon, Machine, fetch

OWN = os.getpriority(os.PRIO_PROCESS, 0)  # of whoever runs the tests
# What the program has handed over, in a system whose root is a volume; "-" for a socket: there is none.
SHOW = """
import json, os
names = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "IMPERMANENCED_NICE")
group = open("/proc/self/autogroup").read().split() if os.path.exists("/proc/self/autogroup") else ["0"]
print(json.dumps({
    "pid": os.getpid(),
    "descriptor": open("/proc/self/fdinfo/3").read() if os.path.exists("/proc/self/fd/3") else "",
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "group": int(group[-1]),
    "deaf": bool(int(open("/proc/self/status").read().partition("SigIgn:")[2].split()[0], 16) & 1),
    **{name: os.environ.get(name) for name in names},
}))
"""
RUN = f"""
import os, sys
os.environ.pop("NOTIFY_SOCKET", None)
if sys.argv[2] != "-":
    os.environ["NOTIFY_SOCKET"] = sys.argv[2]
os.setsid()
program = "/usr/bin/python3"
os.execv("/usr/bin/env", ["env", *sys.argv[3:], sys.argv[1], program, "-c", {SHOW!r}])
"""


def started(root: Path, directory: Path, notify: str, *before: str) -> Any:
    start = str(built("impermanenced-start"))
    result = chroot.python(root, directory, "", RUN, start, notify, *before)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def of_the_mark(shown: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith("fanotify ")]


def marked(device: str) -> list[str]:
    """What proc(5) shows of a mark of our own."""
    top = mounts.open_top_level(os.fsencode(device))
    fan = open_fanotify(top)
    try:
        return of_the_mark(Path(f"/proc/self/fdinfo/{fan}").read_text())
    finally:
        os.close(fan)
        os.close(top)


@pytest.mark.parametrize("abstract", [False, True])
def test_the_mark_is_that_of_the_daemon(machine: Machine, tmp_path: Path, abstract: bool) -> None:
    """A watchdog is patient until the daemon says more, and a reload does not end what is not loaded yet."""
    name = f"\0{tmp_path}" if abstract else os.fspath(machine.mountpoint / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(name)
        notify.setblocking(False)
        watchdog = [] if abstract else ["WATCHDOG_USEC=60000000"]
        shown = started(machine.mountpoint, tmp_path, f"@{tmp_path}" if abstract else "/notify", *watchdog)
        said, *more = notify.recv(100).decode().splitlines()
        assert said == "READY=1" and more == ([] if abstract else ["WATCHDOG_USEC=600000000"])
    assert shown["deaf"], "to SIGHUP"
    assert of_the_mark(shown["descriptor"]) == marked(machine.filesystem.device)
    assert shown["LISTEN_PID"] == str(shown["pid"])
    assert (shown["LISTEN_FDS"], shown["LISTEN_FDNAMES"]) == ("1", "fanotify")


@pytest.mark.parametrize("limit", [0, 20])
def test_it_stays_behind_the_boot_only_if_it_may_come_back(
    machine: Machine, tmp_path: Path, limit: int
) -> None:
    """Without CAP_SYS_NICE, as in its unit: where LimitNICE= is missing it would stay behind for ever."""
    limited = ["prlimit", f"--nice={limit}:{limit}"]
    if subprocess.run([*limited, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"needs CAP_SYS_RESOURCE for a limit of {limit}; vm-tests/full/test_watch.py has it")
    without = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]
    shown = started(machine.mountpoint, tmp_path, "-", *limited, *without)
    assert shown["descriptor"], "it has a mark"
    assert (shown["nice"], shown["IMPERMANENCED_NICE"]) == ((19, str(OWN)) if limit else (OWN, None))


def test_where_the_root_is_no_btrfs_it_leaves_all_to_the_daemon(tmp_path: Path) -> None:
    """Nobody is told that it is ready, and nothing holds up the daemon, for which logins then wait."""
    root = tmp_path / "root"
    root.mkdir()
    sh("mount", "-t", "tmpfs", "tmpfs", root)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(os.fspath(root / "notify"))
            notify.setblocking(False)
            shown = started(root, tmp_path, "/notify")
            with pytest.raises(BlockingIOError):
                notify.recv(100)
    finally:
        sh("umount", root)
    assert (shown["LISTEN_FDS"], shown["nice"], shown["IMPERMANENCED_NICE"]) == (None, OWN, None)
    assert not shown["deaf"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "usage: impermanenced-start PROGRAM [ARGUMENT...]"),
        (["/nowhere/x"], 127, "impermanenced-start: /nowhere/x: No such file or directory"),
    ],
)
def test_what_it_cannot_do(arguments: list[str], status: int, said: str) -> None:
    result = subprocess.run(
        [built("impermanenced-start"), *arguments], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (status, said + "\n")


# Mark as the program does, write as another process that lives until the daemon ends, become the daemon.
SHIM = """
import fcntl, os, sys
from impermanenced.kernel import mounts
from impermanenced.watch.mark import open_fanotify
device, path, *program = sys.argv[1:]
fan = open_fanotify(mounts.open_top_level(os.fsencode(device)))
until, end = os.pipe()
wrote, writes = os.pipe()
if os.fork() == 0:
    os.close(end)
    with open(path, "w") as file:
        file.write("x" * 1000)
    os.write(writes, b"x")
    os.read(until, 1)
    os._exit(0)
os.read(wrote, 1)
fcntl.fcntl(end, fcntl.F_DUPFD, 10)
os.dup2(fan, 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="fanotify")
os.execv(program[0], program)
"""


@pytest.mark.parametrize("other", [False, True])
def test_what_was_written_before_the_daemon_is_its_writers(
    bus: Bus, machine: Machine, tmp_path: Path, other: bool
) -> None:
    """A mark on another filesystem is not taken for one on this; then nobody knows that writer."""
    path = machine.mountpoint / "etc/early"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    filesystem = Filesystem(elsewhere) if other else None
    try:
        shim = [sys.executable, "-c", SHIM, filesystem.device if filesystem else machine.filesystem.device]
        daemon = Daemon(bus, tmp_path, "--config", machine.config, command=[*shim, os.fspath(path)])
        try:
            daemon.wait_ready()
            entries = {entry["path"]: entry for entry in fetch(bus, machine.config)["entries"]}
            writer = entries["/etc/early"]["writer"]
            held = [os.readlink(fd) for fd in Path(f"/proc/{daemon.process.pid}/fd").iterdir()]
        finally:
            assert daemon.stop() == 0, daemon.output()
    finally:
        if filesystem:
            filesystem.close()
    assert held.count("anon_inode:[fanotify]") == 1
    assert (writer is None) if other else (writer["comm"].startswith("python") and writer["uid"] == 0)


def test_a_descriptor_of_something_else_is_closed(machine: Machine) -> None:
    top = mounts.open_top_level(os.fsencode(machine.filesystem.device))
    try:
        fd = os.open("/dev/null", os.O_RDONLY)
        assert not adopt_fanotify(fd, top)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        assert not adopt_fanotify(fd, top), "nor is one that is not there"
    finally:
        os.close(top)


def test_it_comes_forward_again() -> None:
    program = (
        "import os; from impermanenced.daemon.begun import GROUP, come_forward\n"
        "os.setsid()\n"
        "os.setpriority(os.PRIO_PROCESS, 0, 19)\n"
        "if os.path.exists(GROUP): open(GROUP, 'w').write('19')\n"
        "come_forward('0')\n"
        "print(os.getpriority(os.PRIO_PROCESS, 0), open(GROUP).read() if os.path.exists(GROUP) else 'nice 0')"
    )
    nice, *_, group = sh(sys.executable, "-c", program).split()
    assert (nice, group) == ("0", "0")
