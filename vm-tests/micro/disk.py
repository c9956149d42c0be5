"""The disk of the micro machine, made and looked at on the host through a loop device."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from impermanenced.boots import records
from micro.initramfs import run

ROOT = records.RollbackVolume("root", b"root", b"root-blank", require=(b"/etc/hostname",))


@contextlib.contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """The top level."""
    device = run("losetup", "--find", "--show", image).strip()
    top = image.with_suffix(".top")
    top.mkdir(exist_ok=True)
    try:
        run("mount", "-t", "btrfs", "-o", "subvolid=5", device, top)
        try:
            yield top
        finally:
            run("umount", top)
    finally:
        detach(device)
        top.rmdir()


def detach(device: str) -> None:
    """Detach the loop device of a filesystem that has been unmounted, once the kernel has let go of it."""
    deadline = time.monotonic() + 30
    while subprocess.run(["btrfs", "device", "scan", "--forget", device], capture_output=True).returncode:
        assert time.monotonic() < deadline, f"{device} is still mounted somewhere"
        select.select([], [], [], 0.05)
    run("losetup", "--detach", device)


def make(image: Path) -> None:
    """A root with one life behind it: three files that the wipe must not lose."""
    with open(image, "wb") as stream:
        stream.truncate(160 << 20)
    run("mkfs.btrfs", "-q", image)
    with mounted(image) as top:
        for name in ("root", ".impermanence"):
            run("btrfs", "subvolume", "create", top / name)
        (top / "root/etc").mkdir()
        (top / "root/etc/hostname").write_text("micro\n")
        run("btrfs", "subvolume", "snapshot", "-r", top / "root", top / "root-blank")
        run("btrfs", "subvolume", "create", top / "root/nested")
        (top / "root/nested/image").write_text("inside\n")
        (top / "root/small").write_text("small\n")
        (top / "root/large").write_bytes(b"large" * 100_000)
        rollback = records.RollbackEnv(volumes=(ROOT,), fsid=run("findmnt", "-no", "UUID", top).strip())
        (top / ".impermanence/rollback.env").write_bytes(records.format_rollback(rollback))


def lost(top: Path, *besides: str) -> list[str]:
    """Files of the first life that are nowhere, whole, in one root; `besides`: in the state directory."""
    wanted = {"small": b"small\n", "large": b"large" * 100_000, "nested/image": b"inside\n"}
    directories = [top / "old_roots", *(top / ".impermanence" / name for name in besides)]
    roots = [top / "root", *(root for where in directories if where.is_dir() for root in where.iterdir())]
    missing = [
        sorted(name for name, content in wanted.items() if not same(root / name, content)) for root in roots
    ]
    return min(missing, key=len)


def same(path: Path, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        return path.read_bytes() == content
    return False


def boots(top: Path) -> list[records.BootRecord]:
    files = sorted((top / ".impermanence/boots").glob("*.env"), key=lambda path: int(path.stem))
    return [records.parse_record(path.read_bytes(), os.fsencode(path)) for path in files]


def numbers(top: Path) -> list[int]:
    """Those of the boots; each has one."""
    found = []
    for record in boots(top):
        assert record.number is not None, record
        found.append(record.number)
    return found
