"""What pacman and rpm answer for, by their real databases on a real volume."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from impermanenced.model import Verdict
from tests.conftest import sh

from .machine import System


def pacman(
    root: Path, name: str, files: dict[str, str], backup: tuple[str, ...] = (), reason: int = 0
) -> None:
    """What pacman writes when it installs a package, after alpm-db-files(5) and alpm-mtree(5)."""
    entry = root / f"var/lib/pacman/local/{name}-1.0-1"
    entry.mkdir(parents=True)
    lines, tree = ["%FILES%"], ["#mtree", "/set type=file uid=0 gid=0 mode=644"]
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
        lines.append(path)
        digest = hashlib.sha256(content.encode()).hexdigest()
        name_in_tree = path.replace(" ", "\\040")
        tree.append(f"./{name_in_tree} time=1700000000.0 size={len(content)} sha256digest={digest}")
    lines += ["", "%BACKUP%"]
    lines += [f"{path}\t{hashlib.md5(files[path].encode()).hexdigest()}" for path in backup]
    (entry / "files").write_text("\n".join(lines) + "\n")
    (entry / "mtree").write_bytes(gzip.compress("\n".join(tree).encode() + b"\n"))
    (entry / "desc").write_text(f"%NAME%\n{name}\n\n%REASON%\n{reason}\n\n%LICENSE%\nMIT\n")


def test_pacman(system: System) -> None:
    pacman(
        system.seed,
        "old",
        {"usr/bin/o d": "o\n", "usr/bin/two": "2\n", "etc/old.conf": "p\n"},
        ("etc/old.conf",),
    )
    pacman(system.seed, "leaving-lib", {"usr/lib/leaving": "l\n"})
    root = system.begin()
    pacman(root, "fresh", {"usr/bin/fresh": "f\n"})
    pacman(root, "fresh-lib", {"usr/lib/fresh": "f\n"}, reason=1)
    sh("rm", "-r", root / "var/lib/pacman/local/leaving-lib-1.0-1", root / "usr/lib/leaving")
    (root / "etc/old.conf").write_text("edited\n")
    (root / "usr/bin/o d").write_text("broken\n")
    os.utime(root / "usr/bin/two", (1, 1))
    found = system.findings()
    assert found["/usr/bin/fresh"][2] == "fresh"
    assert found["/usr/lib/leaving"][1] == "the package leaving-lib was removed"
    assert found["/etc/old.conf"][1] == "configuration of the package old, not as packaged"
    assert found["/usr/bin/o d"][1] == "belongs to the package old, but is not as packaged"
    assert found["/usr/bin/two"][0] is Verdict.REGENERATED
    (root / "var/lib/pacman/local/old-1.0-1/mtree").write_bytes(b"no gzip")
    with system.packages() as packages:
        assert (packages.installed, packages.brought) == ({"fresh", "fresh-lib"}, {"fresh-lib"})
        packages.learn(system.differences())
        assert packages.faults == ["/var/lib/pacman/local/old-1.0-1/mtree cannot be decompressed"]


def rpm(work: Path, root: Path, name: str, files: dict[str, str], config: str = "") -> None:
    work.mkdir(exist_ok=True)
    spec = work / f"{name}.spec"
    install = "\n".join(
        f"mkdir -p %{{buildroot}}/{os.path.dirname(path)}; echo {content} > %{{buildroot}}/{path}"
        for path, content in files.items()
    )
    listed = "\n".join(f"{'%config ' if path == config else ''}/{path}" for path in files)
    spec.write_text(
        f"Name: {name}\nVersion: 1\nRelease: 1\nSummary: t\nLicense: MIT\nBuildArch: noarch\n"
        f"%description\nt\n%install\n{install}\n%files\n{listed}\n"
    )
    sh("rpmbuild", "-bb", "--define", f"_topdir {work}/rpm", spec)
    package = work / f"rpm/RPMS/noarch/{name}-1-1.noarch.rpm"
    sh("rpm", "--root", root, "--dbpath", "/usr/lib/sysimage/rpm", "--install", "--nodeps", package)


def test_rpm(system: System) -> None:
    rpm(
        system.work,
        system.seed,
        "old",
        {"usr/bin/old": "o", "etc/old.conf": "p", "usr/bin/two": "2"},
        "etc/old.conf",
    )
    root = system.begin()
    rpm(system.work, root, "fresh", {"usr/bin/fresh": "f"})
    (root / "etc/old.conf").write_text("edited\n")
    (root / "usr/bin/old").write_text("broken\n")
    os.utime(root / "usr/bin/two", (1, 1))
    found = system.findings()
    assert found["/usr/bin/fresh"][2] == "fresh"
    assert found["/etc/old.conf"][1] == "configuration of the package old, not as packaged"
    assert found["/usr/bin/old"][1] == "belongs to the package old, but is not as packaged"
    assert found["/usr/bin/two"][0] is Verdict.REGENERATED


def test_rpm_without_its_program_says_so(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    rpm(system.work, system.seed, "old", {"usr/bin/old": "o"})
    system.begin()
    monkeypatch.setenv("PATH", "/nowhere")
    with system.packages() as packages:
        assert packages.faults == ["rpm: not found"]
        assert packages.installed == set()
