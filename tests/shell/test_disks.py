"""A disk that is full or cannot be written: the previous root boots, unchanged, and the reason is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Filesystem, sh
from tests.shell.cuts import disturbed
from tests.shell.hook import HOME, ROOT, System, uuid_of
from tests.shell.unchanged import unchanged

pytestmark = pytest.mark.usefixtures("build")


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    return System(filesystem)


@pytest.mark.parametrize("setting", ["keep", "stop"])
def test_read_only_device(system: System, setting: str) -> None:
    system.write(on_failure=setting)
    system.filesystem.umount(system.top)
    sh("blockdev", "--setro", system.filesystem.device)
    boot = system.initrd.boot()
    sh("blockdev", "--setrw", system.filesystem.device)
    system.filesystem.mount(system.top, "subvolid=5")
    status = 0 if setting == "keep" else 1
    unchanged(system, boot, "the filesystem cannot be written: ", action="failed", status=status)
    assert boot.result.number is None


def test_no_space_left(system: System) -> None:
    """BTRFS keeps some room for metadata: the switch may succeed; what it must not do is lose or tear."""
    life = uuid_of(system.top / "root")
    with (
        open(system.top / "root/filler", "wb", buffering=0) as stream,
        pytest.raises(OSError, match="No space"),
    ):
        while True:
            stream.write(bytes(1 << 20))
    system.filesystem.sync()
    boot = system.initrd.boot()
    assert boot.result.action in {"wiped", "failed"}, boot.said
    assert (system.top / "root/etc/hostname").exists()
    places = [system.top / "root", *system.top.glob("old_roots/*")]
    assert [path for path in places if uuid_of(path) == life]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("snapshot ", "volume root could not be staged: No space left on device"),
        ("create .impermanence/staging/plan.new", "the plan could not be written: No space left on device"),
        ("commit ", "the plan could not be written: No space left on device"),
        ("rename .impermanence/staging/plan.new", "the plan could not be written: No space left on device"),
        (
            "rename .impermanence/staging/next.root",
            "volume root could not be exchanged: No space left on device",
        ),
    ],
)
def test_full_disk(system: System, tmp_path: Path, step: str, reason: str) -> None:
    """Steps that fail for want of space, each time they are tried."""
    boot = system.initrd.boot(wrap=disturbed(tmp_path, deny=step))
    unchanged(system, boot, reason, action="failed")
    boot = system.initrd.boot()
    assert boot.result.action == "wiped"
    assert not (system.top / "root/crud").exists()


def test_second_exchange_fails(filesystem: Filesystem, tmp_path: Path) -> None:
    """All or none: the volume that was switched gets its old root back."""
    system = System(filesystem, ROOT, HOME)
    boot = system.initrd.boot(wrap=disturbed(tmp_path, deny="rename .impermanence/staging/next.home"))
    unchanged(system, boot, "volume home could not be exchanged", action="failed")
    assert (system.top / "home/crud").read_text() == "crud of home\n"
    boot = system.initrd.boot()
    assert boot.result.action == "wiped"
    assert not (system.top / "root/crud").exists()
    assert not (system.top / "home/crud").exists()
