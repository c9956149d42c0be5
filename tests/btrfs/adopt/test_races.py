"""Somebody owns the directory above, or writes there, while a path is adopted."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.errors import ImpermanenceError
from impermanenced.keep.adopt import changes
from impermanenced.kernel import attach
from tests.conftest import sh

from ..copying.test_races import attacking, swapping
from ..races import ALICE
from .machine import Machine

TRIES = 30  # of whole jobs; test_step_races has many of the steps


def facts(where: Path) -> list[tuple[object, ...]]:
    return [
        (path, info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, info.st_nlink, info.st_size)
        for path in sorted([where, *where.rglob("*")])
        for info in [path.lstat()]
    ]


@pytest.fixture
def home(machine: Machine) -> Path:
    """Alice's home, and one of hers in the persist volume; what is root's beside them is nobody else's."""
    for place in (machine.root / "home/alice", machine.persist / "home/alice"):
        place.mkdir(parents=True, exist_ok=True)
        os.chown(place, ALICE, ALICE)
    secret = machine.root / "etc/secret"
    secret.mkdir(mode=0o700)
    (secret / "file").write_text("root's")
    (secret / "below").mkdir()
    notes = machine.root / "home/alice/notes"
    notes.mkdir(exist_ok=True)
    (notes / "file").write_text("alice's")
    (notes / "below").mkdir()
    for path in (notes, *notes.rglob("*")):
        os.chown(path, ALICE, ALICE)
    return machine.root / "home/alice"


@pytest.mark.parametrize("where", ["parent", "path", "source"])
def test_who_owns_a_directory_on_the_way_redirects_nothing(machine: Machine, home: Path, where: str) -> None:
    """Directories and links to root's are swapped all the time: by her, and so beneath what she owns."""
    secret = machine.root / "etc/secret"
    before = facts(secret)
    (home / "work/notes").mkdir(parents=True)
    (home / "work/notes/file").write_text("alice's")
    (machine.persist / "home/alice/work").mkdir()
    for path in (home / "work", home / "work/notes", machine.persist / "home/alice/work"):
        os.chown(path, ALICE, ALICE)
    link = (machine.persist if where == "source" else machine.root) / "home/alice/link"
    link.symlink_to(secret)
    swapped = {
        "parent": home / "work",
        "path": home / "work/notes",
        "source": machine.persist / "home/alice/work",
    }[where]
    with attacking(swapping(swapped, link)):
        for _ in range(TRIES if where != "source" else 10):  # there each try goes through
            with contextlib.suppress(ImpermanenceError, OSError):
                machine.adopt("/home/alice/work/notes")
            with contextlib.suppress(ImpermanenceError, OSError):
                machine.give_back("/home/alice/work/notes")
    assert facts(secret) == before
    assert sorted(path.name for path in (machine.root / "etc").iterdir()) == ["secret"]
    for top in (machine.root / "home", machine.persist / "home"):
        for path in top.rglob("file"):
            assert path.is_symlink() or path.read_text() == "alice's"
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    assert not [path for path in mounted if path.startswith(os.fspath(machine.root / "etc"))]


def test_what_is_written_until_the_swap_is_copied(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program opens, writes and closes between the last look and the mount."""
    tree = machine.root / "var/lib/app"
    (tree / "below").mkdir(parents=True)
    (tree / "file").write_text("before")
    mount = attach.attach

    def late(tree_fd: int, place: int) -> None:
        (tree / "file").write_text("written at the last moment")
        (tree / "below/new").write_text("new at the last moment")
        mount(tree_fd, place)

    monkeypatch.setattr(attach, "attach", late)
    _, notes = machine.adopt("/var/lib/app")
    assert notes == []
    assert (tree / "file").read_text() == "written at the last moment"
    assert (tree / "below/new").read_text() == "new at the last moment"
    assert machine.mounted("/var/lib/app")


def test_what_is_written_until_it_goes_back_is_copied(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = machine.root / "var/lib/app"
    tree.mkdir()
    (tree / "file").write_text("before")
    machine.adopt("/var/lib/app")
    umount = attach.detach

    def late(directory_fd: int, name: bytes) -> None:
        (tree / "file").write_text("written at the last moment")
        umount(directory_fd, name)

    monkeypatch.setattr(attach, "detach", late)
    machine.give_back("/var/lib/app")
    assert (tree / "file").read_text() == "written at the last moment"


def test_who_has_the_old_file_open_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = machine.root / "var/lib/app"
    tree.mkdir()
    (tree / "file").write_text("before")
    mount = attach.attach
    script = "import sys; held = open('file', 'a'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", f"import os; os.chdir({os.fspath(tree)!r}); {script}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdin and running.stdout
        running.stdout.readline()
        monkeypatch.setattr("impermanenced.keep.adopt.checks.refuse_users", lambda *_, **__: None)
        _, notes = machine.adopt("/var/lib/app")
        assert any(f"(pid {running.pid}) has open for writing the old" in note for note in notes)
        running.stdin.close()
    assert mount is attach.attach


def test_something_that_never_stands_still_is_not_adopted(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = machine.root / "var/lib/app"
    tree.mkdir()
    (tree / "file").write_text("0")
    now, count = changes.now, 0

    def moving() -> int:
        nonlocal count
        count += 1
        moment = now()
        (tree / "file").write_text(f"{count}")
        return moment

    monkeypatch.setattr(changes, "now", moving)
    with pytest.raises(ImpermanenceError, match="long enough"):
        machine.adopt("/var/lib/app")
    assert not machine.mounted("/var/lib/app")
    assert not (machine.persist / "var/lib/app").exists()
    assert sh("findmnt", "-n", "-o", "TARGET", "-T", tree).strip() == os.fspath(machine.root)
