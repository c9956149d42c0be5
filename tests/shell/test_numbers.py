"""Numbers count up, whatever lies beside the records, and a long history costs no more than a short one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from impermanenced.state import NO_BOOT_ID
from tests.conftest import Filesystem
from tests.shell.hook import INSTALLED, System

pytestmark = pytest.mark.usefixtures("build")
OTHERS = ("20261124-030405", "2026-11-24", "2026-01-2_10:00:00", "7-notes", f"x9-{NO_BOOT_ID}", ".9-x")


def remember(system: System, *numbers: int) -> None:
    """Boots that had these numbers, as the first boot's record tells of it."""
    boots = system.state / "boots"
    content = (boots / "1.env").read_bytes()
    for number in numbers:
        (boots / f"{number}.env").write_bytes(content.replace(b"NUMBER=1\n", b"NUMBER=%d\n" % number))


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    system = System(filesystem)
    system.initrd.boot()
    system.dirty("crud")
    return system


@pytest.mark.parametrize("last", [9, 10, 99, 100, 999, 1000, 9999, 10_000, 123_456_789])
def test_after_the_largest(system: System, last: int) -> None:
    remember(system, 2, 8, last // 10 or 3, last - 1, last)
    for name in OTHERS:
        (system.top / "old_roots" / name).mkdir()
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.number) == ("wiped", last + 1), boot.said
    (told,) = boot.result.volumes
    assert told.old is not None
    assert told.old.startswith(b"old_roots/%d-" % last)


@pytest.mark.parametrize(
    "name", [f"1200-{NO_BOOT_ID}", f"1200-{NO_BOOT_ID}.home", "1200-unused-x", "1200-recovered-x.next.root"]
)
def test_after_what_the_archive_has(system: System, name: str) -> None:
    """Records that somebody deleted: what was archived later still has its number."""
    remember(system, 300)
    (system.top / "old_roots" / f"350-{NO_BOOT_ID}").mkdir()
    (system.top / "old_roots" / name).mkdir()
    assert system.initrd.boot().result.number == 1201


def test_after_what_is_left_of_a_boot(system: System) -> None:
    """Its record is gone, and its plan, its good end or its request is not."""
    for number, suffix in enumerate(("plan", "good", "end", "next", "recovered.leftover"), start=21):
        (system.state / f"boots/{10 * number}.{suffix}").touch()
        boot = system.initrd.boot()
        assert (boot.result.action, boot.result.number) == ("wiped", 10 * number + 1), boot.said


def test_number_that_nobody_can_count(system: System) -> None:
    """More digits than a number has."""
    (system.state / "boots/1234567890.env").touch()
    (system.top / f"old_roots/1234567890-{NO_BOOT_ID}").mkdir()
    assert system.initrd.boot().result.number == 2


def history(system: System, first: int, last: int) -> None:
    for number in range(first, last + 1):
        remember(system, number)
        for suffix in ("good", "end"):
            (system.state / f"boots/{number}.{suffix}").touch()
        (system.top / f"old_roots/{number - 1}-{NO_BOOT_ID}").mkdir(exist_ok=True)


def traced(system: System, run: Path) -> Counter[str]:
    """The system calls of a boot; memory is wanted and directories are read in pieces."""
    wrap = ("strace", "-qq", "-o", run.with_suffix(".trace"))
    boot = system.initrd.boot(run=run, wrap=wrap)
    assert boot.result.action == "wiped", boot.said
    calls = Counter(line.partition("(")[0] for line in run.with_suffix(".trace").read_text().splitlines())
    return calls - Counter({"brk": calls["brk"], "mmap": calls["mmap"], "getdents64": calls["getdents64"]})


def test_long_history_takes_no_more_steps(system: System, tmp_path: Path) -> None:
    if system.initrd.build != INSTALLED:
        pytest.skip("the sanitizers make calls of their own: the installed build is traced")
    history(system, 2, 100)
    few = traced(system, tmp_path / "few")
    (system.state / "boots/101.good").touch()
    history(system, 102, 600)
    many = traced(system, tmp_path / "many")
    assert many == few, (many - few, few - many)
