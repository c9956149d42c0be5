"""Reports that a process of their own makes, beside those that are made here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from impermanenced.alerts.group import Asked
from impermanenced.bus.answers import Answers, FromReport, Unannounced
from impermanenced.daemon import report_process
from impermanenced.daemon.channel import Channel
from impermanenced.daemon.reports import Reports
from impermanenced.errors import NotSetUp, ServiceError, TooMany, UsageError
from impermanenced.report.report import Manager
from impermanenced.report.totals import Tally
from impermanenced.system.systemd import KnownSystemd, Span
from impermanenced.system.unit_files import Owner, Units
from impermanenced.watch.ledger import Ledger, Origin
from impermanenced.watch.pending import PendingWrites, Seen

from ..conftest import Filesystem

NOBODY = 65534
TAR = Origin("one.service", b"/usr/bin/tar", b"tar", 10, 0, "system")
ASKED = KnownSystemd(Units({b"/var/lib/one": Owner("one.service", "state")}), Span(1.0, 2.0))
FILES = 40


@pytest.fixture
def manager(filesystem: Filesystem, tmp_path: Path) -> Iterator[Manager]:
    filesystem.subvolume("seed")
    filesystem.snapshot("seed", "root-blank", readonly=True)
    filesystem.snapshot("root-blank", "root")
    root = filesystem.mount(tmp_path / "root", "subvol=root")
    (root / "var/lib/one").mkdir(parents=True)
    for number in range(FILES):
        (root / f"var/lib/one/{number}\udcff\n").write_text("x" * number)
    os.chown(root / "var/lib/one/7\udcff\n", NOBODY, NOBODY)
    filesystem.subvolume("root/nested")
    config = tmp_path / "config.toml"
    config.write_text(f'[[volume]]\nmountpoint = "{root}"\npath = "/"\n[watch]\nignore = ["3*"]\n')
    with Manager(os.fsencode(config)) as manager:
        yield manager


@pytest.fixture
def writes(manager: Manager) -> Iterator[PendingWrites]:
    ledger = Ledger(None, "this", lambda: 100.0)
    writes = PendingWrites(lambda: 100.0, ledger)
    (volume,) = manager.volumes
    inodes = [entry.difference.inode for entry in manager.status().entries]
    writes.note(Seen(volume.root_id, inode, 0, TAR, True) for inode in inodes[::2])
    writes.overflow()
    writes.store()
    yield writes
    ledger.close()


def read(fd: int) -> str:
    with open(fd, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def both(manager: Manager, writes: PendingWrites) -> tuple[Answers, Answers]:
    here = report_process.answers(manager, lambda: ASKED, writes)
    there = report_process.answers(manager, lambda: ASKED, writes, most=5)
    assert isinstance(here, FromReport) and isinstance(there, report_process.ReportProcess)
    return here, there


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_it_answers_as_one_made_here(manager: Manager, writes: PendingWrites) -> None:
    before = children(), os.listdir("/proc/self/fd")
    here, there = both(manager, writes)
    for uid in (0, NOBODY, 4711):
        document = read(there.document(uid))
        assert document == read(here.document(uid))
    entries = json.loads(read(there.document(0)))["entries"]
    assert len(entries) == FILES + 4
    assert {entry["writer"]["unit"] for entry in entries if entry["writer"]} == {"one.service"}
    path = b"/var/lib/one/7\xff\n"
    assert read(there.explanation(path, NOBODY)) == read(here.explanation(path, NOBODY))
    assert there.shutdown_summary() == here.shutdown_summary()
    assert there.tally() == here.tally() and there.tally().paths > 0
    there.close()
    assert (children(), os.listdir("/proc/self/fd")) == before


def test_tidings_ask_here_what_was_said(manager: Manager, writes: PendingWrites) -> None:
    here, there = both(manager, writes)
    seen: list[list[Asked]] = [[], []]

    def every_third(of: int) -> Unannounced:
        def unannounced(paths: Sequence[Asked]) -> Iterable[int]:
            seen[of].extend(paths)
            return range(0, len(paths), 3)

        return unannounced

    told = here.announcements(every_third(0))
    assert there.announcements(every_third(1)) == told
    assert seen[0] == seen[1] and len(seen[0]) == told.count > 20
    assert told.groups
    nested = next(entry["path"] for entry in json.loads(read(here.document(0)))["entries"]
                  if entry["type"] == "subvolume")  # fmt: skip
    assert nested == "/nested"
    assert there.announcements(lambda paths: range(len(paths)), {-1}).groups == ()
    there.close()


def test_what_makes_no_sense_is_one_calls_own_error(manager: Manager, writes: PendingWrites) -> None:
    _, there = both(manager, writes)
    with pytest.raises(UsageError, match="not an absolute path"):
        there.explanation(b"relative", 0)
    assert json.loads(read(there.document(0)))["entries"]
    there.close()


def test_what_fails_there_is_raised_here(manager: Manager, writes: PendingWrites, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "busy").mkdir()
    config = manager.config
    elsewhere = config.volumes[0].__class__(mountpoint=b"/no/such/place", path=b"/")
    lost = config._replace(volumes=(elsewhere,))
    before = children()
    with pytest.raises(NotSetUp, match="/no/such/place"):
        report_process.ReportProcess(lost, KnownSystemd(None, None), writes)
    assert children() == before


def test_one_that_is_killed_is_said_to_be(manager: Manager, writes: PendingWrites) -> None:
    _, there = both(manager, writes)
    assert isinstance(there, report_process.ReportProcess)
    os.kill(there._child.pid, signal.SIGKILL)
    with pytest.raises(ServiceError, match="large reports"):
        there.document(0)
    there.close()
    assert str(there._child.pid) not in children().split()


def test_one_whose_time_is_up_is_killed_while_it_makes_the_report(
    manager: Manager, writes: PendingWrites
) -> None:
    before = children(), os.listdir("/proc/self/fd")

    def started(child: report_process.Child) -> None:
        os.kill(child.pid, signal.SIGSTOP)  # it never gets any further
        child.kill()
        ended.append(child)

    ended: list[report_process.Child] = []
    with pytest.raises(ServiceError, match="large reports"):
        report_process.answers(manager, lambda: ASKED, writes, most=5, started=started)
    assert (children(), os.listdir("/proc/self/fd")) == before
    ended[0].kill()  # nobody else is hit: the number may be another's


def test_nobody_waits_for_one_whose_asker_has_gone(manager: Manager, writes: PendingWrites) -> None:
    _, there = both(manager, writes)
    assert isinstance(there, report_process.ReportProcess)
    there._channel.send("announcements", (None,))
    there.close()  # which waits until it has ended


def test_how_far_a_report_is(manager: Manager, writes: PendingWrites) -> None:
    reports = Reports(manager, lambda: ASKED, writes, lambda: 123.0)
    seen: list[tuple[float, float]] = []
    reports.subscribe(lambda tally: seen.append(reports.progress()))
    assert reports.progress() == (0.0, 0.0)
    assert reports.weigh() is not None and reports.expected > 0
    reports.total()
    assert 0 < reports.expected <= seen[0][1]
    ((at, processor),) = seen
    assert at == 123.0 and processor > 0
    assert reports.progress() == (0.0, 0.0)
    assert reports.known is not None and reports.known.summary.count > 20 and reports.unseen == 0

    def fails(tally: Tally) -> None:
        raise ServiceError("broken")

    reports.subscribe(fails)
    with pytest.raises(ServiceError):
        reports.total()
    assert reports.progress() == (0.0, 0.0), "one that failed is not made any more"


def test_too_many_is_said_before_they_are_all_in_memory(manager: Manager) -> None:
    with pytest.raises(TooMany):
        manager.status(most=5)
    assert len(manager.status(most=1000).entries) == FILES + 4


def test_what_single_entries_are_judged_by_is_asked_again_only_when_a_source_of_it_has_changed(
    manager: Manager, tmp_path: Path
) -> None:
    """Every half minute all lists of all packages were read, as long as anything was written."""
    (volume,) = manager.volumes
    root = tmp_path / "root"
    inode = (root / "var/lib/one").stat().st_ino

    def facts() -> object:
        manager.entries_of(volume.root_id, [inode])
        return manager._context._kept[volume.name][-1]

    first = facts()
    assert facts() is first
    with pytest.raises(TooMany):
        manager.status(most=5)
    assert facts() is first, "another process makes that report"
    (root / "var/lib/dpkg").mkdir()
    (root / "var/lib/dpkg/status").write_text("Package: one\n")
    second = facts()
    assert second is not first
    (root / "var/lib/dpkg/new").write_text("Package: two\n")
    (root / "var/lib/dpkg/new").rename(root / "var/lib/dpkg/status")
    third = facts()
    assert third is not second
    manager.status()
    assert facts() is not third, "a report asks anew"


def test_what_was_asked_of_the_manager_travels() -> None:
    here, there = (Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    with contextlib.closing(here), contextlib.closing(there):
        here.send(ASKED)
        asked = there.receive_one()
    assert asked.span() == (1.0, 2.0)
    assert asked.units(-1).of(b"/var/lib/one/file") == (b"/var/lib/one", Owner("one.service", "state"))


def test_a_channel_carries_what_is_larger_than_its_socket() -> None:
    here, there = (Channel(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    with contextlib.closing(here), contextlib.closing(there):
        here.send_each(bytes(1000) for _ in range(5000))
        here.send("after")
        received = there.receive()
        assert sum(map(len, received)) == 5_000_000
        assert there.receive_one() == "after"
    with pytest.raises(OSError):
        here.send("closed")
