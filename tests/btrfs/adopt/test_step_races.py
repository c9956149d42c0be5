"""A user who owns the directories on the way exchanges them in each step of a job: nothing else is reached.

What makes a try slow has no part in where a name leads, and is left out: commits, the record, a look at all
processes.  RACES=100000 tries that often.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from impermanenced import copying
from impermanenced.boots.records.job import Action, Job, Step
from impermanenced.config.load import load
from impermanenced.config.placement import BIND, SYMLINK
from impermanenced.errors import ImpermanenceError
from impermanenced.keep.adopt import checks, originals, persist, swap, unpersist
from impermanenced.keep.adopt.book import Book
from impermanenced.keep.adopt.ground import Ground
from impermanenced.keep.adopt.live import Live
from impermanenced.keep.adopt.store import Store
from impermanenced.keep.adopt.work import Work
from impermanenced.keep.approach import Unsafe
from impermanenced.kernel import libc, mounts
from impermanenced.volumes.machine import Machine as Volumes

from ..races import ALICE, exchanging, tries
from .machine import Machine

PATH = b"/home/alice/work/notes"
TRIES = tries(300)
PATIENCE = 30  # times as many, where one of both has hardly had a turn


class Home:
    """Alice's home in the root and the one in the persist volume; in both she has what is root's."""

    def __init__(self, machine: Machine) -> None:
        self.root = machine.root
        self.victim = machine.root / "etc/secret"
        self.homes = [machine.root / "home/alice", machine.persist / "home/alice"]
        for home in self.homes:
            (home / "work").mkdir(parents=True)
            # What root left there, as sudo does: closed to her, and she may rename it.
            (home / "of-root").mkdir(mode=0o700)
            (home / "of-root/notes").mkdir()
            (home / "link").symlink_to(self.victim)
            for path in (home, home / "work"):
                os.chown(path, ALICE, ALICE)
        (self.victim / "notes").mkdir(parents=True)
        for notes in (self.victim / "notes", self.homes[0] / "of-root/notes"):
            (notes / "file").write_text("root's")
        (self.homes[0] / "work/notes").mkdir()
        (self.homes[0] / "work/notes/file").write_text("alice's")
        for path in (self.homes[0] / "work/notes", self.homes[0] / "work/notes/file"):
            os.chown(path, ALICE, ALICE)
        # By descriptor, because she moves them.
        closed = [self.victim, *(home / "of-root" for home in self.homes)]
        self.closed = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in closed]
        self.before = self.facts()

    def facts(self) -> list[tuple[object, ...]]:
        """What is root's, as it is seen: a change and back would show as well, and a mount over it."""
        found: list[tuple[object, ...]] = []
        for fd in self.closed:
            for name in ("notes", *(f"notes/{name}" for name in sorted(os.listdir(self.notes(fd))))):
                one = os.stat(name, dir_fd=fd, follow_symlinks=False)
                found.append((name, *one[:7], one.st_mtime_ns, one.st_ctime_ns))
            found.append((os.listdir(fd), os.fstat(fd).st_uid, os.fstat(fd).st_mode))
        return found

    def notes(self, fd: int) -> str:
        return f"/proc/self/fd/{fd}/notes"

    def close(self) -> None:
        for fd in self.closed:
            os.close(fd)


@pytest.fixture
def home(machine: Machine) -> Iterator[Home]:
    home = Home(machine)
    pairs = [
        (f"{where}home/alice/work".encode(), f"{where}home/alice/{other}".encode())
        for other in ("link", "of-root")
        for where in ("", "persist/")
    ]
    try:
        with exchanging(machine.root, *pairs):
            yield home
    finally:
        home.close()


@pytest.fixture
def ground(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ground, Book]]:
    monkeypatch.setattr(libc, "syncfs", lambda fd: None)
    monkeypatch.setattr(checks, "refuse_users", lambda *_, **__: None)
    monkeypatch.setattr(Live, "users", lambda _: [])
    with Volumes(load(None, default=os.fsencode(machine.config)).volumes) as volumes, Book(volumes) as book:
        monkeypatch.setattr(book, "save", lambda job: job)
        yield machine.ground(volumes), book


def there_and_back(ground: tuple[Ground, Book], home: Home, method: str) -> None:
    """The steps of a persist that have to do with places, and those of an unpersist."""
    job = Job(1, Action.PERSIST, Step.COPY, 0, "", b"", PATH, b"/persist", method=method)
    with Live(ground[0], PATH) as live, Store(ground[0], b"/persist", PATH) as store:
        work, work_back = (Work(*ground, job._replace(number=number), live, store) for number in (1, 2))
        try:
            persist._copy(work, ())
            persist._place(work)
            with contextlib.closing(swap.of(ground[0], job, live, store)) as there:
                swapped = there.make()
                old = there.before()
                assert swapped is not None and old is not None
                try:
                    assert os.stat(b"notes/file", dir_fd=store.above()).st_uid == ALICE, "root's became hers"
                    assert os.fstat(store.above()).st_uid == ALICE, "it was put among what is root's"
                    work.catch_up(old, (store.above(), store.name), swapped)
                    unpersist._copy(work_back, ())
                    assert home.facts() == home.before
                finally:
                    with contextlib.closing(swap.of(ground[0], work_back.job, live, store)) as back:
                        assert back.unmake() is not None
        finally:
            with contextlib.suppress(OSError, Unsafe):
                copying.remove(store.above(), store.name)
            originals.discard(live, 1)
            store.tidy()


@pytest.mark.parametrize("method", [BIND, SYMLINK])
def test_who_owns_the_directories_on_the_way_redirects_no_step(
    ground: tuple[Ground, Book], home: Home, method: str
) -> None:
    done = refused = 0
    for attempt in range(TRIES * PATIENCE):
        if attempt >= TRIES and done and refused:
            break
        try:
            there_and_back(ground, home, method)
            done += 1
        except (ImpermanenceError, OSError):
            refused += 1
        if attempt % 100 == 0:
            assert home.facts() == home.before
    assert done and refused, (done, refused)
    assert home.facts() == home.before
    assert not [one for one in mounts.read() if one.path.startswith(os.fsencode(home.root / "home"))]
