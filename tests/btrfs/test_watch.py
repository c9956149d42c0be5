from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog import events

from impermanenced.kernel import libc, mounts
from impermanenced.model import Volume, Writer
from impermanenced.watch import fanotify, inotify, mark, pace
from impermanenced.watch.ledger import Ledger
from impermanenced.watch.nested import Nesting
from impermanenced.watch.pending import PendingWrites

from ..conftest import Filesystem, sh
from ..isolation import wait_until
from .nesting import nest

MANY = "import os, sys\nos.chdir(sys.argv[1])\nfor n in range(int(sys.argv[2])): os.mkdir(str(n))"
# Its output is open all the time.
LOGGING = 'exec >>"$0/log"; read _; echo one; rm "$0/old"; mkdir "$0/made"; read _; echo two; read _'


def descriptors() -> dict[str, str]:
    links = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that lists
            links[number] = os.readlink(f"/proc/self/fd/{number}")
    return links


class Watched:
    """`root` is watched, `other` is not."""

    def __init__(self, filesystem: Filesystem) -> None:
        filesystem.subvolume("root")
        self.other = filesystem.subvolume("other")
        self.root = filesystem.mount(filesystem.directory / "root", "subvol=root")
        self.root_id = int(sh("btrfs", "inspect-internal", "rootid", self.root))
        self.top = mounts.open_top_level(os.fsencode(filesystem.device))
        self.ledger = Ledger(None, "boot", time.time)
        self.writes = PendingWrites(time.time, self.ledger)
        self.owners = Nesting(self.top, [self.root_id])
        where = os.fsencode(self.root)
        self.volume = Volume("root", where, b"/", b"root", self.root_id, None, None)
        self.watch = fanotify.start(
            self.top, [self.volume], self.writes, frozenset([self.root_id]), self.owners
        )

    def writer(self, path: Path, root_id: int | None = None) -> Writer | None:
        self.writes.store()
        return self.writes.of(root_id or self.root_id, os.lstat(path).st_ino)

    def close(self) -> None:
        self.watch.stop()
        self.owners.close()
        self.ledger.close()
        os.close(self.top)


@pytest.fixture
def watched(filesystem: Filesystem) -> Iterator[Watched]:
    watched = Watched(filesystem)
    assert [link for link in descriptors().values() if "fanotify" in link]
    try:
        yield watched
    finally:
        watched.close()
    assert not [link for link in descriptors().values() if "fanotify" in link]
    assert not [thread for thread in threading.enumerate() if thread.name in ("watch", "treewatch")]


def test_a_write_has_its_writer(watched: Watched) -> None:
    assert watched.watch.source == "fanotify"
    with subprocess.Popen(
        ["sh", "-c", 'echo x >"$0/file"; read _', watched.root], stdin=subprocess.PIPE
    ) as shell:
        wait_until(
            lambda: (watched.root / "file").exists() and watched.writer(watched.root / "file"), "a writer"
        )
        writer = watched.writer(watched.root / "file")
        assert writer is not None
        assert (writer.comm, writer.pid, writer.uid) == (b"sh", shell.pid, 0)
        assert os.path.basename(writer.exe) in (b"dash", b"bash", b"sh")


def test_other_subvolumes_and_this_process_are_not_noted(watched: Watched) -> None:
    (watched.root / "own").touch()
    sh("touch", watched.other / "file", watched.root / "theirs")
    wait_until(lambda: watched.writer(watched.root / "theirs"), "a writer")
    assert watched.writer(watched.root / "own") is None
    assert set(watched.writes.take()[0]) == {watched.root_id}


def test_a_subvolume_made_inside_counts_too(watched: Watched) -> None:
    sh("btrfs", "subvolume", "create", watched.root / "a")
    sh("btrfs", "subvolume", "create", watched.root / "a/b")
    nested = int(sh("btrfs", "inspect-internal", "rootid", watched.root / "a/b"))
    sh("touch", watched.root / "a/b/file")
    wait_until(lambda: watched.writer(watched.root / "a/b/file", nested), "a writer in the nested one")
    assert watched.writer(watched.root / "a/b", nested), "the event that made it known counts"


def test_a_subvolume_that_came_and_went_is_forgotten(watched: Watched) -> None:
    for number in range(20):
        sh("btrfs", "subvolume", "create", watched.other / f"{number}")
        sh("btrfs", "subvolume", "delete", watched.other / f"{number}")
    sh("touch", watched.root / "file")
    wait_until(lambda: watched.writer(watched.root / "file"), "a writer")


