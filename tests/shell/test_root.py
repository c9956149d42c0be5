"""What boots decides: words for the root and layouts, and what the program makes of each.

Whatever it decides, what could be mounted as the root before can be mounted after it.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Filesystem, sh
from tests.shell.hook import SANITIZED, Initrd, System
from tests.shell.identity import fsid_of, label_of, tree

SNAPSHOT = "root/.snapshots/31/snapshot"
WIPED = ("wiped", None)
OTHER = ("other", "other-subvolume")
BY_NUMBER = ("refused", "by-number")
BY_LINK = ("refused", "by-link")


@dataclasses.dataclass(frozen=True)
class Row:
    words: str  # of the kernel command line; {root} and {other} are numbers of subvolumes
    expected: tuple[str, str | None]
    default: str | None = None  # the default subvolume
    units: tuple[tuple[str, str], ...] = ()  # below /run/systemd
    moved: str | None = None  # what the root is called instead


def unit(options: str, what: str = "{device}") -> str:
    lines = f"Options={options}\n" if options else ""
    return f"[Unit]\nBefore=initrd-root-fs.target\n[Mount]\nWhere=/sysroot\nWhat={what}\n{lines}"


def generated(options: str, what: str = "{device}") -> tuple[tuple[str, str], ...]:
    return (("generator/sysroot.mount", unit(options, what)),)


ROWS = {
    "by name": Row("rootflags=subvol=root", WIPED),
    "with a slash": Row("rootflags=subvol=/root", WIPED),
    "with several slashes": Row("rootflags=subvol=//root/", WIPED),
    "with a dot": Row("rootflags=subvol=./root", WIPED),
    "among other options": Row("rootflags=noatime,subvol=root,compress=zstd", WIPED),
    "quoted": Row('rootflags="subvol=root"', WIPED),
    "quoted whole": Row('"rootflags=subvol=root"', WIPED),
    "last option counts": Row("rootflags=subvol=other,subvol=root", WIPED),
    "last option is another": Row("rootflags=subvol=root,subvol=other", OTHER),
    "last word counts": Row("rootflags=subvol=other rootflags=subvol=root", WIPED),
    "last word is another": Row("rootflags=subvol=root rootflags=subvol=other", OTHER),
    "last root counts": Row("root=/dev/nothing root={device} rootflags=subvol=root", WIPED),
    "another": Row("rootflags=subvol=other", OTHER),
    "another with a slash": Row("rootflags=subvol=/other", OTHER),
    "nested snapshot": Row(f"rootflags=subvol={SNAPSHOT}", OTHER),
    "nested snapshot with a slash": Row(f"rootflags=subvol=/{SNAPSHOT}", OTHER),
    "the blank": Row("rootflags=subvol=root-blank", OTHER),
    "an old root": Row("rootflags=subvol=old_roots/kept", OTHER),
    "no subvolume": Row("rootflags=subvol=root/etc", OTHER),
    "nothing": Row("rootflags=subvol=missing", OTHER),
    "a name that begins like it": Row("rootflags=subvol=roo", OTHER),
    "top level by name": Row("rootflags=subvol=/", OTHER),
    "top level by number": Row("rootflags=subvolid=5", OTHER),
    "top level by zero": Row("rootflags=subvolid=0", OTHER),
    "top level by default": Row("rootflags=noatime", OTHER),
    "no rootflags": Row("rootflags=", OTHER),
    "by number": Row("rootflags=subvolid={root}", BY_NUMBER),
    "by number in hexadecimal": Row("rootflags=subvolid={root:#x}", BY_NUMBER),
    "by name and number": Row("rootflags=subvolid={root},subvol=root", BY_NUMBER),
    "another by number": Row("rootflags=subvolid={other}", OTHER),
    "name and number of two": Row("rootflags=subvolid={other},subvol=root", OTHER),
    "by a link": Row("rootflags=subvol=current", BY_LINK),
    "by the parent of another": Row("rootflags=subvol=other/../root", BY_LINK),
    "default, by nothing": Row("rootflags=noatime", BY_NUMBER, default="root"),
    "default, by name": Row("rootflags=subvol=root", WIPED, default="root"),
    "default, and another by name": Row("rootflags=subvol=other", OTHER, default="root"),
    "default, and another by number": Row("rootflags=subvolid={other}", OTHER, default="root"),
    "default, and the top level by name": Row("rootflags=subvol=/", OTHER, default="root"),
    "another default": Row("rootflags=noatime", OTHER, default="other"),
    "another default, by name": Row("rootflags=subvol=root", WIPED, default="other"),
    "a snapshot as the default": Row("rootflags=", OTHER, default=SNAPSHOT),
    "missing, by its name": Row("rootflags=subvol=root", WIPED, moved="away"),
    "missing, and another boots": Row("rootflags=subvol=@root", OTHER, moved="@root"),
    "missing, and the default boots": Row("rootflags=", OTHER, moved="@root", default="@root"),
    "gpt-auto": Row("root=gpt-auto rootflags=", WIPED, units=generated("rw,subvol=root")),
    "gpt-auto, the default boots": Row("root=gpt-auto rootflags=", OTHER, "other", generated("")),
    "gpt-auto, the volume by default": Row("root=gpt-auto rootflags=", BY_NUMBER, "root", generated("")),
    "fstab": Row("root=fstab rootflags=", WIPED, units=generated("subvol=/root")),
    "fstab, another": Row("root=fstab rootflags=", OTHER, units=generated("subvol=/other")),
    "unit goes before the words": Row("rootflags=subvol=root", OTHER, units=generated("subvol=other")),
    "late generator": Row(
        "root=gpt-auto rootflags=", OTHER, "other", (("generator.late/sysroot.mount", unit("")),)
    ),
    "unit of the initrd goes before a generated one": Row(
        "rootflags=",
        WIPED,
        units=(("system/sysroot.mount", unit("subvol=root")), *generated("subvol=other")),
    ),
    "drop-in": Row(
        "rootflags=",
        OTHER,
        units=(
            *generated("subvol=root"),
            ("system/sysroot.mount.d/50-other.conf", "# another\n[Mount]\nOptions = subvol=other\n"),
        ),
    ),
    "drop-in that does not count": Row(
        "rootflags=",
        WIPED,
        units=(
            *generated("subvol=root"),
            ("generator/sysroot.mount.d/50-a.conf", "[Mount]\nOptions=subvol=other\n"),
            ("generator/sysroot.mount.d/60-b.conf", "[Mount]\nOptions=\\\n  subvol=root\n"),
            ("generator/sysroot.mount.d/70-c.old", "[Mount]\nOptions=subvol=other\n"),
        ),
    ),
    "unit with a tag": Row("root=gpt-auto", WIPED, units=generated("subvol=root", "UUID={fsid}")),
    "unit of a link": Row("root=fstab", WIPED, units=generated("subvol=root", "/dev/../{directory}/a%%b")),
    "unit without a device": Row(
        "rootflags=subvol=root", WIPED, units=(("generator/sysroot.mount", "[Mount]\nWhere=/sysroot\n"),)
    ),
    "by UUID": Row("root=UUID={fsid} rootflags=subvol=root", WIPED),
    "by UUID in capitals": Row("root=UUID={FSID} rootflags=subvol=root", WIPED),
    "by a link of udev": Row("root=/dev/disk/by-uuid/{fsid} rootflags=subvol=root", WIPED),
    "by LABEL": Row("root=LABEL={label} rootflags=subvol=root", WIPED),
    "by LABEL, another": Row("root=LABEL={label} rootflags=subvol=other", OTHER),
    "of dracut": Row("root=block:{device} rootflags=subvol=root", WIPED),
    "not of this world": Row("root=zfs:tank rootflags=subvol=root", ("other", "other-filesystem")),
    "a UUID that is not there": Row(
        "root=UUID=6b1f0c1e-3c5a-4d0e-9a51-0d2f6c1f9a11", ("refused", "no-device")
    ),
}


@pytest.fixture
def system(filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch) -> System:
    monkeypatch.setattr(Initrd, "build", SANITIZED)
    system = System(filesystem)
    (filesystem.subvolume("other") / "mine").touch()
    sh("btrfs", "subvolume", "create", system.top / "root/.snapshots")
    (system.top / SNAPSHOT).parent.mkdir()
    filesystem.snapshot("root", SNAPSHOT, readonly=True)
    (system.top / "old_roots").mkdir()
    filesystem.snapshot("root-blank", "old_roots/kept")
    (system.top / "current").symlink_to("root")
    return system


def number_of(path: Path) -> int:
    return int(sh("btrfs", "inspect-internal", "rootid", path))


def mounts_as(system: System, words: str) -> bool:
    """What the kernel would say to this root."""
    flags = [
        word.partition("=")[2] for word in words.replace('"', "").split() if word.startswith("rootflags=")
    ]
    where = system.filesystem.directory / "tried"
    where.mkdir(exist_ok=True)
    option = ("-o", flags[-1]) if flags and flags[-1] else ()
    argv = ["mount", "-t", "btrfs", *option, system.filesystem.device, where]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        return False
    sh("umount", where)
    return True


def prepared(system: System, row: Row) -> tuple[str, Path]:
    """The words with their numbers, and a /run with the units."""
    device, directory = system.filesystem.device, system.filesystem.directory
    label = label_of(system)
    (directory / "a%b").symlink_to(device)
    fsid = fsid_of(device)
    names = {"device": device, "fsid": fsid, "FSID": fsid.upper(), "label": label, "directory": directory}
    numbers = {name: number_of(system.top / name) for name in ("root", "other")}
    if row.moved is not None:
        shutil.move(system.top / "root", system.top / row.moved)
    if row.default is not None:
        sh("btrfs", "subvolume", "set-default", system.top / row.default)
    run = directory / "the-run"
    for name, content in row.units:
        file = run / "systemd" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content.format(**names))
    return row.words.format(**names, **numbers), run


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_decision(system: System, row: Row) -> None:
    words, run = prepared(system, row)
    before, mounted = tree(system.top), mounts_as(system, words)
    if not row.units:
        decision, code = system.initrd.examine(words)
        assert (decision.partition(":")[0], code) == row.expected, decision
        assert tree(system.top) == before, "it was only to be foretold"
    boot = system.initrd.boot(words, run=run)
    assert (boot.status, boot.result.action, boot.result.reason_code) == (0, *row.expected), boot.said
    if row.expected == WIPED:
        assert (system.top / "root/etc/hostname").exists()
        assert not (system.top / "root/crud").exists()
    elif row.expected[0] == "other":
        assert tree(system.top) == before, "nothing was to be touched"
        assert boot.result.number is None
    else:
        assert (system.top / "root/crud").exists()
    assert mounts_as(system, words) or not mounted, "what could be booted cannot be any more"


def test_second_system_in_the_filesystem(system: System) -> None:
    """It has a root, a blank and an archive of its own, and is no business of the first one's record."""
    for name in ("@debian", "@debian-blank"):
        system.filesystem.subvolume(name)
    before = tree(system.top)
    for _ in range(3):
        boot = system.initrd.boot("rootflags=subvol=@debian")
        assert boot.result.action == "other", boot.said
    assert tree(system.top) == before


