"""A blank that is not as recorded, or cannot boot, is not booted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from tests.conftest import Filesystem, sh
from tests.shell.hook import HOME, ROOT, System, uuid_of
from tests.shell.unchanged import unchanged

pytestmark = pytest.mark.usefixtures("build")


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    return System(filesystem)


def missing(system: System) -> None:
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")


def writable(system: System) -> None:
    sh("btrfs", "property", "set", system.top / "root-blank", "ro", "false")


def another(system: System) -> None:
    missing(system)
    system.filesystem.snapshot("root", "root-blank", readonly=True)


def plain(system: System) -> None:
    missing(system)
    (system.top / "root-blank").mkdir()


BLANKS = [
    (missing, "it is missing"),
    (writable, "it is not read-only"),
    (another, "it is another one than recorded"),
    (plain, "it is not a subvolume"),
]


@pytest.mark.parametrize(("change", "reason"), BLANKS)
@pytest.mark.parametrize("setting", ["keep", "create-empty", "stop"])
def test_blank(system: System, change: Callable[[System], None], reason: str, setting: str) -> None:
    system.write(on_missing_blank=setting)
    change(system)
    boot = system.initrd.boot()
    if setting == "create-empty":
        assert boot.result.action == "wiped"
        assert reason in boot.result.reason
        assert boot.result.volumes[0].source == b""
        assert list((system.top / "root").iterdir()) == []
    else:
        unchanged(system, boot, reason, status=0 if setting == "keep" else 1)
        assert system.record(1) == boot.result
        assert system.archive() == []


def test_blank_lacks_what_is_required(system: System) -> None:
    system.write(volumes=(ROOT._replace(require=(b"/etc/hostname", b"/bin/sh")),))
    unchanged(system, system.initrd.boot(), "it has no /bin/sh")
    # An empty root lacks it too: it is not made in the blank's place.
    system.write(on_missing_blank="create-empty")
    missing(system)
    unchanged(system, system.initrd.boot(), "it has no /etc/hostname")
    system.write(volumes=(ROOT._replace(blank=None, require=(b"/bin/sh",)),))
    unchanged(system, system.initrd.boot(), "it has no /bin/sh")


@pytest.mark.parametrize("base", ["lib", "usr/lib"])
def test_modules_of_the_running_kernel(system: System, base: str) -> None:
    """A kernel was installed after the blank was made: the blank would boot without its modules."""
    release = os.uname().release
    modules = system.top / "root" / base / "modules" / release
    modules.mkdir(parents=True)
    unchanged(system, system.initrd.boot(), f"it has no modules for kernel {release}")
    missing(system)
    blank = system.filesystem.snapshot("root", "root-blank", readonly=True)
    system.write(volumes=(ROOT._replace(blank_uuid=uuid_of(blank)),))
    assert system.initrd.boot().result.action == "wiped"


def test_one_bad_blank_of_two_wipes_nothing(filesystem: Filesystem) -> None:
    system = System(filesystem, ROOT, HOME)
    sh("btrfs", "subvolume", "delete", system.top / "home-blank")
    unchanged(system, system.initrd.boot(), "the blank home-blank of volume home: it is missing")
    assert (system.top / "home/crud").exists()


def test_missing_volume_is_made_of_its_blank(system: System) -> None:
    shutil.move(system.top / "root", system.top / "away")
    system.write(wipe=False)
    boot = system.initrd.boot("impermanence=keep")
    assert (boot.result.action, boot.result.reason) == ("wiped", "there was no volume root")
    assert (system.top / "root/etc/hostname").exists()
    assert boot.result.volumes[0].old is None
