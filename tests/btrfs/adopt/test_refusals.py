"""What keeps a path from being adopted: one line that says so, and nothing is changed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.boots.records.job import Step
from impermanenced.errors import Cancelled, CommandError, ImpermanenceError, UsageError
from impermanenced.keep.adopt import persist
from tests.conftest import Filesystem, sh, swap_on

from ..copying.conftest import Stop
from ..races import ALICE
from .machine import Machine


def everything(machine: Machine) -> str:
    top = machine.filesystem.top
    return sh("find", top / "root", top / "persist", "-xdev", "-printf", "%p %i %T@ %C@ %m %U %l\n")


def refused(machine: Machine, path: str, *stop: str) -> ImpermanenceError:
    machine.recover()
    before = everything(machine)
    with pytest.raises(ImpermanenceError) as caught:
        machine.adopt(path, *stop)
    assert everything(machine) == before
    assert machine.jobs() == [] and machine.declared() == set()
    assert caught.value.message.count("\n") == 0
    assert caught.value.hint
    return caught.value


@pytest.fixture
def app(machine: Machine) -> Path:
    tree = machine.root / "var/lib/app"
    tree.mkdir()
    (tree / "file").write_bytes(b"content" * 100_000)
    return tree


@pytest.mark.parametrize("where", ["root", "persist"])
def test_a_directory_of_roots_in_a_users(machine: Machine, where: str) -> None:
    """Alice may move it to where hers was, and what is closed in it would get to where she can read."""
    notes = machine.root / "home/alice/work/notes"
    notes.mkdir(parents=True)
    stored = machine.persist / "home/alice/work"
    stored.mkdir(parents=True)
    theirs = {"root": stored, "persist": notes.parent}[where]
    for path in (machine.root / "home/alice", machine.persist / "home/alice", theirs):
        os.chown(path, ALICE, ALICE)
    error = refused(machine, "/home/alice/work/notes")
    assert f"work lies in a directory of uid {ALICE}, and is of uid 0" in error.message


def test_a_persist_volume_that_is_read_only(machine: Machine, app: Path) -> None:
    sh("mount", "-o", "remount,bind,ro", machine.persist)
    assert "read-only" in refused(machine, "/var/lib/app").message
    sh("mount", "-o", "remount,bind,rw", machine.persist)


def test_a_persist_volume_in_the_volume_that_is_wiped(machine: Machine, app: Path) -> None:
    machine.shut_down()
    machine.filesystem.mount(machine.root, "subvol=root")
    config = '[persist."/persist"]\n'
    machine.configure(config)
    assert "the next boot takes it away" in refused(machine, "/var/lib/app").message


def test_a_persist_volume_that_keeps_nothing(machine: Machine, app: Path) -> None:
    (machine.root / "memory").mkdir()
    machine.filesystem.mounts.append(machine.root / "memory")
    sh("mount", "-t", "tmpfs", "tmpfs", machine.root / "memory")
    machine.configure('[persist."/memory"]\n')
    machine.volume = b"/memory"
    assert "keeps nothing" in refused(machine, "/var/lib/app").message


def test_a_persist_volume_that_is_full(machine: Machine, app: Path, tmp_path: Path) -> None:
    """Another filesystem, so nothing can be shared; what a copy needs is known before."""
    (tmp_path / "other").mkdir()
    other = Filesystem(tmp_path / "other", "128M")
    try:
        (machine.root / "other").mkdir()
        sh("mount", "--bind", other.top, machine.root / "other")
        with open(app / "large", "wb") as stream:
            for _ in range(200):
                stream.write(os.urandom(1 << 20))
        machine.configure('[persist."/other"]\n')
        machine.volume = b"/other"
        error = refused(machine, "/var/lib/app")
        assert "free" in error.message and "--to" in str(error.hint)
        # It fills up while it is copied: what was copied goes again.
        (app / "large").unlink()
        (app / "some").write_bytes(os.urandom(20 << 20))

        def fill() -> bool:
            with contextlib.suppress(OSError), open(other.top / "ballast", "ab") as ballast:
                while True:
                    ballast.write(os.urandom(1 << 20))
                    ballast.flush()
            return False

        machine.cancelled = fill
        with pytest.raises((OSError, ImpermanenceError)):
            machine.adopt("/var/lib/app")
        assert not (other.top / "var/lib/app").exists()
        assert not machine.mounted("/var/lib/app") and machine.declared() == set()
    finally:
        sh("umount", machine.root / "other")
        other.close()


def test_what_lies_elsewhere_or_is_kept(machine: Machine, app: Path) -> None:
    for directory in ("memory", "run"):
        (machine.root / directory).mkdir()
        machine.filesystem.mounts.append(machine.root / directory)
        sh("mount", "-t", "tmpfs", "tmpfs", machine.root / directory)
        (machine.root / directory / "below").mkdir()
        assert "every boot makes anew" in refused(machine, f"/{directory}/below").message
    assert "persist volume" in refused(machine, "/persist").message


def test_what_is_mounted_in_it(machine: Machine, app: Path) -> None:
    (app / "below").mkdir()
    machine.filesystem.mounts.append(app / "below")
    sh("mount", "-t", "tmpfs", "tmpfs", app / "below")
    assert "mounted in it" in refused(machine, "/var/lib/app").message
    assert "mounted there already" in refused(machine, "/var/lib/app/below").message


def test_a_link_or_a_device(machine: Machine, app: Path) -> None:
    (machine.root / "var/lib/link").symlink_to("app")
    os.mkfifo(app / "fifo")
    assert "is a link to app" in refused(machine, "/var/lib/link").message
    assert "on the way" in refused(machine, "/var/lib/link/file").message
    assert "neither" in refused(machine, "/var/lib/app/fifo").message


def test_a_swap_file_in_use(machine: Machine, app: Path) -> None:
    swap_on(app / "swap")
    try:
        assert "swap file" in refused(machine, "/var/lib/app").message
    finally:
        sh("swapoff", app / "swap")


def test_two_of_it(machine: Machine, app: Path) -> None:
    (machine.persist / "var/lib/app").mkdir(parents=True)
    (machine.persist / "var/lib/app/older").touch()
    assert "exists already" in refused(machine, "/var/lib/app").message


def test_an_empty_source_is_filled(machine: Machine, app: Path) -> None:
    """It was made for a mount that never came."""
    (machine.persist / "var/lib/app").mkdir(parents=True)
    machine.adopt("/var/lib/app")
    assert (machine.persist / "var/lib/app/file").stat().st_size == 700_000


def test_what_a_person_has_declared_is_moved_and_stays_declared_there(machine: Machine, app: Path) -> None:
    machine.configure('[persist."/persist"]\ndirectories = ["/var/lib/app"]\n')
    machine.text = b""
    job, _ = machine.adopt("/var/lib/app")
    assert (job.step, job.file) == (Step.DONE, "")
    assert machine.mounted("/var/lib/app")
    with pytest.raises(UsageError, match="which a person wrote"):
        machine.give_back("/var/lib/app")
    with pytest.raises(UsageError, match="lies in /var/lib/app"):
        machine.adopt("/var/lib/app/file")


def test_somebody_writes_there(machine: Machine, app: Path) -> None:
    script = "import sys; held = open('file', 'r+'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=app, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin and running.stdout
        running.stdout.readline()
        error = refused(machine, "/var/lib/app")
        assert f"pid {running.pid}" in error.message
        running.stdin.close()


def test_a_unit_that_cannot_be_stopped(machine: Machine, app: Path) -> None:
    with pytest.raises(CommandError):
        machine.adopt("/var/lib/app", "none.service")
    assert machine.jobs() == []


def test_the_unit_is_started_again_whatever_happens(machine: Machine, app: Path) -> None:
    machine.units.running_units = {"app.service"}
    machine.cancelled = Stop(3)
    with pytest.raises(Cancelled):
        machine.adopt("/var/lib/app", "app.service")
    machine.cancelled = lambda: False
    held = subprocess.Popen(["sleep", "60"], cwd=app)
    with pytest.raises(ImpermanenceError, match="working directory"):
        machine.adopt("/var/lib/app", "app.service")
    held.kill()
    held.wait()
    assert machine.units.running_units == {"app.service"}
    machine.adopt("/var/lib/app", "app.service")
    assert machine.units.log[-2:] == ["stop app.service", "start app.service"]
    assert machine.mounted("/var/lib/app")


def test_a_cancel_leaves_everything_as_it_was(machine: Machine, app: Path) -> None:
    for number in range(20):
        (app / f"{number}").write_bytes(b"x" * 5000)
    for at in range(0, 60, 7):
        machine.cancelled = Stop(at)
        with pytest.raises(Cancelled):
            machine.adopt("/var/lib/app")
        assert not machine.mounted("/var/lib/app")
        assert not (machine.persist / "var/lib/app").exists()
        assert not (machine.persist / ".impermanence-staging").exists()
    assert {job.step for job in machine.jobs()} == {Step.UNDONE}


def test_a_configuration_that_cannot_be_read_any_more(machine: Machine, app: Path) -> None:
    """What is declared is taken back when it does not fit."""
    machine.text = b'[persist."/persist"]\ndirectories = ["/proc/x"]\n'
    with pytest.raises(ImpermanenceError):
        machine.adopt("/var/lib/app")
    assert list(machine.drop_ins.iterdir()) == []
    assert not machine.mounted("/var/lib/app")
    assert not (machine.persist / "var/lib/app").exists()


def test_what_would_be_done_is_said_in_words(machine: Machine, app: Path) -> None:
    def look(ground: object, book: object) -> list[str]:
        return persist.words(persist.look(ground, machine.request("/var/lib/app")))  # type: ignore[arg-type]

    words = machine.work(look)
    assert isinstance(words, list)
    assert words[0].startswith("copy /var/lib/app to /persist/var/lib/app (2 files, ")
    assert words[-1] == "mount /persist/var/lib/app over it"
