"""The thread that turns fanotify events into writers.

It follows the load (`pace`): under a heavy one it reads less often, and asks for fewer kinds of events.
Where there is a proc connector, it looks at each program when that begins, which is earlier than the first
write.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence

from ..kernel import fanotify, proc, proc_connector
from ..model import Volume
from ..system import logger
from ..text import failure_to_text
from .inotify import InotifyWatch
from .ledger import Origin
from .mark import ask_for_all, open_fanotify
from .pace import PAUSE, WINDOW, Pace
from .pending import PendingWrites

NAMED = fanotify.FAN_CREATE | fanotify.FAN_DELETE | fanotify.FAN_MOVED_TO
READ_SIZE = 256 << 10
EVENT_SIZE = 1 << 10  # bytes that no event exceeds: one name and two handles of files
LAST_READS = 64  # at the end: more than a full queue, and no more however fast others write
FRESH = 1.0  # seconds for which a process is not looked at again, as long as it runs the same program
EXECS = 100  # programs looked at within WINDOW, a thousand a second; the others are when they write
REMEMBER_GONE = 5.0  # seconds for which a pid means the process that had it: no pid is reused that soon
SUBVOLUMES = 10_000  # ids of subvolumes that are remembered, of those that came since the start
ORIGINS = 1024  # processes that are remembered, the latest: 350 bytes each, which live among those of a storm

log = logger.get()


class FanotifyWatch(threading.Thread):
    """The thread that reads fanotify events; it owns the descriptor `fan`, which watches the filesystem of
    `mount_fd`.

    `roots` are the subvolumes whose events count.  For any other one `owner_of` is asked once: if it returns
    an id, the events count too, and if it returns None, they are dropped from then on.
    """

    source = "fanotify"

    def __init__(
        self,
        fan: int,
        mount_fd: int,
        writes: PendingWrites,
        roots: frozenset[int],
        owner_of: Callable[[int], int | None],
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._fan = fan
        self._mount_fd = os.dup(mount_fd)
        self._pace = Pace()
        self._everything = True  # whether the kernel is asked for all kinds of events
        self._more = False  # whether the last read left some in the queue
        self._writes = writes
        self._owner_of = owner_of
        self._first = roots
        self._roots = set(roots)
        self._foreign: set[int] = set()
        self._stop_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._own_pid = os.getpid()
        self._recent: dict[int, tuple[float, Origin]] = {}  # by pid: when it was seen last; the latest last
        self._execs: socket.socket | None = None
        try:
            self._execs = proc_connector.listen()
        except OSError as error:
            log.info("short-lived writers may stay unknown: no proc connector", error=error.strerror)

    def stop(self) -> None:
        """End the thread; what was written until now is noted."""
        if self.is_alive():
            os.eventfd_write(self._stop_fd, 1)
            self.join()
            for _ in range(LAST_READS):
                if not self.drain():
                    break
        if self._fan >= 0:
            os.close(self._fan)
            os.close(self._mount_fd)
            os.close(self._stop_fd)
            if self._execs is not None:
                proc_connector.close(self._execs)
            self._fan = -1

    def run(self) -> None:
        # This thread runs ahead of the writers, if it may: a small program ends within less than a turn of
        # the scheduler after its write.  PAUSE bounds the processor time that the thread can take.
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        everything, all_but_events = select.poll(), select.poll()
        everything.register(self._fan, select.POLLIN)
        for poll in (everything, all_but_events):
            poll.register(self._stop_fd, select.POLLIN)
            if self._execs is not None:
                poll.register(self._execs, select.POLLIN)
        began = resume = 0.0
        execs = 0
        while True:
            now = time.monotonic()
            if now - began > WINDOW:
                began, execs = now, 0
            heavy = self._pace.heavy
            poll, patience = (all_but_events, max(resume - now, 0) * 1000) if heavy else (everything, None)
            ready = {fd for fd, _ in poll.poll(patience)}
            if self._stop_fd in ready:
                return
            if self._execs is not None and self._execs.fileno() in ready:
                execs += self._look_at_programs(time.monotonic(), EXECS - execs)
            if self._fan in ready or (heavy and time.monotonic() >= resume):
                self._pace.read(self.drain(), now := time.monotonic())
                self._follow()
                resume = now if self._more else now + PAUSE

    def _follow(self) -> None:
        """Ask for fewer kinds of events while the load is heavy: the writers pay for each."""
        if self._everything != self._pace.heavy:
            return
        self._everything = not self._pace.heavy
        ask_for_all(self._fan, self._mount_fd, self._everything)
        if not self._everything:
            self._writes.curtail()

    def _look_at_programs(self, now: float, most: int) -> int:
        """Look at programs that began, `most` of them at most, and return how many that were."""
        assert self._execs is not None
        looked = 0
        for pid, uid in proc_connector.changes(self._execs):
            if uid is None:
                if looked < most:
                    looked += 1
                    self._recent.pop(pid, None)  # it runs another program now
                    self._origin(pid, now)
            elif pid in self._recent:  # it goes on as somebody else
                then, known = self._recent[pid]
                self._recent[pid] = then, known._replace(uid=uid)
        return looked

    def drain(self) -> int:
        """Process the events of one read, and return how many these were, with those of other subvolumes."""
        self._more = False
        try:
            buffer = os.read(self._fan, READ_SIZE)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return 0
            raise
        self._more = len(buffer) > READ_SIZE - EVENT_SIZE
        batch = fanotify.parse(buffer, self._roots)
        if batch.arrived & self._foreign:  # it was moved into a volume, maybe with others nested in it
            self._foreign.clear()
        if batch.foreign - self._foreign and self._learn(batch.foreign - self._foreign):
            batch = fanotify.parse(buffer, self._roots)
        if batch.skipped:
            log.warning("fanotify records that are not understood", count=batch.skipped)
        if batch.overflowed:
            self._writes.overflow()
        now = time.monotonic()
        pids = {event[1] for event in batch.events}
        pids.discard(self._own_pid)
        writers = {pid: self._origin(pid, now) for pid in pids}
        self._writes.note(
            (root_id, inode, directory, writers[pid], mask & NAMED != 0)
            for mask, pid, root_id, inode, _, directory in batch.events
            if pid in writers
        )
        return batch.total

    def _learn(self, ids: set[int]) -> bool:
        try:
            ours = {root_id for root_id in ids if self._owner_of(root_id) is not None}
        except OSError as error:  # the subvolume came and went
            log.warning("subvolume cannot be looked up", ids=sorted(ids), error=failure_to_text(error))
            ours = set()
        # Anybody can make subvolumes, and remove them; a forgotten one is looked up again.
        if len(self._foreign) > SUBVOLUMES:
            self._foreign.clear()
        if len(self._roots) > len(self._first) + SUBVOLUMES:
            self._roots = set(self._first)
        self._foreign |= ids - ours
        self._roots |= ours
        return bool(ours)

    def _origin(self, pid: int, now: float) -> Origin | None:
        if pid <= 0:  # a process of a PID namespace above this one
            return None
        then, known = self._recent.get(pid, (0.0, None))
        if known is not None and now - then < FRESH and self._is_still(pid, known):
            return known
        process = proc.look_up(pid)
        if process is None:
            if known is not None and now - then < REMEMBER_GONE:
                return known
            return Origin("", b"", b"", pid, None)
        kind, unit = proc.unit_of(process.cgroup)
        origin = Origin(unit, process.exe, process.comm, pid, process.uid, kind)
        if origin == known:
            origin = known  # one object for all that it writes
        self._recent.pop(pid, None)
        if len(self._recent) >= ORIGINS:
            del self._recent[next(iter(self._recent))]
        self._recent[pid] = (now, origin)
        return origin

    def _is_still(self, pid: int, known: Origin) -> bool:
        """Return whether a process runs the program, with the uid, that it was seen with, or has ended."""
        return proc.exe(pid) in (known.exe, b"") and proc.uid(pid) in (known.uid, None)


def start(
    mount_fd: int,
    volumes: Sequence[Volume],
    writes: PendingWrites,
    roots: frozenset[int],
    owner_of: Callable[[int], int | None],
    fan: int | None = None,
) -> FanotifyWatch | InotifyWatch:
    """Start the best source of events that this kernel and these privileges give, and return it.

    `fan` is what `open_fanotify` returned for this mount, where that was called before.
    """
    source: FanotifyWatch | InotifyWatch
    try:
        fan = open_fanotify(mount_fd) if fan is None else fan
        source = FanotifyWatch(fan, mount_fd, writes, roots, owner_of)
    except OSError as error:
        log.warning(
            "fanotify is refused, watching directories instead: writers stay unknown", error=error.strerror
        )
        source = InotifyWatch(volumes, writes)
    writes.knows_writers = isinstance(source, FanotifyWatch)
    source.start()
    return source
