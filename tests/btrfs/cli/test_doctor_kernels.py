"""What `impermanence doctor` finds about each kernel that a boot loader may start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from impermanenced.boots import doctor_kernels, examine, initrds
from impermanenced.boots.doctor import Finding
from impermanenced.errors import CommandError
from impermanenced.report.report import Manager
from tests.conftest import sh
from tests.schema import checked

from .machine import System

NEW, OLD = "999.1.0-new", "1.0-old"
HOOK, RECORD = "usr/lib/impermanence/impermanence-rollback", "etc/impermanence/rollback.env"
PACKED = {"": "cat", ".gz": "gzip", ".zst": "zstd --quiet", ".xz": "xz --check=crc32", ".lz4": "lz4 -lq"}


def archive(directory: Path, *names: str, pack: str = "cat", early: bool = False) -> bytes:
    """An initrd with these files; with `early`, behind another archive, as behind a processor's microcode."""
    tree = directory / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("init", *names):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    script = f"find . | cpio --quiet -o -H newc | {pack}"
    packed = directory / "packed"
    sh("sh", "-ec", f"{script} > ../packed", cwd=tree)
    if not early:
        return packed.read_bytes()
    microcode = archive(directory / "early", "kernel/x86/microcode/AuthenticAMD.bin", "early_cpio")
    return microcode + packed.read_bytes()


def install(root: Path, release: str, initrd: bytes | None, *, modules: bool = True) -> None:
    (root / "boot").mkdir(exist_ok=True)
    (root / f"boot/vmlinuz-{release}").touch()
    if initrd is not None:
        (root / f"boot/initrd.img-{release}").write_bytes(initrd)
    if modules:
        (root / "usr/lib/modules" / release).mkdir(parents=True, exist_ok=True)


def findings(system: System) -> list[Finding]:
    with Manager(os.fsencode(system.config)) as manager:
        return doctor_kernels.examine(manager.machine, examine.next_boot(manager.machine))


def whats(system: System) -> list[tuple[str, str]]:
    return [(finding.severity, finding.what) for finding in findings(system)]


@pytest.fixture
def set_up(system: System) -> System:
    assert system.run("setup").returncode == 0
    return system


@pytest.mark.parametrize("early", [False, True], ids=["", "early"])
@pytest.mark.parametrize("suffix", PACKED)
def test_into_an_initrd(tmp_path: Path, suffix: str, early: bool) -> None:
    if not early:
        (tmp_path / "early").mkdir()
    (tmp_path / "early").mkdir(exist_ok=True)
    image = tmp_path / "-initrd"
    for names in ((HOOK,), (HOOK, RECORD), ("etc/other",), (f"{HOOK}.service", f"x{HOOK}")):
        image.write_bytes(archive(tmp_path, *names, pack=PACKED[suffix], early=early))
        found = initrds.look(os.fsencode(image))
        assert (found.hook, found.record) == (HOOK in names, RECORD in names), names


@pytest.mark.parametrize("content", [b"", b"\0" * 600, b"070701", b"\x28\xb5\x2f\xfd broken", None])
def test_what_is_no_initrd(tmp_path: Path, content: bytes | None) -> None:
    image = tmp_path / "initrd"
    if content is not None:
        image.write_bytes(content)
    try:
        found = initrds.look(os.fsencode(image))
    except CommandError as error:
        assert error.message
    else:
        assert not found.hook


def test_no_lister(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(CommandError, match="there is none of lsinitramfs, lsinitrd, lsinitcpio"):
        initrds.look(b"/dev/null")
    assert initrds.rebuild(b"1.0", b"/boot/x") == ()


@pytest.mark.parametrize(
    ("tool", "commands"),
    [
        ("update-initramfs", [f"update-initramfs {words}" for words in ("-u", "-c -k 1.0", "-u -k 1.0")]),
        ("dracut", ["dracut --force", "dracut --force --kver 1.0", "dracut --force '/boot/a b' 1.0"]),
        ("mkinitcpio", ["mkinitcpio -P"] * 3),
    ],
)
def test_how_an_initrd_is_built_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, commands: list[str]
) -> None:
    (tmp_path / tool).touch(mode=0o755)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    said = [initrds.rebuild(), initrds.rebuild(b"1.0"), initrds.rebuild(b"1.0", b"/boot/a b")]
    assert said == [(command,) for command in commands]


def test_the_initrd_of_each_kernel(set_up: System, tmp_path: Path) -> None:
    (tmp_path / "early").mkdir()
    with_hook, without = archive(tmp_path, HOOK), archive(tmp_path)
    install(set_up.root, NEW, with_hook, modules=False)
    install(set_up.root, OLD, with_hook, modules=False)
    assert whats(set_up) == []
    install(set_up.root, OLD, without, modules=False)
    nothing = "has no hook: its boot rolls nothing back"
    assert whats(set_up) == [("warning", f"the initrd of kernel {OLD} {nothing}")]
    install(set_up.root, NEW, without, modules=False)
    first, second = findings(set_up)
    assert first.severity == "error"
    assert first.what == f"the initrd of kernel {NEW}, the newest one, {nothing}"
    assert first.commands == initrds.rebuild(NEW.encode(), f"/boot/initrd.img-{NEW}".encode())
    assert second.severity == "warning"
    (set_up.root / f"boot/initrd.img-{OLD}").unlink()
    assert whats(set_up)[1] == ("warning", f"kernel {OLD} has no initrd: its boot rolls nothing back")
    (set_up.root / f"boot/initrd.img-{OLD}").write_bytes(b"broken")
    severity, what = whats(set_up)[1]
    assert severity == "warning" and what.startswith(f"the initrd of kernel {OLD} cannot be looked into: ")


