"""In which order what was written is looked at and announced, with a filesystem and without a clock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import cast

import pytest
from gi.repository import GLib

from impermanenced.alerts.announce import Announcer
from impermanenced.alerts.group import Announcements
from impermanenced.bus.answers import Answers, FromReport, Unannounced
from impermanenced.bus.news import News
from impermanenced.daemon import report_process
from impermanenced.daemon.flush import Flusher
from impermanenced.daemon.limits import Limits
from impermanenced.model import Entry
from impermanenced.report.report import Manager
from impermanenced.watch.ledger import Ledger, Origin
from impermanenced.watch.pending import PendingWrites, Seen

from ..conftest import Filesystem

MALLORY = Origin("", b"/usr/bin/mallory", b"mallory", 10, 1000)
ALICE = Origin("", b"/usr/bin/alice", b"alice", 11, 1001)
ROOT = Origin("", b"/usr/bin/tee", b"tee", 12, 0)
FILES = 60  # below `alerts.bulk.MANY`
REPORT = b"a report"


class Flushed:
    """A volume that several users write to, and what is announced of it; a report is noted as one, too."""

    def __init__(self, filesystem: Filesystem, tmp_path: Path) -> None:
        filesystem.subvolume("seed")
        filesystem.snapshot("seed", "root-blank", readonly=True)
        filesystem.snapshot("root-blank", "root")
        self.root = filesystem.mount(tmp_path / "root", "subvol=root")
        config = tmp_path / "config.toml"
        config.write_text(f'[[volume]]\nmountpoint = "{self.root}"\npath = "/"\n')
        self.manager = Manager(os.fsencode(config))
        self.writes = PendingWrites(lambda: 100.0, Ledger(None, "this", lambda: 100.0))
        self.said: list[bytes] = []
        self.now = 100.0
        announcer = Announcer(lambda path, *_: self.said.append(path), lambda: 100.0)
        announcer.settle()
        # Of the news it tells of dropped events alone, and the limits have no level.
        news, limits = cast(News, self), cast(Limits, self)
        self.flusher = Flusher(
            self.manager, self.writes, announcer, news, limits, self.make, lambda work: work(),
            lambda: self.now,
        )  # fmt: skip

    def make(self) -> Answers:
        self.said.append(REPORT)
        self.now += 1
        return FromReport(self.manager.status(self.writes))

    def write(self, name: str, origin: Origin, files: int = 1) -> None:
        (volume,) = self.manager.volumes
        where = self.root / name
        where.mkdir()
        for number in range(files):
            (where / f"{number}").write_text("x")
        inodes = [where.stat().st_ino, *(one.stat().st_ino for one in where.iterdir())]
        self.writes.note(Seen(volume.root_id, inode, 0, origin, True) for inode in inodes)

    def overflow(self, overflows: int) -> None: ...

    def stir(self) -> None: ...

    def note(self, entries: list[Entry]) -> None: ...

    def look(self) -> None: ...


@pytest.fixture
def flushed(filesystem: Filesystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flushed]:
    monkeypatch.setattr(GLib, "timeout_add", lambda *_: 0)  # no main loop turns here
    made = Flushed(filesystem, tmp_path)
    with made.manager, contextlib.closing(made.writes.ledger):
        yield made


def test_roots_paths_are_announced_before_a_flood_is_compared(
    flushed: Flushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_process, "BIG", FILES // 2)
    flushed.write("flood", MALLORY, FILES)
    flushed.write("notes", ALICE, 5)
    flushed.write("canary", ROOT)
    flushed.flusher.hurry()
    assert flushed.said == [b"/canary", b"/notes", REPORT, b"/flood"]


def test_a_report_that_somebody_asks_for_announces_what_waits_for_one(
    flushed: Flushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_process, "BIG", FILES // 2)
    flushed.write("flood", MALLORY, FILES)
    flushed.flusher.hurry()
    flushed.write("second", MALLORY, FILES)
    flushed.flusher.hurry()
    assert flushed.said == [REPORT, b"/flood"], "the next comparison has to wait"
    flushed.flusher.report().close()
    assert flushed.said == [REPORT, b"/flood", REPORT, b"/second"]
    flushed.write("third", ROOT)
    flushed.flusher.report().close()
    assert flushed.said[4:] == [REPORT], "nothing waits for one"


def test_what_cannot_be_announced_waits_for_the_next_report(flushed: Flushed) -> None:
    closed: list[bool] = []

    class Failing(FromReport):
        def announcements(
            self, unannounced: Unannounced, subvolumes: Collection[int] | None = None
        ) -> Announcements:
            raise OSError("as if the second process had ended")

        def close(self) -> None:
            closed.append(True)

    def failing(make: Callable[[], Answers]) -> Callable[[], Answers]:
        return lambda: Failing(flushed.manager.status(flushed.writes))

    flushed.write("lost", ROOT)
    flushed.writes.take()
    flushed.writes.overflow()
    real, flushed.flusher._answers = flushed.flusher._answers, failing(flushed.make)
    with pytest.raises(OSError, match="as if"):
        flushed.flusher.hurry()
    assert closed and not flushed.said
    flushed.flusher._answers = real
    flushed.flusher.report().close()
    assert flushed.said == [REPORT, b"/lost"]