def test_line_of_an_fstab_in_the_initrd(system: System) -> None:
    """Where there is no unit and no root=: an initrd whose own fstab has the root."""
    fstab = system.filesystem.directory / "fstab"
    device = system.filesystem.device
    script = 'mount --bind "$1" /etc/fstab && shift && exec "$@"'
    wrap = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", fstab)
    system.initrd.base = ""
    for subvolume, expected in (("other", "other"), ("root", "wiped")):
        fstab.write_text(f"{device} /sysroot btrfs noatime,subvol={subvolume} 0 0\n")
        boot = system.initrd.boot("rootflags=", wrap=wrap)
        assert boot.result.action == expected, boot.said


def test_root_that_runs_foretells(system: System) -> None:
    """No word names a subvolume: what is mounted as / does, as something in the initrd did."""
    directory = system.filesystem.directory
    system.initrd.base = "root=gpt-auto"
    run = directory / "examined"
    options = system.initrd.arguments(run, "rootflags=")
    program = system.initrd.program
    for subvolume, expected in (("root", "wiped"), ("other", "other")):
        root = directory / f"root-{subvolume}"
        system.filesystem.mount(root, f"subvol={subvolume}")
        # Its /: everything else is bound into it, and where the program stands.
        script = (
            f"for d in bin lib lib64 usr etc dev proc sys tmp run {program.parts[1]}; do [ ! -e /$d ] || "
            f'{{ mkdir -p {root}/$d; mount --rbind /$d {root}/$d; }}; done; exec chroot {root} "$@"'
        )
        wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        said = sh(*wrap, program, "--examine", *options)
        assert said.partition(":")[0].strip() == expected, said
