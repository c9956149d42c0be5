from __future__ import annotations

import os
import subprocess

import pytest

from impermanenced.kernel import procs


def test_this_process() -> None:
    process = procs.look_up(os.getpid())
    assert process is not None
    assert process.exe == os.fsencode(os.path.realpath("/proc/self/exe"))
    assert process.uid == os.geteuid()
    assert process.comm


def test_a_process_that_has_gone() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert procs.look_up(child.pid) is None
    assert procs.look_up(0) is None
    assert procs.look_up(-1) is None


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        (b"/system.slice/foo.service", "foo.service"),
        (b"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        (b"/init.scope", "init.scope"),
        (b"/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        (b"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "x.service"),
        (b"/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope"),
        (b"/user.slice/user-1000.slice/user@1000.service", "user@1000.service"),
        (b"/system.slice/docker-0123abc.scope/init.scope", "docker-0123abc.scope"),
        (b"/system.slice/dev-disk-by\\x2duuid-1.swap", "dev-disk-by\\x2duuid-1.swap"),
        (b"/system.slice/_cgroup.service", "cgroup.service"),
        # A delegated service names what is below it as it likes: the outermost unit counts.
        (b"/system.slice/evil.service/sshd.service", "evil.service"),
        (b"/", ""),
        (b"", ""),
        (b"/../../system.slice/sshd.service", ""),
        (b"/system.slice/evil\nMESSAGE=1.service", ""),
        (b"/system.slice/\x1b[31m.service", ""),
        (b"/system.slice/\xff\xff.service", ""),
        (b"/system.slice/" + b"x" * 300 + b".service", ""),
        (b"/x.slice" * 5000, ""),
    ],
)
def test_unit_of(path: bytes, unit: str) -> None:
    assert procs.unit_of(path) == unit