def test_an_overflow_is_counted(filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"needs a queue that can be filled: fs.fanotify.max_queued_events is {limit}")
    monkeypatch.setattr(
        fanotify.FanotifyWatch, "start", lambda self: None
    )  # nobody reads while the queue fills
    watched = Watched(filesystem)
    try:
        sh(sys.executable, "-c", MANY, watched.root, str(limit + 100))
        assert isinstance(watched.watch, fanotify.FanotifyWatch)
        while watched.watch.drain():
            pass
        assert watched.writes.overflows == 1
        assert watched.writes.take()[2]
    finally:
        watched.close()


def test_subvolumes_nested_without_end_belong_to_their_volume(watched: Watched) -> None:
    # The way up once ended after a hundred of them, and what was written below was dropped.
    nest(watched.root, "s", 150)
    deepest = watched.root.joinpath(*["s"] * 150, "file")
    sh("touch", deepest)  # what this process does is not watched
    number = int(sh("btrfs", "inspect-internal", "rootid", deepest.parent))
    assert watched.owners(number) == watched.root_id
    wait_until(lambda: watched.writer(deepest, number), "its writer")


def test_who_drops_root_after_its_exec_is_not_shown_as_root(watched: Watched) -> None:
    """Its uid was that of its exec, for as long as it ran the same program."""
    watched.root.chmod(0o777)
    program = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "open('first', 'w').close()\n"
        "print(flush=True); sys.stdin.readline()\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "open('second', 'w').close()\n"
        "print(flush=True); sys.stdin.readline()\n"
    )
    argv = [sys.executable, "-c", program, os.fspath(watched.root)]
    pipe = subprocess.PIPE

    def uid_of(name: str) -> int | None:
        writer = wait_until(lambda: watched.writer(watched.root / name), name)
        return writer.uid if writer else None

    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin and process.stdout
        for name, uid in (("first", 0), ("second", 65534)):
            process.stdout.readline()
            assert uid_of(name) == uid
            process.stdin.write("\n")
            process.stdin.flush()


