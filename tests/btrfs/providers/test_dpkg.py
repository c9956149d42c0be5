"""What dpkg answers for, by its real database on a real volume."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from impermanenced.kernel import openat2
from impermanenced.model import Verdict
from impermanenced.report.providers import dpkg as dpkg_database
from impermanenced.report.providers import packages_of
from tests.btrfs.conftest import Volumes
from tests.conftest import sh

from .machine import System


def deb(
    work: Path, name: str, files: dict[str, str], conffiles: tuple[str, ...] = (), version: str = "1"
) -> Path:
    tree = work / f"{name}-{version}"
    sums = []
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            (tree / path).symlink_to(content[3:])
            continue
        (tree / path).write_text(content)
        sums.append(f"{hashlib.md5(content.encode()).hexdigest()}  {path}\n")
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
        "Maintainer: A <a@b.c>\nDescription: for a test\n"
    )
    (tree / "DEBIAN/md5sums").write_text("".join(sums))
    (tree / "DEBIAN/conffiles").write_text("".join(f"/{path}\n" for path in conffiles))
    package = work / f"{name}-{version}.deb"
    sh("dpkg-deb", "--root-owner-group", "--build", tree, package)
    return package


def dpkg(root: Path, *arguments: str | Path) -> None:
    (root / "var/lib/dpkg/info").mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/updates").mkdir(exist_ok=True)
    (root / "var/lib/dpkg/status").touch()
    sh("dpkg", f"--root={root}", "--force-not-root", "--force-bad-path", f"--log={root}/dpkg.log", *arguments)


def test_dpkg(system: System) -> None:
    old = deb(system.work, "old", {
        "usr/bin/old": "old\n", "usr/bin/touched": "t\n", "usr/bin/broken": "b\n", "usr/bin/gone": "g\n",
        "etc/old.conf": "packaged\n", "etc/same.conf": "packaged\n",
    }, ("etc/old.conf", "etc/same.conf"))  # fmt: skip
    leaving = deb(system.work, "leaving", {"usr/share/leaving": "l\n"})
    dpkg(system.seed, "--install", old, leaving)
    root = system.begin()
    fresh = deb(system.work, "fresh", {
        "usr/bin/fresh": "f\n", "etc/fresh/fresh.conf": "packaged\n", "etc/fresh/other.conf": "packaged\n",
        "usr/lib/python3/dist-packages/fresh.py": "x = 1\n", "lib/systemd/system/fresh.service": "[Unit]\n",
    }, ("etc/fresh/fresh.conf", "etc/fresh/other.conf"))  # fmt: skip
    dpkg(root, "--install", fresh)
    dpkg(root, "--purge", "leaving")
    (root / "etc/fresh/fresh.conf").write_text("edited\n")
    (root / "etc/old.conf").write_text("edited\n")
    os.utime(root / "etc/same.conf", (1, 1))
    os.utime(root / "usr/bin/touched", (1, 1))
    (root / "usr/bin/broken").write_text("!\n")
    (root / "usr/bin/gone").unlink()
    (root / "usr/bin/mine").write_text("mine\n")
    (root / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True)
    (root / "etc/systemd/system/multi-user.target.wants/fresh.service").symlink_to(
        "/usr/lib/systemd/system/fresh.service"
    )
    cache = root / "usr/lib/python3/dist-packages/__pycache__"
    cache.mkdir()
    (cache / "fresh.cpython-311.pyc").write_bytes(b"compiled")
    found = system.findings()
    part = (Verdict.CRUD, "part of the package fresh, installed since the blank", "fresh")
    for path in (
        "/usr/bin/fresh", "/etc/fresh", "/etc/fresh/other.conf", "/usr/lib/python3/dist-packages/fresh.py",
        "/usr/lib/python3/dist-packages/__pycache__/fresh.cpython-311.pyc",
        "/lib/systemd/system/fresh.service",
        "/etc/systemd/system/multi-user.target.wants/fresh.service",
    ):  # fmt: skip
        assert found[path] == part, path
    changed = "configuration of the package {}, not as packaged"
    assert found["/etc/fresh/fresh.conf"] == (Verdict.CRUD, changed.format("fresh"), "")
    assert found["/etc/old.conf"] == (Verdict.CRUD, changed.format("old"), "")
    as_packaged = (Verdict.REGENERATED, "as the package old has it, but for its time", "")
    assert found["/etc/same.conf"] == found["/usr/bin/touched"] == as_packaged
    assert found["/usr/bin/broken"][1] == "belongs to the package old, but is not as packaged"
    assert found["/usr/bin/gone"][1] == "belongs to the package old, and was deleted"
    assert found["/usr/share/leaving"] == (Verdict.CRUD, "the package leaving was removed", "leaving")
    assert found["/var/lib/dpkg/status"] == (Verdict.CRUD, "what dpkg knows of the packages", "dpkg")
    assert "/usr/bin/mine" not in found
    assert "/usr/bin/old" not in found


def ucf(root: Path, package: str, path: str, content: str) -> None:
    """Configuration that a package's script makes, and what ucf(1) writes down of it."""
    (root / path).write_text(content)
    books = root / "var/lib/ucf"
    books.mkdir(parents=True, exist_ok=True)
    with open(books / "hashfile", "a") as hashes, open(books / "registry", "a") as registry:
        hashes.write(f"{hashlib.md5(content.encode()).hexdigest()}  /{path}\n")
        registry.write(f"{package} \t /{path}\n")


