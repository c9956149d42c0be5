"""Fixtures that every kind of test may use: a real BTRFS on a loop device, and proof that nothing stays."""

from __future__ import annotations

import functools
import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck

from tests.isolation import attach, detach, own_mount_namespace

LONGEST_ID = 32  # characters of a value in the name of a test


def pytest_configure(config: pytest.Config) -> None:
    """What a test mounts, no other process can keep mounted: each pytest process has its own namespace.

    And a directory of its own: every pytest that starts closes /tmp/pytest-of-root to all other users.
    """
    if config.option.basetemp is None:  # a worker has it from the process that started it
        config.option.basetemp = tempfile.mkdtemp(prefix="pytest-of-root-")
        config.add_cleanup(functools.partial(_remove, config.option.basetemp))
    os.environ.pop("COLUMNS", None)  # of whoever looks at the tests; execnet has one as well
    hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    hypothesis.settings.load_profile("busy")  # how long an example takes says nothing on a busy machine
    if os.geteuid() == 0:
        own_mount_namespace()


def _remove(directory: str) -> None:
    """Remove what the tests left; not by shutil, which waits for somebody at the other end of a fifo."""
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=False)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Cut a long value in the name of a test; None leaves the name to pytest."""
    if not isinstance(val, (str, bytes)) or len(val) <= LONGEST_ID:
        return None
    words = val if isinstance(val, str) else val.decode("latin-1")
    return words[:LONGEST_ID].encode("unicode_escape").decode()[: LONGEST_ID - 2] + ".."


def sh(
    *argv: str | bytes | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program that must succeed; its standard output."""
    result = subprocess.run(
        argv,
        cwd=cwd,
        env=env,
        input=input,
        timeout=timeout,
        check=False,
        capture_output=True,
        text=True,
        errors="surrogateescape",
    )
    assert result.returncode == 0, f"{argv}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


def as_unit(name: str) -> list[str]:
    """What stands before a program for it to have the capabilities of this unit of ours, and no others."""
    unit = Path(__file__).parents[1] / "systemd" / name
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("CapabilityBoundingSet=")]
    wanted = "".join(f",+{one.removeprefix('CAP_').lower()}" for one in line.partition("=")[2].split())
    return ["setpriv", f"--bounding-set=-all{wanted}", f"--inh-caps=-all{wanted}", "--no-new-privs", "--"]


def calls(function: Callable[[], object]) -> int:
    """How many calls a function makes, C's too: its work in a measure that no busy machine changes.

    No garbage is collected meanwhile: hypothesis has functions called whenever that happens.
    """
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def swap_on(path: Path) -> None:
    """A small swap file that is in use; swapoff(8) it."""
    path.touch()
    sh("chattr", "+C", path)
    path.write_bytes(bytes(4 << 20))
    path.chmod(0o600)
    sh("mkswap", path)
    sh("swapon", path)


class Filesystem:
    """A BTRFS image on a loop device, its top level mounted at `top`."""

    def __init__(self, directory: Path, size: str = "512M") -> None:
        self.image = directory / "btrfs.img"
        self.top = directory / "top"
        self.directory = directory
        self.mounts: list[Path] = []
        with open(self.image, "wb") as stream:
            stream.truncate(int(size.removesuffix("M")) << 20)
        sh("mkfs.btrfs", "-q", self.image)
        self.device = attach(self.image)
        self.mount(self.top, "subvolid=5")

    def mount(self, where: Path, options: str) -> Path:
        where.mkdir(parents=True, exist_ok=True)
        sh("mount", "-t", "btrfs", "-o", options, self.device, where)
        self.mounts.append(where)
        return where

    def umount(self, where: Path) -> None:
        sh("umount", where)
        self.mounts.remove(where)

    def subvolume(self, path: str) -> Path:
        sh("btrfs", "subvolume", "create", self.top / path)
        return self.top / path

    def snapshot(self, source: str, target: str, *, readonly: bool = False) -> Path:
        flags = ["-r"] if readonly else []
        sh("btrfs", "subvolume", "snapshot", *flags, self.top / source, self.top / target)
        return self.top / target

    def sync(self) -> None:
        sh("btrfs", "filesystem", "sync", self.top)

    def close_mounts(self) -> None:
        for where in reversed(self.mounts):
            sh("umount", "-R", where)
        self.mounts.clear()

    def close(self) -> None:
        self.close_mounts()
        detach(self.device, self.image)
        self.image.unlink()


@pytest.fixture
def filesystem(tmp_path: Path) -> Iterator[Filesystem]:
    if os.geteuid() != 0:
        pytest.skip("needs root for a loop device: run make test as root")
    filesystem = Filesystem(tmp_path)
    try:
        yield filesystem
    finally:
        filesystem.close()


def left_behind() -> tuple[set[str], set[str]]:
    mounts = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    loops = set(sh("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").splitlines())
    return mounts, {line for line in loops if "pytest" in line}


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """No test leaves a mount or a loop device of its own."""
    yield
    mounts, loops = left_behind()
    mine = os.fspath(tmp_path)
    assert not [path for path in mounts if path.startswith(mine)]
    assert not [line for line in loops if mine in line]
