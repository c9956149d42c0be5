"""A blank that cannot boot: after three boots that nobody called good, the last good root comes back."""

from __future__ import annotations

import pytest

from impermanenced.boots.records import NextRequest
from tests.conftest import Filesystem, sh
from tests.shell.hook import System

pytestmark = pytest.mark.usefixtures("build")


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    """Boot 1 was good, boots 2 to 4 were not."""
    system = System(filesystem)
    for number in range(1, 5):
        system.initrd.boot()
        system.dirty(f"life {number}")
        if number == 1:
            (system.state / "boots/1.good").touch()
    return system


def test_falls_back_and_holds_until_a_wipe_is_asked_for(system: System) -> None:
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.boot, boot.result.hold) == ("booted", 1, True), boot.said
    assert "3 boots in a row did not complete" in boot.said
    assert (system.top / "root/life 1").exists()
    for _ in range(4):
        boot = system.initrd.boot()
        assert (boot.result.action, boot.result.hold) == ("kept", True)
    assert system.initrd.boot("impermanence=keep").result.hold
    system.request(NextRequest("wipe", "go-on"))
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.hold) == ("wiped", False)
    assert not (system.top / "root/life 1").exists()


def test_a_good_boot_among_them_is_enough(system: System) -> None:
    (system.state / "boots/3.good").touch()
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.hold) == ("wiped", False)


def test_where_nobody_says_which_boots_are_good(system: System) -> None:
    (system.state / "boots/1.good").unlink()
    assert system.initrd.boot().result.action == "wiped"


def test_good_root_is_gone(system: System) -> None:
    (root,) = system.top.glob("old_roots/1-*")
    sh("btrfs", "subvolume", "delete", root)
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.hold, boot.result.boot) == ("wiped", False, None)
    assert "the last good root cannot be booted: there is no old root 1 of volume root" in boot.said


def test_keep_asked_for_comes_first(system: System) -> None:
    assert system.initrd.boot("impermanence=keep").result.action == "kept"
    assert (system.top / "root/life 4").exists()
