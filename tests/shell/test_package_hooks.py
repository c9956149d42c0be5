"""The hooks that tell of what was installed in the running system, run by pacman and by dnf."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.conftest import sh

PACKAGING = Path(__file__).parent.parent.parent / "packaging"
NOTICE = "not as in the blank: hello"
# Our program, which has nothing to compare here.
PROGRAM = f'#!/bin/sh\n[ "$*" = "update --notice" ] && echo "{NOTICE}" && echo called >> {{called}}\n'
PKGINFO = """pkgname = hello
pkgver = 1-{release}
pkgdesc = t
url = http://localhost
builddate = 1700000000
packager = t
size = 6
arch = any
license = MIT
"""
# Debian 12's calls a function by the name that an older SWIG would have given it.
PLUGIN = Path("/usr/lib/python3/dist-packages/dnf-plugins/post-transaction-actions.py")
OLD, NEW = "ConfigParser_substitute", "ConfigParser.substitute"
SPEC = """Name: {name}
Version: 1
Release: 1
Summary: t
License: MIT
BuildArch: noarch
%description
t
%files
"""


def pacman_package(directory: Path, release: int) -> Path:
    path = directory / f"hello-1-{release}-any.pkg.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in ((".PKGINFO", PKGINFO.format(release=release)), ("opt/hello", f"hello{release}")):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def test_pacman_calls_it_once_for_each_transaction(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("var/lib/pacman", "usr/bin", "usr/share/libalpm", "bin"):
        (root / name).mkdir(parents=True)
    shutil.copytree(PACKAGING / "pacman", root / "usr/share/libalpm/hooks")
    shutil.copy("/bin/busybox", root / "bin/sh")
    program = root / "usr/bin/impermanence"
    program.write_text(PROGRAM.format(called="/called"))
    program.chmod(0o755)
    (tmp_path / "pacman.conf").write_text("[options]\nArchitecture = auto\nSigLevel = Never\n")

    def pacman(*words: str | Path) -> str:
        argv: list[str | Path] = ["pacman", "--config", tmp_path / "pacman.conf", "--root", root]
        return sh(*argv, "--noconfirm", "--hookdir", root / "usr/share/libalpm/hooks", *words)

    steps: list[tuple[str | Path, ...]] = [
        ("--upgrade", pacman_package(tmp_path, 1)),
        ("--upgrade", pacman_package(tmp_path, 2)),
        ("--remove", "hello"),
    ]
    for number, words in enumerate(steps, 1):
        assert NOTICE in pacman(*words)
        assert (root / "called").read_text() == "called\n" * number


def rpm(directory: Path, name: str) -> Path:
    spec = directory / f"{name}.spec"
    spec.write_text(SPEC.format(name=name))
    sh("rpmbuild", "-bb", "--define", f"_topdir {directory}/rpm", spec)
    return directory / f"rpm/RPMS/noarch/{name}-1-1.noarch.rpm"


def test_dnf_calls_it_once_for_each_transaction(tmp_path: Path) -> None:
    """It calls it by its path in the running system: there it lies in a mount namespace of this test's."""
    called, above = tmp_path / "called", tmp_path / "above"
    (tmp_path / "actions").mkdir()
    shutil.copy(PACKAGING / "dnf/impermanence.action", tmp_path / "actions")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/post-transaction-actions.conf").write_text(
        f"[main]\nenabled = 1\nactiondir = {tmp_path}/actions/\n"
    )
    (tmp_path / "plugins" / PLUGIN.name).write_text(PLUGIN.read_text().replace(OLD, NEW))
    (tmp_path / "dnf.conf").write_text(
        f"[main]\npluginpath = {tmp_path}/plugins\n"
        f"gpgcheck = 0\nreposdir = {tmp_path}\nplugins = 1\npluginconfpath = {tmp_path}/plugins\n"
        f"cachedir = {tmp_path}/cache\nlogdir = {tmp_path}\npersistdir = {tmp_path}/persist\n"
    )
    program = tmp_path / "impermanence"
    program.write_text(PROGRAM.format(called=called))
    program.chmod(0o755)
    above.mkdir()
    script = (
        f"mount -t tmpfs none {above} && mkdir {above}/upper {above}/work && cp {program} {above}/upper"
        f" && mount -t overlay -o lowerdir=/usr/bin,upperdir={above}/upper,workdir={above}/work none /usr/bin"
        ' && exec "$@"'
    )

    def dnf(*words: str | Path) -> str:
        argv: list[str | Path] = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        argv += ["dnf", "--disableplugin=*", "--enableplugin=post-transaction-actions", "--assumeyes"]
        argv += [f"--config={tmp_path}/dnf.conf", f"--installroot={tmp_path}/root", "--releasever=1"]
        done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert NOTICE in dnf("install", rpm(tmp_path, "hello"), rpm(tmp_path, "goodbye"))
    assert called.read_text() == "called\n", "once, whatever the number of packages"
    assert NOTICE in dnf("remove", "hello")
    assert called.read_text() == "called\n" * 2
