"""What /proc still knows of a process.  Every read is bounded, and the process may end between any two.

`comm`, the target of `exe` and the cgroup's path are bytes that the process (or its user) chose: they
describe, they do not identify.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..lazy import NamedTuple, regex

_COMM_MAX = 64  # TASK_COMM_LEN is 16; kernel threads show up to 64
_CGROUP_MAX = 16384  # several hierarchies, each path up to PATH_MAX
_STATUS_MAX = 8192
_TICKS = os.sysconf("SC_CLK_TCK")  # a second
_UID = regex(rb"^Uid:\s+\d+\s+(\d+)", re.MULTILINE)
# systemd.unit(5): the characters of unit names, at most 255 of them.  Slices hold units and are not writers.
_UNIT = regex(rb"[A-Za-z0-9:_.\\@-]{1,247}\.(?:service|scope|socket|mount|swap)")
_USER_SLICE = regex(rb"user-\d+\.slice")
_USER_MANAGER = regex(r"user@\d+\.service")
_SESSION = regex(r"session-[A-Za-z0-9]+\.scope")
# The names that docker, podman, cri-o, containerd and systemd-nspawn give to their containers.
_CONTAINER = regex(
    r"(?:docker|libpod|libpod-payload|crio|cri-containerd)-[0-9a-f]{12,64}\.scope"
    r"|(?:machine-|systemd-nspawn@).+\.(?:scope|service)"
)


class Process(NamedTuple):
    """What was read of a process; empty bytes and None stand for what could not be read."""

    comm: bytes
    exe: bytes
    cgroup: bytes
    uid: int | None


def _read(pid: int, name: str, limit: int) -> bytes:
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, limit)
    except OSError:  # ESRCH: it ended between open and read
        return b""
    finally:
        os.close(fd)


def comm(pid: int) -> bytes:
    """Return the name of the process, or b"" if it cannot be read."""
    return _read(pid, "comm", _COMM_MAX).removesuffix(b"\n")


def exe(pid: int) -> bytes:
    """Return the program's path as its mount namespace shows it, or b"" if it cannot be read.

    The kernel adds ` (deleted)` to the path of a deleted program, and that stays.
    """
    try:
        return os.readlink(b"/proc/%d/exe" % pid)
    except OSError:  # gone, a kernel thread, or CAP_SYS_PTRACE is missing
        return b""


def cgroup(pid: int) -> bytes:
    """Return the path in the unified hierarchy, or in systemd's own one where cgroups are mounted
    that way.
    """
    named = b""
    for line in _read(pid, "cgroup", _CGROUP_MAX).split(b"\n"):
        number, _, rest = line.partition(b":")
        controllers, _, path = rest.partition(b":")
        if number == b"0" and path not in (b"", b"/"):
            return path
        if controllers == b"name=systemd":
            named = path
    return named


def uid(pid: int) -> int | None:
    """Return the effective uid, to which a new file belongs unless the process asked for another owner."""
    match = _UID.search(_read(pid, "status", _STATUS_MAX))
    return int(match[1]) if match else None


def processor(pid: int) -> float:
    """Return the seconds of processor time that a process has taken, with its children that it waited for."""
    after_name = _read(pid, "stat", _STATUS_MAX).rpartition(b")")[2].split()
    # utime, stime, cutime and cstime of proc_pid_stat(5), of which the first field here is the third
    return sum(map(int, after_name[11:15])) / _TICKS


def look_up(pid: int) -> Process | None:
    """Return what is known of a process, or None if it is gone (or cannot be seen from here)."""
    if pid <= 0:
        return None
    # An exiting process loses its program first, so that is read first: a zombie still has a cgroup.
    program, group = exe(pid), cgroup(pid)
    process = Process(comm(pid), program, group, uid(pid))
    return process if process.comm or program or group else None


class Unit(NamedTuple):
    """A unit and whose it is; both fields are empty where there is none.  The kinds:

    system     a unit of the system's manager
    user       one of a user's manager; its name is that user's to choose
    session    a login
    container  a container, or a virtual machine, with a unit of its own
    """

    kind: str
    name: str


NO_UNIT = Unit("", "")


def _unit_in(parts: Iterator[bytes]) -> tuple[str, list[bytes]]:
    """Return the first part that is no slice (or "" if it is no unit), and the slices before it.

    systemd puts `_` before names that the kernel uses itself.
    """
    slices: list[bytes] = []
    for part in parts:
        name = part.removeprefix(b"_")
        if not name.endswith(b".slice"):
            return name.decode("ascii") if _UNIT.fullmatch(name) else "", slices
        slices.append(name)
    return "", slices


def unit_of(path: bytes) -> Unit:
    """Return the unit that a cgroup belongs to; inside a user's manager, that manager's unit.

    The outermost unit counts: whatever lies below it got its name from that unit, and a service could call
    a group there `sshd.service`.  A user's unit may have the name of a system's: its kind tells them apart.
    """
    parts = iter(path[:_CGROUP_MAX].strip(b"/").split(b"/"))
    name, slices = _unit_in(parts)
    if not name:
        return NO_UNIT
    in_user = len(slices) == 2 and slices[0] == b"user.slice" and bool(_USER_SLICE.fullmatch(slices[1]))
    if in_user and _USER_MANAGER.fullmatch(name):
        return Unit("user", _unit_in(parts)[0] or name)
    if in_user and _SESSION.fullmatch(name):
        return Unit("session", name)
    if _CONTAINER.fullmatch(name) or (slices[:1] == [b"machine.slice"] and name.endswith(".scope")):
        return Unit("container", name)
    return Unit("system", name)