def test_subvolumes_without_number_are_not_all_remembered(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watched.watch
    assert isinstance(watch, fanotify.FanotifyWatch)
    watch.stop()
    monkeypatch.setattr(fanotify, "SUBVOLUMES", 10)
    monkeypatch.setattr(watch, "_owner_of", lambda number: watched.root_id if number % 2 else None)
    for number in range(10_000, 11_000):
        assert watch._learn({number}) == bool(number % 2)
    assert len(watch._roots) <= 12 and len(watch._foreign) <= 11
    assert watched.root_id in watch._roots and 10_999 in watch._roots


def test_short_lived_writers_are_mostly_known(watched: Watched) -> None:
    """In one round at least: on a busy machine many have gone before anybody can look."""
    touch = os.fsencode(os.path.realpath(shutil.which("touch") or ""))
    numbers = itertools.count()

    def mostly_known() -> bool:
        paths = [watched.root / f"{next(numbers)}" for _ in range(50)]
        for path in paths:
            subprocess.run(["touch", path], check=True)
        wait_until(lambda: watched.writer(paths[-1]), "the last")
        writers = [watched.writer(path) for path in paths]
        assert all(writers), "each has a pid at least"
        return sum(writer is not None and writer.exe == touch for writer in writers) >= 25

    wait_until(mostly_known, "half of them known")


def test_a_flood_does_not_hide_who_else_writes(watched: Watched) -> None:
    """The thread that rests between busy reads once missed every program that lived and died meanwhile."""
    flood = (
        "import os, sys, itertools\n"
        "os.chdir(sys.argv[1])\n"
        "for n in itertools.count(): open(f'n{n % 5000}', 'w').close()"
    )
    numbers = itertools.count()

    def mostly_known() -> bool:
        paths = [watched.root / f"{next(numbers)}" for _ in range(30)]
        for path in paths:
            subprocess.run(["touch", path], check=True)
        wait_until(lambda: watched.writer(paths[-1]), "the last")
        writers = [watched.writer(path) for path in paths]
        return sum(writer is not None and writer.comm == b"touch" for writer in writers) >= 15

    with subprocess.Popen([sys.executable, "-c", flood, watched.root]) as flooding:
        try:
            wait_until(lambda: (watched.root / "n999").exists(), "the flood")
            wait_until(mostly_known, "half of them known")
        finally:
            flooding.kill()


def test_without_fanotify_directories_are_watched(
    filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(flags: int, event_f_flags: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(libc, "fanotify_init", refuse)
    watched = Watched(filesystem)
    try:
        assert watched.watch.source == "watchdog"
        (watched.root / "file").touch()

        def seen() -> bool:
            (watched.root / "file").write_text("again")
            return watched.root_id in watched.writes.take()[0]

        wait_until(seen, "the file's inode")
        assert watched.writer(watched.root / "file") is None, "nobody knows who"
        assert watched.writes.since is None
    finally:
        watched.close()


def test_a_user_without_privileges_is_refused_by_the_kernel() -> None:
    """The probe is the call itself: this is what it meets."""
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); os.setresuid(65534, 65534, 65534)\n"
        "from impermanenced.watch import mark\n"
        "try: mark.open_fanotify(0)\n"
        "except OSError as error: sys.stdout.write(str(error.errno))\n"
    )
    repository = Path(fanotify.__file__).parents[2]
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user: run make test as root")
    assert sh(sys.executable, "-c", program, repository) in ("1", "22", "38")


class _OldObserver:
    def schedule(self, handler: object, path: str, recursive: bool = False) -> None: ...


class _NewObserver:
    def schedule(
        self, handler: object, path: str, *, recursive: bool = False, event_filter: object = None
    ) -> None: ...


def test_the_filter_goes_to_versions_that_take_it() -> None:
    assert inotify.wanted_events(_OldObserver()) == {}
    wanted = inotify.wanted_events(_NewObserver())["event_filter"]
    assert isinstance(wanted, list) and len(wanted) == 8
    assert {events.FileMovedEvent, events.DirCreatedEvent} < set(wanted)


def test_of_processes_the_latest_are_remembered(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanotify, "ORIGINS", 4)
    assert isinstance(watched.watch, fanotify.FanotifyWatch)
    script = 'for n in 1 2 3 4 5 6 7 8; do touch "$0/file"; done; echo x >"$0/last"; read _'
    with subprocess.Popen(["sh", "-c", script, watched.root], stdin=subprocess.PIPE):
        last = watched.root / "last"
        wait_until(lambda: last.exists() and watched.writer(last), "a writer")
        writer = watched.writer(last)
        assert writer is not None and writer.comm == b"sh"
        assert 0 < len(watched.watch._recent) <= 4


def mask_of(fan: int) -> int:
    """Return the kinds of events that the kernel queues for a descriptor of fanotify."""
    told = Path(f"/proc/self/fdinfo/{fan}").read_text()
    (mark,) = [line for line in told.splitlines() if line.startswith("fanotify sdev:")]
    return int(mark.partition(" mask:")[2].split()[0], 16)


def test_while_much_is_written_only_what_is_essential_is_asked_for(
    filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = fanotify.FanotifyWatch.start
    monkeypatch.setattr(fanotify.FanotifyWatch, "start", lambda self: None)  # until there is much to read
    monkeypatch.setattr(pace, "CALM", 0)  # and it stays much
    watched = Watched(filesystem)
    try:
        assert isinstance(watched.watch, fanotify.FanotifyWatch)
        fan = watched.watch._fan
        assert mask_of(fan) & mark.MASK == mark.MASK
        log, old = watched.root / "log", watched.root / "old"
        log.touch()
        old.touch()
        gone = old.stat().st_ino
        sh(sys.executable, "-c", MANY, watched.root, str(pace.BUSY))
        with subprocess.Popen(["sh", "-c", LOGGING, watched.root], stdin=subprocess.PIPE) as shell:
            assert shell.stdin is not None
            start(watched.watch)
            wait_until(lambda: not mask_of(fan) & mark.OPTIONAL, "fewer kinds of events")
            assert mask_of(fan) & mark.ESSENTIAL == mark.ESSENTIAL
            wait_until(lambda: watched.writes.curtailed == 1, "that it is said")
            assert watched.writer(watched.root / "0"), "what was queued before counts"
            shell.stdin.write(b"go on\n")
            shell.stdin.flush()
            made = watched.root / "made"
            wait_until(lambda: made.exists() and watched.writer(made), "who made a directory")
            assert watched.writes.of(watched.root_id, gone), "who removed a file"
            assert not watched.writer(log), "it is open"

            monkeypatch.setattr(pace, "CALM", 32)
            wait_until(lambda: mask_of(fan) & mark.MASK == mark.MASK, "all kinds of events")
            shell.stdin.write(b"go on\n")
            shell.stdin.flush()
            wait_until(lambda: watched.writer(log), "who writes to an open file")
        assert watched.writes.overflows == 0
    finally:
        watched.close()
