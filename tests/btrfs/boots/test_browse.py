"""An old root as a directory, for a shell alone or by systemd."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from impermanenced.cli.commands import browse
from impermanenced.errors import ImpermanenceError
from tests.btrfs.users import as_nobody
from tests.conftest import sh

from .lives import live, writes
from .machine import Machine

LOOK = """#!/bin/sh
pwd
cat etc/a
touch etc/new 2>&1
ls srv
grep -c /run/impermanence/boots/1 /proc/self/mountinfo
id -u
cat etc/secret 2>&1
"""


@pytest.fixture
def lived(machine: Machine) -> Machine:
    def life(root: Path) -> None:
        (root / "etc/a").write_text("one\n")
        (root / "etc/secret").write_text("secret\n")
        (root / "etc/secret").chmod(0o600)
        sh("btrfs", "subvolume", "create", root / "srv")
        (root / "srv/nested").touch()

    live(machine, [life, writes()])
    return machine


def shell(machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    script = directory / "look"
    script.write_text(LOOK)
    script.chmod(0o755)
    monkeypatch.setenv("SHELL", os.fspath(script))
    before = Path("/proc/self/mountinfo").read_text()
    result = machine.run("browse", "--shell", "1")
    assert result.returncode == 0 or "Permission denied" in result.stdout, result.stderr
    assert Path("/proc/self/mountinfo").read_text() == before  # it went with the shell
    assert not os.path.exists("/run/impermanence/boots/1")
    return result.stdout.splitlines()


def test_a_shell_alone_sees_it(lived: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where, content, written, nested, mounts, uid, secret = shell(lived, tmp_path, monkeypatch)
    assert (where, content, nested, mounts) == ("/run/impermanence/boots/1", "one", "nested", "1")
    assert "Read-only file system" in written
    assert (uid, secret) == ("0", "secret")


def test_by_systemd(lived: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program of systemd is asked for an automount that ends by itself."""
    recorder = tmp_path / "bin/systemd-mount"
    recorder.parent.mkdir()
    recorder.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/argv\n')
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{recorder.parent}:{os.environ['PATH']}")
    assert lived.say("browse", "1") == "/run/impermanence/boots/1\n"
    argv = (tmp_path / "argv").read_text().splitlines()
    (root,) = lived.filesystem.top.glob("old_roots/1-*")
    number = sh("btrfs", "inspect-internal", "rootid", root).strip()
    assert {"--automount=yes", "--timeout-idle-sec=10min", "--collect"} <= set(argv)
    assert f"--options=ro,nosuid,nodev,noexec,noatime,subvolid={number}" in argv
    assert argv[-2:] == [lived.filesystem.device, "/run/impermanence/boots/1"]


def test_without_systemd(lived: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "bin/systemd-mount"
    failing.parent.mkdir()
    failing.write_text("#!/bin/sh\necho nobody is there >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{failing.parent}:{os.environ['PATH']}")
    message = lived.refused(1, "browse", "1")
    assert "nobody is there" in message and "--shell needs no systemd" in message


def test_who_comes_by_sudo_sees_what_is_theirs(
    lived: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell is the caller's own, with no more than the caller's permissions."""
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setenv("SUDO_UID", str(nobody.pw_uid))
    assert browse._shell()[-1] == nobody.pw_shell
    shown = sh(*browse._shell()[:-1], "sh", "-c", "id -u; grep CapEff /proc/self/status")
    assert shown.split() == [str(nobody.pw_uid), "CapEff:", "0" * 16]
    monkeypatch.setenv("SUDO_UID", "4294967290")
    with pytest.raises(ImpermanenceError, match="user 4294967290 is not known"):
        browse._shell()


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("9",), 2, "there is no boot 9"),
        (("-9",), 2, "there is no boot -9"),
        (("nonsense",), 2, "there is no boot and no old root nonsense"),
    ],
)
def test_what_makes_no_sense(lived: Machine, argv: tuple[str, ...], code: int, message: str) -> None:
    assert message in lived.refused(code, "browse", *argv)


def test_who_is_not_root(lived: Machine) -> None:
    assert lived.run("browse", "1", wrap=as_nobody()).returncode in (2, 4)
