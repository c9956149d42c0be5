"""impermanenced: watches what the next boot would lose, and tells."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pydbus
import systemd.daemon
from gi.repository import Gio, GLib

from .. import __version__
from ..alerts import shutdown
from ..alerts.announce import Announcer
from ..alerts.shutdown import Farewell
from ..boots import history
from ..bus.answers import Answers
from ..bus.introspection import BUS_NAME
from ..bus.service import Service, Work
from ..errors import ImpermanenceError, NotSetUp, ServiceError
from ..kernel import chroot, libc, mounts
from ..report.report import Manager
from ..state import STATE
from ..system import logger
from ..system.dbus import request_name
from ..system.systemd1 import OnBus, boot_has_finished
from ..text import to_text
from ..watch import fanotify
from ..watch.inotify import TreeWatch
from ..watch.ledger import Ledger
from ..watch.nested import Owners
from ..watch.pending import Activity
from . import report_process
from .errands import Errands
from .flush import Rounds
from .limits import Warden
from .reload import Reloading
from .shutdown import Parting

BOOT_POLL = 2000  # milliseconds, until the boot has finished
SWITCH = 0.0005  # seconds that a report keeps the watch from new programs; Python's own is ten times that
HEARTBEAT = 10_000  # milliseconds, unless systemd wants it more often

log = logger.get()


def connect() -> Any:
    """The system bus, on a connection of our own."""
    try:
        return pydbus.connect(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)).con
    except GLib.Error as error:
        raise ServiceError(
            f"system bus: {error.message}", "impermanenced needs a running D-Bus system bus"
        ) from None


class Daemon:
    """Wires the parts together.  The main loop's thread only passes things on: what reads the filesystem is
    done by one worker, in order, and the events are read by the watch's own thread."""

    def __init__(self, config_file: bytes | None) -> None:
        self._loop = GLib.MainLoop()
        self._failed = False
        self._named = config_file
        # What the unit mounts to protect the system from this process is not the system's.
        self._asked = OnBus(lambda: self._con)
        self._manager = Manager(config_file, lambda: mounts.read(1), self._asked)
        self._con = connect()
        self._worker = ThreadPoolExecutor(1, "worker")
        self._storer = ThreadPoolExecutor(1, "ledger")  # a long report must not keep it waiting
        self._clerk = ThreadPoolExecutor(1, "clerk")
        errands = Errands(config_file)
        work = Work(self._answers, errands.boots, errands.request, lambda: self._rounds.rescan())
        self._service = Service(self._con, self._worker, self._clerk, work, {
            "Version": lambda: GLib.Variant("s", __version__),
            "ConfigFile": lambda: GLib.Variant("ay", self._manager.config.path),
            "WatchingSince": lambda: GLib.Variant("t", int((self._activity.since or 0) * 1_000_000)),
            "Overflows": lambda: GLib.Variant("t", self._activity.overflows),
            "Source": lambda: GLib.Variant("s", self._watch.source),
        })  # fmt: skip
        self._announcer = Announcer(self._service.emit_crud, listener=self._service.news)
        self._state = -1  # the state directory
        self._parting = Parting(self._manager, self._answers, self._say_farewell, self._submit)
        self._warden = Warden(self._manager, lambda: self._answers().close(), self._service)

    # Life

    def run(self) -> int:
        request_name(self._con, BUS_NAME)
        self._activity = self._start_activity()
        self._rounds = Rounds(
            self._manager, self._activity, self._announcer, self._service.news, self._warden,
            self._answers, self._submit,
        )  # fmt: skip
        self._owners, self._watch = self._start_watch()
        self._reloading = Reloading(self._manager, self._named is None, self._submit, self._loaded)
        self._parting.begin(self._con, self._clerk)
        self._warden.begin(self._con, self._clerk)
        self._con.connect("closed", self._bus_closed)
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, self._quit)
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, self._quit)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGHUP, self._hang_up)
        wanted = int(os.environ.get("WATCHDOG_USEC", "0")) // 3000
        GLib.timeout_add(min(wanted, HEARTBEAT) or HEARTBEAT, self._beat)
        self._look_at_boot()
        systemd.daemon.notify(f"READY=1\nSTATUS={self._status()}")
        try:
            self._loop.run()
        finally:
            systemd.daemon.notify("STOPPING=1")
            self._close()
        return 1 if self._failed else 0

    def _close(self) -> None:
        leaving = self._parting.end()
        self._warden.close()
        self._reloading.stop()
        self._watch.stop()
        self._owners.close()
        self._service.close()
        self._clerk.shutdown(cancel_futures=True)
        self._worker.shutdown(cancel_futures=True)
        self._storer.shutdown()
        if leaving:
            self._parting.leave_record()
        self._activity.store()
        self._activity.ledger.close()
        if self._state >= 0:
            os.close(self._state)
        with contextlib.suppress(GLib.Error):  # it may be why this closes
            self._con.flush_sync(None)
        self._manager.close()

    def _start_activity(self) -> Activity:
        ledger = self._open_ledger()
        # Before there is a thread that runs ahead of others, or the one for the ledger would too.
        self._store_by(ledger.tidy)
        return Activity(
            time.time,
            ledger,
            on_news=lambda: GLib.idle_add(self._rounds.arm),
            on_many=lambda: self._store_by(self._store_many),
        )

    def _open_ledger(self) -> Ledger:
        """In the state directory, which has no name that SQLite could use: it is `/` for who opens it."""
        boot_id, machine = history.this_boot_id(), self._manager.machine
        try:
            there = machine.has_state()
        except NotSetUp as error:
            log.warning("the state directory cannot be used", error=error.message)
            there = False
        shutdown.forget_record(machine, boot_id)
        if not there:
            log.info("without a state directory, writers are forgotten at a restart")
            return Ledger(None, boot_id, time.time)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._state = os.open(STATE, flags, dir_fd=machine.top)
        return Ledger(b"/", boot_id, time.time, inside=lambda work: chroot.call(self._state, work))

    def _store_many(self) -> None:
        self._activity.store()
        if self._activity.crowded:
            GLib.idle_add(self._rounds.hurry)

    def _store_by(self, work: Callable[[], None]) -> None:
        self._storer.submit(work).add_done_callback(_say_failure)

    def _start_watch(self) -> tuple[Owners, fanotify.Watch | TreeWatch]:
        manager = self._manager
        self._volumes, self._device = manager.volumes, manager.device
        root_ids = frozenset(volume.root_id for volume in manager.volumes)
        owners = Owners(manager.machine.top, root_ids)
        started = fanotify.start(manager.machine.top, manager.volumes, self._activity, root_ids, owners)
        return owners, started

    def _status(self) -> str:
        names = ", ".join(to_text(os.fsencode(volume.name)) for volume in self._manager.volumes)
        return f"Watching {names} with {self._watch.source}"

    def _quit(self) -> bool:
        self._loop.quit()
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _fail(self) -> None:
        self._failed = True
        self._loop.quit()

    def _bus_closed(self, *_: object) -> None:
        log.error("the system bus closed the connection")
        self._fail()

    def _beat(self) -> bool:
        if not self._watch.is_alive():
            log.error("nothing is watched any more")
            self._fail()
        if self._activity.waits:
            self._warden.stir()
            self._store_by(self._activity.store)
        self._submit(self._warden.look)
        systemd.daemon.notify("WATCHDOG=1")
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    def _submit(self, work: Callable[[], None]) -> None:
        self._worker.submit(work).add_done_callback(_say_failure)

    # What is said

    def _answers(self) -> Answers:
        self._activity.store()
        with contextlib.ExitStack() as stack:
            answers = report_process.answers(self._manager, self._asked.known, self._activity)
            stack.callback(answers.close)
            self._warden.take(answers.tally())
            stack.pop_all()
        return answers

    def _say_farewell(self, last: Farewell) -> None:
        self._service.emit_leaving(last.count, last.size, [alert.path for alert in last.worst])
        self._con.flush_sync(None)

    # The boot

    def _look_at_boot(self) -> bool:
        if not self._announcer.settled:
            self._submit(self._settle)
        return not self._announcer.settled

    def _settle(self) -> None:
        if boot_has_finished(self._con):
            self._announcer.settle()
            self._warden.settle()
            self._warden.look()  # before much is written, while a report is small
        else:
            GLib.timeout_add(BOOT_POLL, self._look_at_boot_again)

    def _look_at_boot_again(self) -> bool:
        self._look_at_boot()
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    # Another configuration

    def _hang_up(self) -> bool:
        self._reloading.soon()
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    def _loaded(self) -> None:
        self._activity.unsettle()
        self._warden.unsettle()
        self._warden.look()
        if self._manager.device != self._device:
            log.warning("the volumes are on another filesystem: starting again")
            GLib.idle_add(self._fail)
        elif self._manager.volumes != self._volumes:
            GLib.idle_add(self._watch_again)

    def _watch_again(self) -> bool:
        self._watch.stop()
        self._owners.close()
        self._owners, self._watch = self._start_watch()
        systemd.daemon.notify(f"STATUS={self._status()}")
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]


def _say_failure(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.error("work failed", exc_info=error)


def _be_frugal() -> None:
    """Before there is a thread.  Without this the C library has a heap for each, and keeps large buffers in
    them as soon as one of their size was given back once."""
    libc.mallopt(libc.M_ARENA_MAX, 1)
    libc.mallopt(libc.M_MMAP_THRESHOLD, 64 << 10)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="impermanenced", description="Watch what the next boot would lose, and tell."
    )
    parser.add_argument("--config", metavar="FILE", type=os.fsencode, help="read this file alone")
    parser.add_argument("--version", action="version", version=f"impermanenced {__version__}")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    _be_frugal()
    sys.setswitchinterval(SWITCH)
    logger.configure()
    try:
        return Daemon(os.path.abspath(arguments.config) if arguments.config else None).run()
    except ImpermanenceError as error:
        sys.stderr.write(
            f"impermanenced: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else "")
        )
        return error.exit_code
    except OSError as error:
        where = to_text(os.fsencode(error.filename)) if error.filename else "impermanenced"
        sys.stderr.write(f"impermanenced: {where}: {error.strerror}\n")
        return 4 if isinstance(error, PermissionError) else 1


if __name__ == "__main__":
    sys.exit(main())
