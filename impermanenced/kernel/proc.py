"""What /proc still knows of a process.  Everything here is bounded, and a process may be gone at any line.

`comm`, the target of `exe` and the cgroup's path are bytes that the process (or its user) chose: they
describe, they do not identify.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_COMM_MAX = 64  # TASK_COMM_LEN is 16; kernel threads show up to 64
_CGROUP_MAX = 16384  # several hierarchies, each path up to PATH_MAX
_STATUS_MAX = 8192
_UID = re.compile(rb"^Uid:\s+\d+\s+(\d+)", re.MULTILINE)
# systemd.unit(5): the characters of unit names, at most 255 of them.  Slices hold units and are not writers.
_UNIT = re.compile(rb"[A-Za-z0-9:_.\\@-]{1,247}\.(?:service|scope|socket|mount|swap)")
_USER_SLICE = re.compile(rb"user-\d+\.slice")
_USER_MANAGER = re.compile(r"user@\d+\.service")
_SESSION = re.compile(r"session-[A-Za-z0-9]+\.scope")
# What docker, podman, cri-o, containerd and systemd-nspawn have their containers called.
_CONTAINER = re.compile(
    r"(?:docker|libpod|libpod-payload|crio|cri-containerd)-[0-9a-f]{12,64}\.scope"
    r"|(?:machine-|systemd-nspawn@).+\.(?:scope|service)"
)


class Process(NamedTuple):
    """Empty bytes and None stand for what could not be read."""

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
    return _read(pid, "comm", _COMM_MAX).removesuffix(b"\n")


def exe(pid: int) -> bytes:
    """Path of the program as its mount namespace shows it; `(deleted)` stays, it is what the kernel says."""
    try:
        return os.readlink(b"/proc/%d/exe" % pid)
    except OSError:  # gone, a kernel thread, or CAP_SYS_PTRACE is missing
        return b""


def cgroup(pid: int) -> bytes:
    """Path in the unified hierarchy, or in systemd's own one where that is how cgroups are mounted."""
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
    """The effective one: what a new file belongs to, unless something else was asked of the kernel."""
    match = _UID.search(_read(pid, "status", _STATUS_MAX))
    return int(match[1]) if match else None


def look_up(pid: int) -> Process | None:
    """None: there is no such process any more (or it is not to be seen from here)."""
    if pid <= 0:
        return None
    # What an exiting process loses first is asked first: a zombie has no program any more, but a cgroup.
    program, group = exe(pid), cgroup(pid)
    process = Process(comm(pid), program, group, uid(pid))
    return process if process.comm or program or group else None


class Unit(NamedTuple):
    """Both empty where there is none.  `kind` says whose it is:

    system     a unit of the system's manager
    user       one of a user's manager; its name is that user's to choose
    session    a login
    container  a container, or a virtual machine, with a unit of its own
    """

    kind: str
    name: str


NOBODYS = Unit("", "")


def _unit_in(parts: Iterator[bytes]) -> tuple[str, list[bytes]]:
    """The first part that is no slice, if it is a unit, and the slices before it.

    systemd puts `_` before names the kernel took.
    """
    slices: list[bytes] = []
    for part in parts:
        name = part.removeprefix(b"_")
        if not name.endswith(b".slice"):
            return name.decode("ascii") if _UNIT.fullmatch(name) else "", slices
        slices.append(name)
    return "", slices


def unit_of(path: bytes) -> Unit:
    """The unit that a cgroup belongs to; inside a user's manager, that manager's unit.

    The outermost unit counts: what lies below it is its own to name, and a service could call a group there
    `sshd.service`.  A user's unit may have the name of a system's: its kind tells them apart.
    """
    parts = iter(path[:_CGROUP_MAX].strip(b"/").split(b"/"))
    name, slices = _unit_in(parts)
    if not name:
        return NOBODYS
    in_user = len(slices) == 2 and slices[0] == b"user.slice" and bool(_USER_SLICE.fullmatch(slices[1]))
    if in_user and _USER_MANAGER.fullmatch(name):
        return Unit("user", _unit_in(parts)[0] or name)
    if in_user and _SESSION.fullmatch(name):
        return Unit("session", name)
    if _CONTAINER.fullmatch(name) or (slices[:1] == [b"machine.slice"] and name.endswith(".scope")):
        return Unit("container", name)
    return Unit("system", name)