def test_what_scripts_of_packages_make(system: System) -> None:
    dpkg(system.seed, "--install", deb(system.work, "old", {"etc/old.d/part": "1\n"}))
    ucf(system.seed, "old", "etc/old.conf", "packaged\n")
    root = system.begin()
    dpkg(root, "--install", deb(system.work, "fresh", {"usr/bin/fresh": "f\n", "etc/fresh.d/part": "1\n"}))
    ucf(root, "fresh", "etc/fresh.conf", "packaged\n")
    ucf(root, "fresh", "etc/edited.conf", "packaged\n")
    (root / "etc/edited.conf").write_text("edited\n")
    (root / "etc/old.conf").write_text("edited\n")
    (root / "etc/alternatives").mkdir()
    sh("update-alternatives", "--root", root, "--log", "/dev/null",
       "--install", "/usr/bin/pick", "pick", "/usr/bin/fresh", "10")  # fmt: skip
    (root / "var/lib/apt").mkdir()
    (root / "var/lib/apt/extended_states").write_text(
        "Package: old\nArchitecture: all\nAuto-Installed: 0\n\n"
        "Package: fresh\nArchitecture: all\nAuto-Installed: 1\n\n"
    )
    with system.packages() as packages:
        assert packages.brought == {"fresh"}
    found = system.findings()
    assert found["/etc/fresh.conf"][1:] == ("part of the package fresh, installed since the blank", "fresh")
    assert found["/etc/edited.conf"][1] == "configuration of the package fresh, not as packaged"
    assert found["/etc/old.conf"][1] == "configuration of the package old, not as packaged"
    assert found["/usr/bin/pick"] == (Verdict.CRUD, "made while packages were installed", "dpkg")
    assert found["/etc/alternatives/pick"][2] == "fresh"


def test_an_upgrade_counts_as_installed(system: System) -> None:
    dpkg(system.seed, "--install", deb(system.work, "one", {"usr/bin/one": "1\n"}))
    root = system.begin()
    dpkg(root, "--install", deb(system.work, "one", {"usr/bin/one": "2\n"}, version="2"))
    with system.packages() as packages:
        assert packages.installed == {"one"}
    assert system.findings()["/usr/bin/one"][2] == "one"


def test_a_database_that_was_cut_off_still_answers_and_says_so(system: System) -> None:
    package = deb(system.work, "one", {"usr/bin/one": "1\n", "etc/one.conf": "1\n"}, ("etc/one.conf",))
    dpkg(system.seed, "--install", package)
    root = system.begin()
    status = root / "var/lib/dpkg/status"
    status.write_bytes(status.read_bytes().rstrip(b"\n")[:-3])
    (root / "etc/one.conf").write_text("2\n")
    info = root / "var/lib/dpkg/info"
    (info / "bad.list").mkdir()
    (info / "worse.list").symlink_to("/etc/passwd")
    (info / "binary.list").write_bytes(b"\0\xff\n" * 100 + b"/usr/bin/binary")
    with system.packages() as packages:
        differences = system.differences()
        packages.learn(differences)
        for difference in differences:
            packages.find(difference)
        assert packages.installed == {"bad", "binary", "worse"}
        said = "\n".join(packages.faults)
    assert "the status of dpkg ends in the middle of a line" in said
    assert "/var/lib/dpkg/info/bad.list: not a regular file" in said
    assert "/var/lib/dpkg/info/worse.list: not a regular file" in said


def test_a_huge_database_is_not_read(system: System) -> None:
    dpkg(system.seed, "--install", deb(system.work, "one", {"usr/bin/one": "1\n"}))
    root = system.begin()
    with open(root / "var/lib/dpkg/info/huge.list", "wb") as stream:
        stream.truncate(1 << 40)
    with system.packages() as packages:
        assert packages.faults == ["/var/lib/dpkg/info/huge.list is larger than 64 MiB and was not read"]


def test_of_many_large_lists_the_rest_is_not_read(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpkg_database, "MOST", 3000)
    root = system.begin()
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    for number in range(5):
        (info / f"package{number}.list").write_bytes(b"/usr/share/thing/file\n" * 50)
    with system.packages() as packages:
        assert packages.faults == [dpkg_database._TOO_LARGE]
        packages.learn(system.differences())
        assert packages.faults == [dpkg_database._TOO_LARGE]


def test_a_database_of_links_in_loops_is_none(system: System) -> None:
    root = system.begin()
    info = root / "var/lib/dpkg/info"
    info.parent.mkdir(parents=True)
    info.symlink_to("info")
    fd = os.open(root, os.O_PATH)
    try:
        assert packages_of(fd, None) is None
    finally:
        os.close(fd)


def test_no_database(volumes: Volumes) -> None:
    fd = os.open(volumes.top / "root", os.O_PATH)
    try:
        assert packages_of(fd, None) is None
    finally:
        os.close(fd)


def test_paths_of_no_package_are_looked_up_in_memory(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at what was written read the lists of all packages."""
    dpkg(system.seed, "--install", deb(system.work, "old", {"usr/bin/old": "old\n"}))
    system.begin()
    read: list[bytes] = []
    really = openat2.read

    def counted(root: int, path: bytes, limit: int) -> bytes:
        read.append(path)
        return really(root, path, limit)

    with system.packages() as packages:
        reader = packages._reader
        monkeypatch.setattr(openat2, "read", counted)
        for number in range(5):
            assert reader.owners(frozenset([b"/usr/bin/other%d" % number])) == {}
        assert read.count(b"var/lib/dpkg/info/old.list") == 2, "once, and once to remember what there is"
        assert set(reader.owners(frozenset([b"/usr/bin/old", b"/usr/bin/x"]))) == {b"/usr/bin/old"}
        assert read.count(b"var/lib/dpkg/info/old.list") == 3
