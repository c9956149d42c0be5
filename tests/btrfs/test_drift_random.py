"""Random sequences of operations: drift against the walk, and against `btrfs send`."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impermanenced.model import Change

from ..conftest import sh
from .conftest import Volumes

NAMES = [b"a", b"b", b"c", b"d\n", b"\xff"]
OPERATIONS = [
    "create", "write", "write", "append", "truncate", "mkdir", "unlink", "rmtree", "rename", "rename",
    "exchange", "link", "symlink", "fifo", "chmod", "chown", "xattr", "utime", "subvolume", "sync", "punch",
]  # fmt: skip


def any_path(root: bytes, chosen: random.Random) -> bytes:
    return root + b"/" + b"/".join(chosen.choice(NAMES) for _ in range(chosen.randint(1, 3)))


def operate(root: bytes, name: str, chosen: random.Random) -> None:
    """One operation somewhere below; whatever the kernel refuses is no operation."""
    path, other = any_path(root, chosen), any_path(root, chosen)
    with contextlib.suppress(OSError, AssertionError, shutil.Error):
        match name:
            case "create":
                Path(os.fsdecode(path)).touch()
            case "write" | "append" if os.path.lexists(path) and not os.path.isfile(path):
                pass  # opening a fifo would wait for ever
            case "write":
                content = bytes([chosen.randrange(3)]) * chosen.choice([1, 10, 5000, 70000])
                Path(os.fsdecode(path)).write_bytes(content)
            case "append":
                with open(path, "ab") as stream:
                    stream.write(b"more")
            case "truncate":
                os.truncate(path, chosen.choice([0, 10, 5000]))
            case "mkdir":
                os.mkdir(path)
            case "unlink":
                os.unlink(path)
            case "rmtree" if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)  # of anything else it opens, and a fifo would wait for ever
            case "rename":
                os.rename(path, other)
            case "exchange":
                os.rename(path, path + b"~")
                os.rename(other, path)
                os.rename(path + b"~", other)
            case "link":
                os.link(path, other, follow_symlinks=False)
            case "symlink":
                os.symlink(chosen.choice(NAMES), path)
            case "fifo":
                os.mkfifo(path)
            case "chmod":
                os.chmod(path, chosen.choice([0o600, 0o640, 0o755]))
            case "chown":
                os.chown(path, chosen.randrange(3), chosen.randrange(3), follow_symlinks=False)
            case "xattr":
                os.setxattr(path, "user.x", chosen.choice([b"1", b"2"]))
            case "utime":
                os.utime(path, (chosen.randrange(5), chosen.randrange(5)))
            case "subvolume":
                sh("btrfs", "subvolume", "create", path)
            case "sync":
                sh("btrfs", "filesystem", "sync", root)
            case "punch":
                sh("fallocate", "--punch-hole", "--offset", "4096", "--length", "8192", path)


steps = st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2**32))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(steps, max_size=30),
    after=st.lists(steps, min_size=1, max_size=40),
)
def test_random_operations(
    volumes: Volumes, before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    count = len(os.listdir(volumes.top))
    seed, blank, root = f"seed{count}", f"blank{count}", f"root{count}"
    volumes.filesystem.subvolume(seed)
    for name, number in before:
        operate(os.fsencode(volumes.top / seed), name, random.Random(number))
    volumes.filesystem.snapshot(seed, blank, readonly=True)
    volumes.filesystem.snapshot(blank, root)
    for name, number in after:
        operate(os.fsencode(volumes.top / root), name, random.Random(number))
    volumes.check(root, blank)


def touched_by_send(volumes: Volumes, root: str) -> set[str]:
    """The paths that the stream of a send names, where it may name a path: not for orphans it renames."""
    volumes.filesystem.snapshot(root, f"{root}-sent", readonly=True)
    stream = volumes.filesystem.directory / "stream"
    sh("btrfs", "send", "-q", "--no-data", "-p", volumes.top / "root-blank", "-f", stream,
       volumes.top / f"{root}-sent")  # fmt: skip
    dump = sh("btrfs", "receive", "--dump", "-f", stream)
    prefix = f"./{root}-sent"
    paths = set()
    for line in dump.splitlines():
        words = line.split()
        if words[0] in ("snapshot", "utimes"):  # utimes follow every change, also of atime
            continue
        paths |= {word.removeprefix(prefix) for word in words[1:] if word.startswith(prefix)}
    return {path for path in paths if not re.match(r"^/o\d+-\d+-\d+", path)}


@pytest.mark.parametrize("seed", range(5))
def test_a_send_stream_names_nothing_that_drift_does_not(volumes: Volumes, seed: int) -> None:
    """In a flat directory without renames, where send has no reason for detours, both name the same."""
    chosen = random.Random(seed)
    big = volumes.top / "root/var/big"
    for _ in range(60):
        path = big / f"file{chosen.randrange(60)}"
        match chosen.choice(["write", "unlink", "chmod", "xattr"]):
            case "write":
                path.write_bytes(chosen.randbytes(chosen.choice([5, 9000])))
            case "unlink":
                path.unlink(missing_ok=True)
            case "chmod" if path.exists():
                path.chmod(chosen.choice([0o600, 0o640]))
            case "xattr" if path.exists():
                os.setxattr(path, "user.x", b"1")
    found = volumes.check()
    sent = touched_by_send(volumes, "root")
    named = {os.fsdecode(one.path) for one in found}
    assert sent <= named
    assert {os.fsdecode(one.path) for one in found if one.change is not Change.METADATA} <= sent
