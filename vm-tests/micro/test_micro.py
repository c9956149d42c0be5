"""The real hook in a real kernel, and the power cut at random moments of the switch."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest
from machine import Disk, Machine, MachineError

from micro import disk
from micro.initramfs import run

CUTS = 10
TOP = "/run/impermanence/top"
SECONDS = 120.0  # deadline of a boot on a busy host without KVM; one takes about five


def go(micro: Machine) -> None:
    micro.wait_report("ready", SECONDS)
    micro.say("go")
    micro.wait_report("begin", SECONDS)


def to_the_end(micro: Machine) -> list[str]:
    """All that the guest reports until it powers off."""
    lines = []
    while (line := micro.report(SECONDS)) != "end":
        lines.append(line)
    micro.wait_exit(SECONDS)
    return lines


def boot(micro: Machine, append: str | None = None) -> list[str]:
    micro.start(append=append)
    go(micro)
    return to_the_end(micro)


def steps(lines: list[str]) -> list[str]:
    """What was done to the filesystem, or asked of it."""
    told = [line.removeprefix("step ") for line in lines if line.startswith("step ")]
    return [step for step in told if TOP in step or " /run/" not in step]


def test_one_boot(micro: Machine) -> None:
    began = time.monotonic()
    lines = boot(micro)
    sys.stdout.write(f"a boot, to the end of the script and off: {time.monotonic() - began:.1f} s\n")
    assert "status 0" in lines
    assert "result ACTION=wiped" in lines
    assert any(step.startswith("snapshot") for step in steps(lines))
    assert [line for line in lines if line.startswith("root ")] == ["root etc"]
    with disk.mounted(micro.disks[0].path) as top:
        assert disk.lost(top) == []
        (record,) = disk.boots(top)
        (volume,) = record.volumes
        assert volume.old is not None
        assert (top / os.fsdecode(volume.old) / "nested/image").exists()
        assert not list((top / ".impermanence/staging").iterdir())


def test_off(micro: Machine) -> None:
    lines = boot(micro, "root=/dev/vda rootflags=subvol=root impermanence=off")
    assert "result ACTION=off" in lines
    assert "never mounted" in lines
    assert "root small" in lines
    assert steps(lines) == []


def test_hibernation_image_keeps_the_hook_from_mounting(micro: Machine, workspace: Path) -> None:
    swap = workspace / "swap.img"
    with open(swap, "wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(4086)
        stream.write(b"S1SUSPEND\0")
    micro.disks = (*micro.disks, Disk(swap))
    before = micro.disks[0].path.read_bytes()
    micro.start(append="root=/dev/vda rootflags=subvol=root resume=/dev/vdb")
    go(micro)
    lines = to_the_end(micro)
    assert "result ACTION=refused" in lines
    assert "result REASON=a hibernation image waits in /dev/vdb" in lines
    assert "never mounted" in lines
    assert steps(lines) == []
    assert micro.disks[0].path.read_bytes() == before


def untouched(micro: Machine, lines: list[str]) -> None:
    assert "status 0" in lines, lines
    assert "result ACTION=other" in lines, lines
    assert "result REASON_CODE=other-subvolume" in lines, lines
    with disk.mounted(micro.disks[0].path) as top:
        assert (top / "root/small").exists()
        assert disk.boots(top) == []
        assert not (top / "old_roots").exists()


def test_nested_snapshot_is_chosen_as_the_root(micro: Machine) -> None:
    """In the boot menu, at a rescue: it boots, because the root that it lies in stays where it is."""
    snapshot = "root/.snapshots/31/snapshot"
    with disk.mounted(micro.disks[0].path) as top:
        run("btrfs", "subvolume", "create", top / "root/.snapshots")
        (top / snapshot).parent.mkdir()
        run("btrfs", "subvolume", "snapshot", "-r", top / "root", top / snapshot)
    lines = boot(micro, f"root=/dev/vda rootflags=subvol={snapshot} quiet")
    assert "root small" in lines, lines
    untouched(micro, lines)


def test_another_default_subvolume_boots(micro: Machine) -> None:
    with disk.mounted(micro.disks[0].path) as top:
        run("btrfs", "subvolume", "create", top / "other")
        (top / "other/mine").touch()
        run("btrfs", "subvolume", "set-default", top / "other")
    lines = boot(micro, "root=/dev/vda quiet")
    assert "root mine" in lines, lines
    untouched(micro, lines)


def failing(image: Path, what: str) -> tuple[str, str]:
    """Options of QEMU: a virtio disk on which this fails, each time."""
    words = f"if=virtio,driver=blkdebug,image.driver=raw,image.file.driver=file,image.file.filename={image}"
    return "-drive", f"{words},inject-error.0.event=none,inject-error.0.iotype={what},inject-error.0.errno=5"


@pytest.mark.parametrize("what", ["write", "flush"])
def test_device_that_fails(micro: Machine, what: str) -> None:
    """It can be read, and no more than that: the previous root boots, and the reason is said."""
    image = micro.disks[0].path
    micro.disks = ()
    micro.extra = failing(image, what)
    lines = boot(micro)
    assert "status 0" in lines, lines
    assert "result ACTION=failed" in lines, lines
    reason = next(line for line in lines if line.startswith("result REASON="))
    sys.stdout.write(f"{what} fails: {reason}\n")
    assert "root small" in lines, lines
    with disk.mounted(image) as top:
        assert disk.lost(top) == []
        assert (top / "root/small").exists()
        assert disk.boots(top) == []


def test_power_cuts(micro: Machine, workspace: Path) -> None:
    """Ten cuts at random moments between the first and the last step that changes the filesystem."""
    seed = int(os.environ.get("MICRO_SEED", str(random.SystemRandom().randrange(10**6))))
    draw = random.Random(seed)
    sys.stdout.write(f"MICRO_SEED={seed}\n")
    image = micro.disks[0].path
    clean = workspace / "clean.img"
    shutil.copyfile(image, clean)

    # How many steps the switch takes, and how long one is here, from an uncut boot.
    micro.start()
    go(micro)
    first_step(micro)
    began = time.monotonic()
    whole = []
    while not (line := micro.report(SECONDS)).startswith("status"):
        whole.append(line)
    count = len(steps(whole))
    pause = (time.monotonic() - began) / count
    micro.kill()

    inside = 0
    for number in range(1, CUTS + 1):
        shutil.copyfile(clean, image)
        micro.start()
        go(micro)
        first_step(micro)
        number_of_step, moment = draw.randrange(count - 1), draw.uniform(0, pause)
        seen = cut_after(micro, number_of_step, moment)
        fell_inside = not any(line.startswith("status") for line in seen)
        inside += fell_inside
        last = (steps(seen) or ["the first step"])[-1]
        crashed = workspace / "crashed.img"
        shutil.copyfile(image, crashed)
        with disk.mounted(crashed) as top:
            assert (top / "root/etc/hostname").exists(), f"no root after a cut in: {last}"
            assert disk.lost(top, "staging") == [], f"after a cut in: {last}"
        with_cut = boot(micro)
        assert "status 0" in with_cut, last
        assert "result ACTION=wiped" in with_cut, last
        assert "root etc" in with_cut, last
        with disk.mounted(image) as top:
            assert disk.lost(top) == [], f"after a cut in: {last}"
            assert (top / "root/etc/hostname").exists()
            assert not (top / "root/small").exists()
            assert not list((top / ".impermanence/staging").iterdir())
            numbers = disk.numbers(top)
        assert numbers == sorted(set(numbers))
        place = "inside" if fell_inside else "too late"
        sys.stdout.write(
            f"cut {number}, {moment:.3f} s after step {number_of_step} of {count}, {place}: {shorten(last)}\n"
        )
    assert inside >= CUTS * 7 // 10, f"only {inside} of {CUTS} cuts fell inside the switch"


def first_step(micro: Machine) -> None:
    """The top level is about to be made writable."""
    micro.wait_report(f"step remount {TOP}", SECONDS)


def cut_after(micro: Machine, count: int, seconds: float) -> list[str]:
    """What the guest still reports until the power goes: so long after so many steps."""
    seen: list[str] = []
    while len(steps(seen)) < count:
        seen.append(micro.report(SECONDS))
    deadline = time.monotonic() + seconds
    try:
        while True:
            seen.append(micro.report(max(0.0, deadline - time.monotonic())))
    except MachineError:
        micro.kill()
    return seen


def shorten(step: str) -> str:
    return step.replace(f"{TOP}/", "")
