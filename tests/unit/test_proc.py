from __future__ import annotations

import os
import subprocess

import pytest

from impermanenced.kernel import proc


def test_this_process() -> None:
    process = proc.look_up(os.getpid())
    assert process is not None
    assert process.exe == os.fsencode(os.path.realpath("/proc/self/exe"))
    assert process.uid == os.geteuid()
    assert process.comm


def test_a_process_that_has_gone() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert proc.look_up(child.pid) is None
    assert proc.look_up(0) is None
    assert proc.look_up(-1) is None


HEX = b"0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "kind", "unit"),
    [
        (b"/system.slice/foo.service", "system", "foo.service"),
        (b"/system.slice/system-getty.slice/getty@tty1.service", "system", "getty@tty1.service"),
        (b"/init.scope", "system", "init.scope"),
        (b"/system.slice/dev-disk-by\\x2duuid-1.swap", "system", "dev-disk-by\\x2duuid-1.swap"),
        (b"/system.slice/_cgroup.service", "system", "cgroup.service"),
        (b"/user.slice/user-1000.slice/session-3.scope", "session", "session-3.scope"),
        (b"/user.slice/user-1000.slice/session-c1.scope", "session", "session-c1.scope"),
        (b"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "user", "x.service"),
        (b"/user.slice/user-1000.slice/user@1000.service/init.scope", "user", "init.scope"),
        (b"/user.slice/user-1000.slice/user@1000.service", "user", "user@1000.service"),
        (b"/system.slice/docker-" + HEX + b".scope/init.scope", "container", f"docker-{HEX.decode()}.scope"),
        (b"/machine.slice/libpod-" + HEX + b".scope/container", "container", f"libpod-{HEX.decode()}.scope"),
        (b"/machine.slice/machine-qemu\\x2d1.scope/libvirt", "container", "machine-qemu\\x2d1.scope"),
        (b"/machine.slice/systemd-nspawn@web.service/payload", "container", "systemd-nspawn@web.service"),
        (
            b"/kubepods.slice/kubepods-besteffort.slice/cri-containerd-" + HEX + b".scope",
            "container",
            f"cri-containerd-{HEX.decode()}.scope",
        ),
        # A delegated service names what is below it as it likes: the outermost unit counts.
        (b"/system.slice/evil.service/sshd.service", "system", "evil.service"),
        # And so does a user's manager: it cannot become one of the system, a session, or a container.
        (b"/user.slice/user-1000.slice/user@1000.service/sshd.service", "user", "sshd.service"),
        (b"/user.slice/user-1000.slice/user@1000.service/system.slice/sshd.service", "user", "sshd.service"),
        (b"/user.slice/user-1000.slice/user@1000.service/session-1.scope", "user", "session-1.scope"),
        (
            b"/user.slice/user-1000.slice/user@1000.service/docker-" + HEX + b".scope",
            "user",
            f"docker-{HEX.decode()}.scope",
        ),
        (b"/user.slice/user-1000.slice/user@1000.service/evil\nUNIT=1", "user", "user@1000.service"),
        # Names of a login where no login is.
        (b"/system.slice/session-3.scope", "system", "session-3.scope"),
        (b"/system.slice/user@1000.service/x.service", "system", "user@1000.service"),
        (b"/system.slice/docker-evil.scope", "system", "docker-evil.scope"),
        (b"/docker/" + HEX, "", ""),
        (b"/", "", ""),
        (b"", "", ""),
        (b"/../../system.slice/sshd.service", "", ""),
        (b"/system.slice/evil\nMESSAGE=1.service", "", ""),
        (b"/system.slice/\x1b[31m.service", "", ""),
        (b"/system.slice/\xff\xff.service", "", ""),
        (b"/system.slice/" + b"x" * 300 + b".service", "", ""),
        (b"/x.slice" * 5000, "", ""),
    ],
)
def test_unit_of(path: bytes, kind: str, unit: str) -> None:
    assert proc.unit_of(path) == (kind, unit)
