"""Whatever is not as recorded: the previous root boots, unchanged, and the reason is said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.boots.records import NextRequest
from impermanenced.state import NO_BOOT_ID
from tests.conftest import Filesystem, sh
from tests.shell.hook import Boot, System
from tests.shell.unchanged import unchanged

pytestmark = pytest.mark.usefixtures("build")
GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    return System(filesystem)


def never_mounted(system: System, boot: Boot) -> None:
    assert not (boot.run / "impermanence/top").exists()
    assert system.numbers() == []


# Step 0


def test_off(system: System) -> None:
    boot = system.initrd.boot("impermanence=off")
    unchanged(system, boot, "impermanence=off", action="off")
    never_mounted(system, boot)


@pytest.mark.parametrize(
    "word", ["impermanence=of", "impermanence=", "impermanence=boot=", "impermanence=boot=$(x)"]
)
def test_command_line_that_is_not_understood(system: System, word: str) -> None:
    boot = system.initrd.boot(word)
    if word == "impermanence=":
        assert boot.result.action == "wiped"
    else:
        unchanged(system, boot, "on the kernel command line")
        never_mounted(system, boot)


@pytest.mark.parametrize(
    ("mark", "place"), [(b"S1SUSPEND", 4086), (b"LINHIB0001", 4086), (b"S1SUSPEND", 65526)]
)
def test_hibernation_image(system: System, tmp_path: Path, mark: bytes, place: int) -> None:
    swap = tmp_path / "swap"
    with open(swap, "wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(place)
        stream.write(mark)
    resume = tmp_path / "by-name"
    resume.symlink_to(swap)
    boot = system.initrd.boot(extra=("--resume", "/dev/../" + os.fspath(resume)))
    unchanged(system, boot, "a hibernation image waits in /dev/../")
    never_mounted(system, boot)
    word = f"resume=/dev/../{swap} noresume"
    assert system.initrd.boot(word).result.action == "wiped", "the user has given the image up"


def test_hibernation_in_a_swap_file(system: System, tmp_path: Path) -> None:
    with open(tmp_path / "disk", "wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(7 * 4096 + 4086)
        stream.write(b"S1SUSPEND")
    boot = system.initrd.boot(f"resume=/dev/../{tmp_path}/disk resume_offset=7")
    unchanged(system, boot, "a hibernation image waits")


def test_hibernation_known_to_the_firmware(system: System) -> None:
    system.initrd.efivars.mkdir()
    (system.initrd.efivars / "HibernateLocation-8cf2644b-4b0b-428f-9387-6d876050dc67").touch()
    boot = system.initrd.boot()
    unchanged(system, boot, "a hibernation image waits")
    never_mounted(system, boot)


def test_ordinary_swap_is_no_image(system: System, tmp_path: Path) -> None:
    with open(tmp_path / "swap", "wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(4086)
        stream.write(b"SWAPSPACE2")
    assert system.initrd.boot(f"resume=/dev/../{tmp_path}/swap").result.action == "wiped"


def test_root_is_mounted_already(system: System) -> None:
    run = system.filesystem.directory / "late"
    system.filesystem.mount(run / "sysroot", "subvol=root")
    unchanged(system, system.initrd.boot(run=run), "sysroot is mounted already")


def test_volume_is_mounted_somewhere(system: System, tmp_path: Path) -> None:
    system.filesystem.mount(tmp_path / "elsewhere", "subvol=root")
    unchanged(system, system.initrd.boot(), "volume root is mounted already")


def test_directory_of_the_volume_is_mounted(system: System, tmp_path: Path) -> None:
    system.filesystem.mount(tmp_path / "elsewhere", "subvol=root")
    etc = tmp_path / "etc"
    etc.mkdir()
    sh("mount", "--bind", tmp_path / "elsewhere/etc", etc)
    system.filesystem.mounts.append(etc)
    system.filesystem.umount(tmp_path / "elsewhere")
    unchanged(system, system.initrd.boot(), "volume root is mounted already")


def test_runs_once_a_boot(system: System) -> None:
    """systemd starts a failed oneshot again, after the root is mounted."""
    boot = system.initrd.boot()
    (system.top / "root/crud").write_text("crud of root\n")
    again = system.initrd.boot(run=boot.run)
    assert again.status == 0
    assert again.result == boot.result
    assert "has run in this boot" in again.said
    assert (system.top / "root/crud").exists()


def test_default_subvolume_would_be_found_by_its_number(system: System) -> None:
    identity = sh("btrfs", "inspect-internal", "rootid", system.top / "root").strip()
    sh("btrfs", "subvolume", "set-default", identity, system.top)
    unchanged(system, system.initrd.boot("rootflags=noatime"), "volume root is the default subvolume")
    unchanged(system, system.initrd.boot(f"rootflags=noatime,subvolid={identity}"), "by subvolid=")
    assert system.initrd.boot("rootflags=subvol=root").result.action == "wiped"


# Layout and files


@pytest.mark.parametrize(
    "name", ["future-version", "percent-zz", "empty", "subvolume-top", "nul-only", "no-end"]
)
def test_record_that_is_not_understood(system: System, name: str) -> None:
    shutil.copy(GOLDEN / f"rollback/invalid/{name}.env", system.state / "rollback.env")
    unchanged(system, system.initrd.boot(), "rollback.env: ")
    assert system.numbers() == []


def test_copy_that_is_not_understood_does_not_yield_to_the_disk(system: System) -> None:
    shutil.copy(GOLDEN / "rollback/invalid/future-version.env", system.initrd.copy)
    unchanged(system, system.initrd.boot(), "rollback.env of the initrd: not of version 1")


def test_last_record_from_the_future(system: System) -> None:
    (system.state / "boots").mkdir()
    shutil.copy(GOLDEN / "record/invalid/future-version.env", system.state / "boots/7.env")
    unchanged(system, system.initrd.boot(), "boots/7.env: not of version 1")


def test_request_from_the_future(system: System) -> None:
    shutil.copy(GOLDEN / "next/invalid/future-version.env", system.state / "next")
    unchanged(system, system.initrd.boot(), "next: not of version 1")


def test_record_is_a_link(system: System, tmp_path: Path) -> None:
    shutil.move(system.state / "rollback.env", tmp_path / "elsewhere.env")
    (system.state / "rollback.env").symlink_to(tmp_path / "elsewhere.env")
    unchanged(system, system.initrd.boot(), "not a regular file")


def test_other_filesystem(system: System) -> None:
    system.write(fsid="6b1f0c1e-3c5a-4d0e-9a51-0d2f6c1f9a11")
    unchanged(system, system.initrd.boot(), "the filesystem is not 6b1f0c1e")


def test_own_filesystem(system: System) -> None:
    system.write(fsid=sh("blkid", "-s", "UUID", "-o", "value", system.filesystem.image).strip())
    assert system.initrd.boot().result.action == "wiped"


def test_device_that_is_not_there(system: System) -> None:
    boot = system.initrd.boot("root=/dev/nothing-there")
    unchanged(system, boot, "no device /dev/nothing-there")


def test_device_is_no_btrfs(system: System) -> None:
    boot = system.initrd.boot("root=/dev/null")
    unchanged(system, boot, "/dev/null")


def replaced_by_directory(system: System) -> None:
    shutil.move(system.top / "root", system.top / "away")
    (system.top / "root").mkdir()
    (system.top / "root/crud").write_text("crud of root\n")


def replaced_by_link(system: System) -> None:
    shutil.move(system.top / "root", system.top / "away")
    (system.top / "root").symlink_to("away")


def archive_is_a_link(system: System) -> None:
    (system.top / "old_roots").symlink_to("/tmp")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (replaced_by_directory, "root is not a subvolume"),
        (replaced_by_link, "a symbolic link on the way to volume root"),
        (archive_is_a_link, "a symbolic link on the way to the archive"),
    ],
)
def test_layout_is_another(system: System, change: Callable[[System], None], reason: str) -> None:
    change(system)
    unchanged(system, system.initrd.boot(), reason)


def test_state_directory_is_no_subvolume(system: System) -> None:
    shutil.move(system.state, system.top / "away")
    system.state.mkdir()
    unchanged(system, system.initrd.boot(), ".impermanence is not a subvolume")


# Requests


def test_request_for_an_old_root_that_is_not_there(system: System) -> None:
    system.write(on_failure="stop")
    system.request(NextRequest("boot", "x", boot=9))
    unchanged(system, system.initrd.boot(), "there is no old root 9 of volume root")
    assert (system.record(1).request, system.record(1).boot) == ("x", 9)
    assert not (system.state / "next").exists(), "it would be refused at every boot"


def test_old_root_without_the_modules(system: System) -> None:
    system.initrd.boot()
    (system.top / "root/lib/modules" / os.uname().release).mkdir(parents=True)
    (system.top / "root/crud").write_text("crud of root\n")
    unchanged(system, system.initrd.boot("impermanence=boot=0"), "it has no modules")


# Names


def test_old_roots_of_other_tools_stay_as_they_are(system: System) -> None:
    """A name taken: `mv` would put the root inside what is there, or replace an empty directory."""
    (system.top / "old_roots/2026-01-01_10:00:00").mkdir(parents=True)
    (system.top / f"old_roots/0-{NO_BOOT_ID}").mkdir()
    boot = system.initrd.boot()
    assert boot.result.number == 2
    assert system.archive() == [f"0-{NO_BOOT_ID}", f"1-{NO_BOOT_ID}", "2026-01-01_10:00:00"]
    assert not list((system.top / f"old_roots/0-{NO_BOOT_ID}").iterdir())
    (system.top / f"old_roots/2-{boot.result.boot_id}").mkdir()
    boot = system.initrd.boot()
    assert boot.result.volumes[0].old == f"old_roots/2-{boot.result.boot_id}-2".encode()
    assert not list((system.top / f"old_roots/2-{boot.result.boot_id}").iterdir())


def test_numbers_are_never_used_again(system: System) -> None:
    for _ in range(3):
        system.initrd.boot()
    for file in system.state.glob("boots/*"):
        file.unlink()
    assert system.initrd.boot().result.number == 4, "old roots 0 to 2, and the life that ended was 3"


def test_leftovers_in_staging_are_archived(system: System) -> None:
    (system.state / "staging").mkdir()
    system.filesystem.snapshot("root", ".impermanence/staging/next.root")
    system.filesystem.snapshot("root-blank", ".impermanence/staging/never used")
    (system.state / "staging/next.root/precious").touch()
    (system.state / "staging/plan.new").write_text("half of a pl")
    (system.state / "staging/directory").mkdir()
    (system.state / "staging/.hidden").touch()
    (system.state / "staging/..x").touch()
    boot = system.initrd.boot()
    assert boot.result.action == "wiped"
    assert list((system.state / "staging").iterdir()) == []
    end = boot.result.boot_id
    assert set(boot.result.recovered) == {
        f"old_roots/1-recovered-{end}.next.root".encode(),
        f"old_roots/1-unused-{end}.leftover".encode(),
    }
    assert (system.top / f"old_roots/1-recovered-{end}.next.root/precious").exists()
    aside = {path.name for path in (system.state / "boots").iterdir()}
    assert {"1.recovered.plan.new", "1.recovered.directory", "1.recovered.leftover"} <= aside
    assert len([name for name in aside if "recovered.leftover" in name]) == 2, "names that begin with a dot"
