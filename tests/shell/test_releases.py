"""A new blank under which no boot completes gives way to the release before it."""

from __future__ import annotations

import pytest

from impermanenced.boots.records import NextRequest
from tests.conftest import Filesystem, sh
from tests.shell.hook import System, promote, uuid_of

pytestmark = pytest.mark.usefixtures("build")

MODULES = "lib/modules"


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    """Boot 1 with the first blank was good; then a second one became the blank."""
    system = System(filesystem)
    system.initrd.boot()
    (system.state / "boots/1.good").touch()
    promote(system)
    return system


def is_second(system: System) -> bool:
    return (system.top / "root/etc/release").exists()


def bad_boots(system: System, count: int = 3) -> None:
    for _ in range(count):
        assert system.initrd.boot().result.action == "wiped"
        assert is_second(system)


def test_gives_way_after_three_boots_and_stays_so(system: System) -> None:
    old, new = uuid_of(system.top / "root-blank@1"), uuid_of(system.top / "root-blank")
    bad_boots(system)
    assert "gives way" in system.initrd.examine()[0]
    assert is_second(system)
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.hold) == ("wiped", False), boot.said
    assert boot.result.reason is not None
    assert "gives way to the one before it" in boot.result.reason
    assert boot.result.volumes[0].source_uuid == old
    assert not is_second(system)
    assert uuid_of(system.top / "root-blank") == old
    assert uuid_of(system.top / "root-blank@1") == new
    for _ in range(2):  # whether they complete or not
        boot = system.initrd.boot()
        assert (boot.result.action, boot.result.reason_code) == ("wiped", "blank-before")
        assert not is_second(system)
    (system.state / f"boots/{boot.result.number}.good").touch()
    assert system.initrd.boot().result.volumes[0].source_uuid == old


def test_the_last_good_root_comes_when_the_one_before_is_bad_too(system: System) -> None:
    bad_boots(system)
    for _ in range(3):
        assert system.initrd.boot().result.action == "wiped"
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.boot, boot.result.hold) == ("booted", 1, True), boot.said


def test_one_that_was_good_once_is_not_new(system: System) -> None:
    bad_boots(system, 1)
    (system.state / "boots/2.good").touch()
    bad_boots(system)
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.boot) == ("booted", 2), boot.said
    assert is_second(system)


def test_a_boot_that_kept_its_root_is_none_of_the_blank(system: System) -> None:
    bad_boots(system, 1)
    system.request(NextRequest("keep", "once"))
    system.initrd.boot()
    bad_boots(system, 1)
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.boot) == ("booted", 1), boot.said


def test_asked_to_wipe_it_does(system: System) -> None:
    bad_boots(system)
    system.request(NextRequest("wipe", "once-more"))
    system.initrd.boot()
    assert is_second(system)


@pytest.mark.parametrize("place", ["root-blank@next", "root-blank@1"])
def test_a_promotion_that_was_cut_before_the_old_one_had_its_place(system: System, place: str) -> None:
    (system.top / "root-blank@1").rename(system.top / place)
    bad_boots(system)
    system.initrd.boot()
    assert not is_second(system)


def test_a_promotion_that_was_cut_before_the_exchange(system: System) -> None:
    """The record names the new one, and the old one has the name still: it is known, and boots."""
    top = system.top
    (top / "root-blank").rename(top / "root-blank@next")
    (top / "root-blank@1").rename(top / "root-blank")
    old = uuid_of(top / "root-blank")
    for _ in range(3):
        boot = system.initrd.boot()
        assert (boot.result.action, boot.result.volumes[0].source_uuid) == ("wiped", old)
        assert boot.result.reason_code == "blank-before"


@pytest.mark.parametrize("what", ["gone", "writable", "another", "without modules"])
def test_the_one_before_cannot_be_booted(system: System, what: str) -> None:
    place = system.top / "root-blank@1"
    bad_boots(system)
    if what == "writable":
        sh("btrfs", "property", "set", "-ts", place, "ro", "false")
    elif what == "without modules":
        (system.top / "root" / MODULES / sh("uname", "-r").strip()).mkdir(parents=True)
    else:
        sh("btrfs", "subvolume", "delete", place)
    if what == "another":
        system.filesystem.snapshot("root", "root-blank@1", readonly=True)
    boot = system.initrd.boot()
    blank = uuid_of(system.top / "root-blank")
    assert blank == system.rollback.volumes[0].blank_uuid
    if what == "without modules":  # neither has the old root of the good boot, so it wipes as usual
        assert boot.result.action == "refused", boot.said
    else:
        assert (boot.result.action, boot.result.boot) == ("booted", 1), boot.said


def test_a_third_blank_under_a_recorded_name_is_still_refused(system: System) -> None:
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")
    system.filesystem.snapshot("root", "root-blank", readonly=True)
    assert system.initrd.boot().result.reason_code == "blank-replaced"
