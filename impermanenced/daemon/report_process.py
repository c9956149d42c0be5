"""The second process, which makes large reports and ends with them.

A report of 50,000 paths takes a hundred megabytes while it is made, and of the memory that Python takes for
many small objects most is never given back.  The daemon runs for months.  So it makes small reports itself,
at once, and has large ones made by another process.  That is a new program, because a copy of a process with
several threads may find locks that nobody releases.  It runs in the daemon's unit, with its sandbox and its
limits.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ..alerts.group import Announcements
from ..alerts.shutdown import ShutdownSummary
from ..bus.answers import Answers, FromReport, Unannounced
from ..config.load import Config
from ..errors import ImpermanenceError, ServiceError, TooMany
from ..kernel import mounts, proc
from ..report.report import Manager
from ..report.totals import Tally
from ..system.systemd import KnownSystemd
from ..watch.ledger import LedgerCopy
from ..watch.pending import PendingWrites
from .channel import Channel

BIG = 1500  # paths, or changed inodes, from which on the second process makes the report

# An isolated interpreter looks for modules where this one does.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from impermanenced.daemon import report_process; report_process.main()"
)


class Child:
    """A process that this one has started; any thread may kill it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()
        self._there = True

    def kill(self) -> None:
        """Kill the process, unless it was waited for: its number may be another one's by now."""
        with self._lock:
            if self._there:
                os.kill(self.pid, signal.SIGKILL)

    def processor(self) -> float:
        """Return the seconds of processor time that the process has taken, or 0 when it has ended."""
        with self._lock:
            return proc.processor(self.pid) if self._there else 0.0

    def wait(self) -> None:
        """Wait until the process has ended."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._there = False
            os.waitpid(self.pid, 0)


def _nobody(child: Child) -> None:
    pass


def answers(
    manager: Manager,
    known: Callable[[], KnownSystemd],
    writes: PendingWrites,
    most: int = BIG,
    started: Callable[[Child], None] = _nobody,
    large: bool = False,
) -> Answers:
    """Compare everything as it is now, and return the answers of the report.

    `known` returns what the second process cannot ask for itself; `started` gets that process as soon as it
    is there.  With `large` it is not tried here first.
    """
    if not large:
        with contextlib.suppress(TooMany):
            return FromReport(manager.status(writes, most))
    return ReportProcess(manager.config, known(), writes, started)


@dataclass(frozen=True, slots=True)
class _Task:
    config: Config
    systemd: KnownSystemd
    since: float | None
    gaps: tuple[tuple[float, float], ...]
    overflows: int
    curtailed: int


class ReportProcess:
    """The second process, as seen from the daemon."""

    def __init__(
        self,
        config: Config,
        systemd: KnownSystemd,
        writes: PendingWrites,
        started: Callable[[Child], None] = _nobody,
    ) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = Channel(here)
        with there:
            self._child = Child(_spawn(there.fileno()))
        try:
            started(self._child)
            with _as_error():
                self._channel.send_each(_task(config, systemd, writes))
                self._tally: Tally = self._channel.receive_one()
        except BaseException:
            self._child.kill()  # it would notice only at the end of its report
            self.close()
            raise

    def _file(self, question: str, *arguments: object) -> int:
        with _as_error():
            self._channel.send(question, arguments)
            return self._channel.receive_file()

    def document(self, uid: int) -> int:
        return self._file("document", uid)

    def explanation(self, path: bytes, uid: int) -> int:
        return self._file("explanation", path, uid)

    def announcements(
        self, unannounced: Unannounced, subvolumes: Collection[int] | None = None
    ) -> Announcements:
        with _as_error():
            self._channel.send("announcements", (subvolumes,))
            while not isinstance(said := self._channel.receive_one(), Announcements):
                self._channel.send(list(unannounced(said)))
        return said

    def shutdown_summary(self) -> ShutdownSummary:
        with _as_error():
            self._channel.send("shutdown_summary", ())
            last: ShutdownSummary = self._channel.receive_one()
        return last

    def tally(self) -> Tally:
        return self._tally

    def close(self) -> None:
        """Close the channel; the process ends when it next reads from it or writes to it."""
        self._channel.close()
        self._child.wait()


@contextlib.contextmanager
def _as_error() -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise ServiceError(
            "the process that makes large reports ended", "journalctl -u impermanenced"
        ) from None


def _spawn(end: int) -> int:
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-c", _START, *sys.path],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, end, 0)],
        setsigmask=[],
        setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
    )


def _task(config: Config, systemd: KnownSystemd, writes: PendingWrites) -> Iterator[object]:
    yield _Task(config, systemd, writes.since, writes.gaps, writes.overflows, writes.curtailed)
    yield from writes.ledger.pieces()


# In the second process


def main() -> None:
    """Serve the daemon that has started this process, until it closes the channel."""
    gc.disable()  # the process ends before garbage in cycles could matter
    try:
        with contextlib.suppress(EOFError):  # the daemon has closed the channel
            _serve(Channel(socket.socket(fileno=0)))
    finally:
        gc.freeze()


def _serve(channel: Channel) -> None:
    received = channel.receive()
    task: _Task = next(received)
    writers = LedgerCopy(task.since, task.gaps, task.overflows, task.curtailed)
    writers.add(received)
    try:
        with Manager(task.config, lambda: mounts.read(1), task.systemd, writable=False) as manager:
            answers = FromReport(manager.status(writers))
    except (ImpermanenceError, OSError) as error:
        channel.send_error(error)
        return
    channel.send(answers.tally())

    def unannounced(paths: Any) -> Any:
        channel.send(paths)
        return channel.receive_one()

    while True:
        question, arguments = channel.receive()
        try:
            if question == "announcements":
                channel.send(answers.announcements(unannounced, *arguments))
            elif question == "shutdown_summary":
                channel.send(answers.shutdown_summary(*arguments))
            else:
                file = answers.document if question == "document" else answers.explanation
                fd = file(*arguments)
                try:
                    channel.send_file(fd)
                finally:
                    os.close(fd)
        except ImpermanenceError as error:
            channel.send_error(error)
