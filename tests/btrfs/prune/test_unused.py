"""What a cut switch left goes when nobody ever wrote to it, and only then."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.boots import records
from impermanenced.boots.prune.prune import DAY
from impermanenced.boots.records import BootRecord, BootVolume, NextRequest
from tests.conftest import sh
from tests.schema import checked

from .machine import NOW, System, sh_subvolume, uuid_of

UNUSED = f"-unused-{uuid.UUID(int=77)}.next.root"


def leave(system: System, number: int, source: str | None = "root-blank", name: str = UNUSED) -> Path:
    """What the hook of this boot put away, and the plan of the boot before it."""
    path = system.top / f"old_roots/{number}{name}"
    if source is None:
        sh_subvolume(path)
    else:
        system.filesystem.snapshot(source, os.fspath(path.relative_to(system.top)))
    new = uuid_of(path)
    plan = BootRecord(
        number=number - 1,
        boot_id=str(uuid.UUID(int=77)),
        time=NOW,
        release="6.1.0",
        action="wiped",
        volumes=(BootVolume("root", b"root", uuid=new, source=b"root-blank"),),
    )
    (system.boots / f"{number - 1}.plan").write_bytes(records.format_record(plan))
    return path


def plans(system: System) -> list[str]:
    return sorted(path.name for path in system.boots.glob("*.plan"))


def test_ten_boots_leave_nothing_for_good(system: System) -> None:
    """A young one goes as well: keep-min and keep-days are about lives, and this is none."""
    system.configure("keep-min = 3\nkeep-days = 30")
    left = []
    for _ in range(10):
        old = system.boot(0)
        left.append(leave(system, system.newest))
    before = system.subvolumes()
    plan = system.plan()
    assert [root.path for root in plan.unused] == [b"old_roots/" + os.fsencode(path.name) for path in left]
    assert len(plan.plans) == 10 and not plan.found.unknown
    pruned = system.prune()
    assert len(pruned.gone) == 10 and len(pruned.plans) == 10 and not pruned.failed and pruned.left == 0
    assert plans(system) == [] and old.exists()
    gone = {os.fspath(path.relative_to(system.top)) for path in left}
    assert before.keys() - system.subvolumes().keys() == gone
    assert system.prune().gone == () and system.prune().plans == ()


def test_an_empty_one(system: System) -> None:
    system.boot(0)
    left = leave(system, 1, source=None)
    system.filesystem.sync()
    system.goes(left)
    assert plans(system) == []


def write_file(path: Path) -> None:
    (path / "file-of-somebody").write_text("x")


def change_mode(path: Path) -> None:
    (path / "file").chmod(0o600)


def remove(path: Path) -> None:
    (path / "file").unlink()


def nest(path: Path) -> None:
    sh_subvolume(path / "nested")


@pytest.mark.parametrize("touch", [write_file, change_mode, remove, nest])
@pytest.mark.parametrize("later", [False, True], ids=["in the same transaction", "committed"])
def test_one_that_somebody_wrote_to(system: System, touch: Callable[[Path], None], later: bool) -> None:
    system.boot(0)
    left = leave(system, 1)
    touch(left)
    if later:
        system.filesystem.sync()
    assert system.unknown(left) == "was written to"
    assert plans(system) == ["0.plan"], "which says what it was to be"


@pytest.mark.parametrize("touch", [write_file, nest])
def test_an_empty_one_with_files_of_its_first_transaction(
    system: System, touch: Callable[[Path], None]
) -> None:
    system.boot(0)
    left = system.top / f"old_roots/1{UNUSED}"
    sh_subvolume(left)
    touch(left)
    assert system.unknown(left) in ("was written to", "is not empty")


def test_one_that_is_no_copy_of_a_blank(system: System) -> None:
    """A copy of an old root may be all that is left of that life."""
    system.boot(0)
    left = leave(system, 1, source="home")
    assert system.unknown(left) == "is not a copy of a blank"
    assert plans(system) == ["0.plan"]


def test_a_copy_of_a_blank_of_before(system: System) -> None:
    """The blank was taken anew since; the record of a wipe knows the earlier one."""
    earlier = uuid_of(system.top / "root-blank")
    system.boot(1, volumes=(BootVolume("root", b"root", source=b"root-blank", source_uuid=earlier),))
    left = leave(system, 1)
    blank = system.top / "root-blank"
    blank.rename(system.top / "put-aside")
    system.filesystem.snapshot("seed", "root-blank", readonly=True)
    (system.top / ".impermanence/rollback.env").write_bytes(
        (system.top / ".impermanence/rollback.env")
        .read_bytes()
        .replace(earlier.encode(), uuid_of(blank).encode())
    )
    system.goes(left)


def test_not_before_there_is_a_later_record(system: System) -> None:
    """The hook counts on by the names that are there."""
    system.boot(0)
    left = leave(system, 2)
    assert "no record of boot 2" in system.unknown(left)
    assert plans(system) == ["1.plan"]
    system.boot(0)
    system.goes(left)


@pytest.mark.parametrize(
    "name", ["-unused-x.next.root", f"-recovered-{uuid.UUID(int=7)}.next.root", "-unused-"]
)
def test_other_names(system: System, name: str) -> None:
    system.boot(0)
    left = system.filesystem.snapshot("root-blank", f"old_roots/1{name}")
    assert system.unknown(left) == "does not have the name of an old root"


def test_one_that_is_mounted(system: System, tmp_path: Path) -> None:
    system.boot(0)
    left = leave(system, 1)
    where = system.filesystem.mount(tmp_path / "looked-at", f"subvol=old_roots/{left.name}")
    assert "mounted" in system.reason(left)
    assert plans(system) == ["0.plan"]
    system.filesystem.umount(where)
    system.goes(left)


def test_nothing_goes_while_nothing_may(system: System) -> None:
    system.boot(0)
    left = leave(system, 1)
    assert "behind" in system.reason(left, system.now(clock=NOW - 2 * DAY))
    assert plans(system) == ["0.plan"]


def test_plans_that_are_something_else(system: System) -> None:
    """A plan whose root booted, or is there, or that nobody understands, stays."""
    system.boot(0, volumes=(BootVolume("root", b"root", uuid=str(uuid.UUID(int=5))),))
    system.boot(0)
    home = BootVolume("root", b"root", uuid=uuid_of(system.top / "home"))
    booted = BootVolume("root", b"root", uuid=str(uuid.UUID(int=5)))
    for number, volume in ((0, home), (1, booted)):
        plan = BootRecord(number, str(uuid.UUID(int=9)), NOW, "6.1.0", "wiped", volumes=(volume,))
        (system.boots / f"{number}.plan").write_bytes(records.format_record(plan))
    (system.boots / "2.plan").write_text("VERSION=1\n?\n")
    assert system.plan().plans == ()
    system.prune()
    assert plans(system) == ["0.plan", "1.plan", "2.plan"]


def test_a_plan_of_a_run_that_was_cut(system: System) -> None:
    """Its root went, and then the power."""
    system.boot(0)
    left = leave(system, 1)
    sh("btrfs", "subvolume", "delete", "--commit-after", left)
    assert system.plan().plans == (0,) and not system.plan().is_empty
    assert system.prune().plans == (b".impermanence/boots/0.plan",)
    assert plans(system) == []


def test_a_request_does_not_need_it(system: System) -> None:
    system.boot(90)
    system.boot(0)
    left = leave(system, 2)
    request = NextRequest("boot", "x", 0)
    (system.top / ".impermanence/next").write_bytes(records.format_next(request))
    system.goes(left)


def test_the_command(system: System) -> None:
    system.configure("keep-min = 1")
    system.boot(400)
    left = leave(system, 1)
    document = checked("prune", system.command("prune", "--json", "--dry-run").stdout)
    assert [one["path"] for one in document["unused"]] == [f"old_roots/{left.name}"]
    assert [one["path"] for one in document["plans"]] == [".impermanence/boots/0.plan"]
    listed = system.command("prune", "--dry-run")
    assert listed.stdout.startswith("2 leftovers to delete; 1 old root stays.\n"), listed
    assert f"    old_roots/{left.name}\n    .impermanence/boots/0.plan\n" in listed.stdout
    done: subprocess.CompletedProcess[str] = system.command("prune", "--yes")
    assert done.stdout.endswith("0 old roots and 2 leftovers deleted.\n"), done
    assert not left.exists()
