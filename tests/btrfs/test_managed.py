"""What packages and systemd's tools answer for, with the real tools' own databases on a real volume."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from impermanenced.kernel import openat2
from impermanenced.model import Difference, Verdict
from impermanenced.report.providers import dpkg as dpkg_database
from impermanenced.report.providers import packages_of, tmpfiles
from impermanenced.report.providers.packages import Packages

from ..conftest import Filesystem, sh
from .conftest import Volumes


class System(Volumes):
    """A volume whose blank and life the package managers' own tools write to."""

    def __init__(self, filesystem: Filesystem, work: Path) -> None:
        super().__init__(filesystem)
        self.work = work
        self.seed = filesystem.subvolume("seed")

    def begin(self) -> Path:
        self.filesystem.snapshot("seed", "root-blank", readonly=True)
        return self.filesystem.snapshot("root-blank", "root")

    @contextlib.contextmanager
    def packages(self) -> Iterator[Packages]:
        now = os.open(self.top / "root", os.O_PATH)
        blank = os.open(self.top / "root-blank", os.O_PATH)
        try:
            found = packages_of(now, blank)
            assert found is not None
            yield found
        finally:
            os.close(now)
            os.close(blank)

    def findings(self) -> dict[str, tuple[Verdict, str, str]]:
        differences: list[Difference] = self.differences()
        with self.packages() as packages:
            packages.learn(differences)
            found = {os.fsdecode(one.path): packages.find(one) for one in differences}
            assert packages.faults == []
        return {path: (one.verdict, one.rule, one.package) for path, one in found.items() if one is not None}

    def judge_tmpfiles(self) -> dict[str, str | None]:
        made = tmpfiles.ask(os.fsencode(self.top / "root"))
        assert made.faults == []
        with beneath_root(self.top / "root") as read:
            return {os.fsdecode(one.path): made.rule_of(one, read) for one in self.differences()}

    def judge_sysusers(self) -> dict[str, str | None]:
        made = tmpfiles.ask_sysusers(os.fsencode(self.top / "root"))
        with beneath_root(self.top / "root") as read, beneath_root(self.top / "root-blank") as before:
            return {os.fsdecode(one.path): made.rule_of(one, read, before) for one in self.differences()}


@contextlib.contextmanager
def beneath_root(root: Path) -> Iterator[Callable[[bytes, int], bytes]]:
    fd = os.open(root, os.O_PATH)
    try:
        yield functools.partial(openat2.read, fd)
    finally:
        os.close(fd)


@pytest.fixture
def system(filesystem: Filesystem, tmp_path: Path) -> System:
    return System(filesystem, tmp_path / "work")


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


# systemd's tools


def test_what_tmpfiles_makes(system: System) -> None:
    (system.seed / "usr/lib/tmpfiles.d").mkdir(parents=True)
    (system.seed / "usr/share/factory/etc/skel").mkdir(parents=True)
    (system.seed / "usr/share/factory/etc/skel/in").write_text("in\n")
    (system.seed / "usr/share/factory/etc/issue").write_text("welcome\n")
    (system.seed / "usr/lib/tmpfiles.d/all.conf").write_text(
        "d /var/lib/made 0755 root root -\n"
        "L /etc/link - - - - ../proc/self/mounts\n"
        "f /etc/content 0644 - - - one\\ntwo\\n\n"
        "f+ '/etc/quoted name' - - - -\n"
        "C /etc/issue\n"
        "C /etc/skel\n"
        "p /var/lib/pipe\n"
        "f %t/x - - - -\n"
        "f /var/lib/%b - - - -\n"
        "d /var/lib/overridden\n"
        "d $$nonsense \n\n  # comment\nz /var/lib - - - -\n"
    )
    (system.seed / "etc/tmpfiles.d").mkdir(parents=True)
    (system.seed / "var/lib").mkdir(parents=True)
    (system.seed / "etc/tmpfiles.d/00-first.conf").write_text("f /var/lib/overridden\n")
    root = system.begin()
    # It complains of the nonsense, and does the rest.
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={root}"], check=False, capture_output=True)
    (root / "var/lib/made/by-somebody").write_text("x")
    (root / "etc/skel/more").write_text("x")
    found = system.judge_tmpfiles()
    for path in ("/var/lib/made", "/etc/link", "/etc/content", "/etc/quoted name", "/etc/issue", "/etc/skel",
                 "/etc/skel/in", "/var/lib/pipe", "/var/lib/overridden"):  # fmt: skip
        assert found[path] is not None, path
    assert found["/etc/content"] == "made by tmpfiles.d: f /etc/content"
    assert found["/var/lib/made/by-somebody"] is None
    assert found["/etc/skel/more"] is None
    (root / "etc/content").write_text("one\nTWO\n")
    (root / "etc/issue").write_text("WELCOME\n")
    (root / "etc/link").unlink()
    (root / "etc/link").symlink_to("elsewhere")
    found = system.judge_tmpfiles()
    assert found["/etc/content"] is found["/etc/issue"] is found["/etc/link"] is None


def test_accounts_of_sysusers(system: System) -> None:
    (system.seed / "usr/lib/sysusers.d").mkdir(parents=True)
    (system.seed / "usr/lib/sysusers.d/a.conf").write_text(
        'u svc - "A service" /var/lib/svc\ng extra -\nm svc extra\n'
    )
    (system.seed / "etc").mkdir()
    (system.seed / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (system.seed / "etc/group").write_text("root:x:0:\n")
    root = system.begin()
    sh("systemd-sysusers", f"--root={root}")
    assert "svc" in (root / "etc/passwd").read_text()
    assert system.judge_sysusers()["/etc/passwd"] == "differs by the accounts that sysusers.d makes"
    assert system.judge_sysusers()["/etc/group"] == "differs by the accounts that sysusers.d makes"
    with open(root / "etc/passwd", "a") as stream:
        stream.write("alice:x:1000:1000::/home/alice:/bin/sh\n")
    assert system.judge_sysusers()["/etc/passwd"] is None


def test_without_the_tools_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert tmpfiles.ask(b"/").faults == ["systemd-tmpfiles: not found"]
    assert tmpfiles.ask_sysusers(b"/").faults == ["systemd-sysusers: not found"]