def test_after_wiping_was_switched_off(set_up: System, tmp_path: Path) -> None:
    install(set_up.root, NEW, archive(tmp_path, HOOK), modules=False)
    install(set_up.root, OLD, archive(tmp_path, HOOK, RECORD), modules=False)
    assert whats(set_up) == []
    assert set_up.run("setup", "--off").returncode == 0
    assert whats(set_up) == [
        (
            "note",
            f"wiping is off, and the initrd of kernel {NEW}, the newest one, still has the hook, "
            "which does nothing then",
        ),
        (
            "warning",
            f"wiping is off, and the initrd of kernel {OLD} has a record of its own, which goes before that",
        ),
    ]


def test_never_set_up(system: System, tmp_path: Path) -> None:
    """The hook is in the initrd since the package was installed, and does nothing."""
    install(system.root, NEW, archive(tmp_path, HOOK), modules=False)
    assert whats(system) == []


def test_a_boot_that_lies_in_the_root(system: System, tmp_path: Path) -> None:
    """After a wipe the boot loader finds what the blank has."""
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    install(blank, NEW, archive(tmp_path), modules=False)
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    assert system.run("setup").returncode == 0
    install(system.root, NEW, archive(tmp_path, HOOK), modules=False)
    (one,) = findings(system)
    assert one.severity == "error"
    assert one.what == (
        f"the initrd of kernel {NEW} of the blank root-blank, the newest one, has no hook: "
        "its boot rolls nothing back"
    )
    assert one.hint == "build it anew here, and put it into root-blank"


def foretold(system: System) -> tuple[str, str | None, str]:
    with Manager(os.fsencode(system.config)) as manager:
        found = examine.next_boot(manager.machine)
    return found.action, found.code, found.why


def test_kernels_without_modules_in_the_blank(set_up: System, tmp_path: Path) -> None:
    """A kernel update: the reboot would be refused, and it is said before it."""
    hook = archive(tmp_path, HOOK)
    install(set_up.root, OLD, hook)
    lacks = "the blank root-blank of volume root: it has no modules for kernel "
    assert foretold(set_up) == ("refused", "blank-lacks-modules", lacks + OLD)
    install(set_up.root, NEW, hook)
    assert foretold(set_up) == ("refused", "blank-lacks-modules", lacks + NEW)
    (old,) = findings(set_up)
    assert (old.severity, old.code) == ("warning", "blank-lacks-modules")
    found = checked("doctor", set_up.run("doctor", "--json").stdout)["findings"]
    (new,) = [one for one in found if NEW in one["what"]]
    assert new["severity"] == "error" and new["what"].endswith(lacks + NEW)
    assert f"cp -a /lib/modules/{NEW} /mnt/root-blank/usr/lib/modules/" in new["commands"]
    for verb in ("next", "status"):
        said = set_up.run(verb).stdout
        assert f"the rollback of the next boot will be refused: {lacks}{NEW}" in said
        assert "(blank-lacks-modules).\n  To do: put them into the blank: mount -o subvolid=5 " in said
        assert f"kernel {OLD}" not in said
    give_modules(set_up, NEW, OLD, os.uname().release)
    assert findings(set_up) == []
    for verb in ("next", "status"):
        assert "blank-lacks-modules" not in set_up.run(verb).stdout


def give_modules(system: System, *releases: str) -> None:
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    for release in releases:
        (blank / "usr/lib/modules" / release).mkdir(parents=True)
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")


def test_the_boot_loader_decides_which_kernel_boots_next(set_up: System, tmp_path: Path) -> None:
    """Once, by grub-reboot: an older kernel, for which the blank has nothing."""
    hook = archive(tmp_path, HOOK)
    for release in (OLD, NEW):
        install(set_up.root, release, hook)
    give_modules(set_up, NEW)
    assert foretold(set_up)[0] == "wiped"
    (old,) = findings(set_up)
    assert old.severity == "warning"
    grub = set_up.root / "boot/grub"
    grub.mkdir()
    (grub / "grub.cfg").write_text(
        'if [ "${next_entry}" ] ; then\n   set default="${next_entry}"\nelse\n   set default="0"\nfi\n'
        f"menuentry 'new' {{\n\tlinux /root/boot/vmlinuz-{NEW} ro\n}}\n"
        f"menuentry 'old' {{\n\tlinux /root/boot/vmlinuz-{OLD} ro\n}}\n"
    )
    sh("grub-editenv", grub / "grubenv", "set", "next_entry=old")
    assert foretold(set_up)[:2] == ("refused", "blank-lacks-modules")
    assert foretold(set_up)[2].endswith(f"no modules for kernel {OLD}")
    (set_up.root / f"boot/initrd.img-{OLD}").write_bytes(archive(tmp_path))
    (what,) = [what for severity, what in whats(set_up) if severity == "error"]
    assert what.startswith(f"the initrd of kernel {OLD}, which the boot loader starts next, has no hook")
    sh("grub-editenv", grub / "grubenv", "unset", "next_entry")
    assert foretold(set_up)[0] == "wiped"


def test_a_root_without_modules_needs_none_in_the_blank(set_up: System, tmp_path: Path) -> None:
    """They are elsewhere, as in NixOS."""
    install(set_up.root, NEW, archive(tmp_path, HOOK), modules=False)
    assert findings(set_up) == []
