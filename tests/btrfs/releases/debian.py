"""A small Debian: the real dpkg and apt of this machine, with what they need, and packages made here."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.conftest import sh

_PROGRAMS = """
    /bin/sh /sbin/ldconfig /usr/sbin/start-stop-daemon
    /usr/bin/rm /usr/bin/tar /usr/bin/cat /usr/bin/ls /usr/bin/mkdir /usr/bin/touch /usr/bin/test /usr/bin/id
    /usr/bin/diff /usr/bin/dd /usr/bin/sleep /usr/bin/cp /usr/bin/ln
    /usr/bin/dpkg /usr/bin/dpkg-deb /usr/bin/dpkg-split /usr/bin/dpkg-query /usr/bin/apt-get /usr/bin/apt-mark
    /usr/lib/apt/methods/file /usr/lib/apt/methods/http /usr/lib/apt/methods/store /usr/lib/apt/methods/copy
"""
CACHE = "var/cache/apt/archives"
_DIRECTORIES = f"""
    etc/apt/apt.conf.d etc/apt/preferences.d dev proc sys run root mnt boot {CACHE}/partial
    var/lib/apt/lists/partial var/log/apt var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers
"""
_LIBRARY = re.compile(r"(/\S+) \(0x")


def plant(root: Path) -> None:
    """Fill the root of a system that has dpkg, apt and an empty database."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    programs = map(Path, _PROGRAMS.split())
    wanted = {program.resolve() if program.name == "sh" else program for program in programs}
    libraries = {line for program in wanted for line in _LIBRARY.findall(sh("ldd", program))}
    for file in {*wanted, *map(Path, libraries)}:
        target = root / "usr" / str(file).removeprefix("/").removeprefix("usr/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file.resolve(), target)
    (root / "usr/bin/sh").symlink_to("dash")
    for directory in _DIRECTORIES.split():
        (root / directory).mkdir(parents=True, exist_ok=True)
    shutil.copytree("/usr/share/dpkg", root / "usr/share/dpkg")
    (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\n_apt:x:42:65534::/nonexistent:/bin/false\n"
    )
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/fstab").write_text("# nothing\n")
    (root / "etc/settings").write_text("".join(f"line {number}\n" for number in range(20)))
    (root / "etc/apt/apt.conf.d/sandbox").write_text('APT::Sandbox::User "root";\nDir::Bin::solvers "";\n')
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:/{CACHE}/repository ./\n")


def package(
    directory: Path, name: str, version: str = "1", *, files: dict[str, str] | None = None, postinst: str = ""
) -> Path:
    """Make a package, and return its file."""
    tree = directory / f"tree-{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@b>\nDescription: {name}\n"
    )
    (tree / "DEBIAN/control").write_text(control)
    if postinst:
        (tree / "DEBIAN/postinst").write_text(f"#!/bin/sh\nset -e\n{postinst}\n")
        (tree / "DEBIAN/postinst").chmod(0o755)
    for path, content in (files or {f"usr/share/{name}/version": version}).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    target = directory / f"{name}_{version.replace(':', '%3a')}_all.deb"
    sh("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, target)
    return target


def publish(root: Path, *packages: Path) -> None:
    """Make a repository of these packages, which apt in the system finds."""
    repository = root / CACHE / "repository"
    repository.mkdir(exist_ok=True)
    for file in packages:
        shutil.copy2(file, repository)
    (repository / "Packages").write_text(sh("dpkg-scanpackages", "--multiversion", ".", cwd=repository))
