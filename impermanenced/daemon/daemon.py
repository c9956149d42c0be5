"""The daemon's parts, and the main loop that serves them."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from typing import Any

import systemd.daemon
from gi.repository import Gio, GLib

from .. import __version__
from ..alerts.announce import Announcer
from ..alerts.shutdown import ShutdownSummary
from ..bus.introspection import BUS_NAME, OBJECT_PATH, XML
from ..bus.service import Service, Work
from ..bus.signals import Signals
from ..errors import ServiceError
from ..kernel import mounts
from ..report.report import Manager
from ..system import frames, logger
from ..system.admission import Door
from ..system.callers import Callers
from ..system.dbus import Property, Registration, request_name
from ..system.login1 import Inhibitor
from ..system.systemd1 import SystemdBus
from ..watch.pending import PendingWrites
from . import calls
from .begun import Begun
from .boot import BootWatch
from .flush import Flusher
from .keep_watch import KeepWatch
from .ledger_file import LedgerFile
from .limits import Limits
from .reload import Reloader
from .reports import Reports
from .shutdown import Shutdown
from .volume_watch import VolumeWatch
from .workers import Workers

PATIENCE = 1.0  # seconds for what the threads have begun, when this ends
HEARTBEAT = 10_000  # milliseconds, unless systemd wants it more often

log = logger.get()


def connect() -> frames.Link:
    """Return a connection of our own to the system bus; ServiceError where there is no bus."""
    try:
        return frames.connect(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None))
    except GLib.Error as error:
        raise ServiceError(
            f"system bus: {error.message}", "impermanenced needs a running D-Bus system bus"
        ) from None


class Daemon:
    """The parts, each of them whole, wired together and watching; `run` is the main loop.

    The main loop's thread only passes things on.  One worker reads the filesystem, one thing after the other,
    and the watch has a thread for the events.
    """

    def __init__(self, begun: Begun) -> None:
        self._loop = GLib.MainLoop()
        self._failed = False
        self._link = connect()
        self._con = con = self._link.con
        asked = SystemdBus(con)
        config_file = begun.config_file
        # PID 1's table is read, because the unit's sandbox has mounts of its own.
        self._manager = manager = Manager(
            config_file, lambda: mounts.read(1), asked, writable=False, opened=begun.opened
        )
        # The order matters: a call that comes with the name waits for the loop, and only the owner of the
        # name may open the ledger.
        self._callers = callers = Callers(self._link)
        self._registration = Registration(con, OBJECT_PATH, XML, guard=Door(callers).guard)
        request_name(con, BUS_NAME)

        self._ledger_file = LedgerFile(manager.machine)
        self._writes = writes = PendingWrites(time.time, self._ledger_file.ledger)
        self._workers = workers = Workers()
        self._signals = signals = Signals(self._registration, callers)
        self._announcer = Announcer(signals.emit_crud, listener=signals.news)
        self._reports = reports = Reports(manager, asked.known, writes)
        inhibitor = Inhibitor(con, workers.calls, "block", "a reboot cannot be refused")
        self._limits = Limits(manager, reports.total, signals, inhibitor, reports.weigh)
        self._keep = KeepWatch(manager, signals, writes, workers.submit)
        self._flusher = flusher = Flusher(
            manager, writes, self._announcer, signals.news, self._limits, reports.make, workers.submit
        )
        self._shutdown = Shutdown(con, manager, reports, self._say_leaving, workers)
        reports.subscribe(self._limits.take)
        writes.subscribe(
            on_news=lambda: GLib.idle_add(self._arm), on_many=lambda: workers.store(flusher.store_many)
        )

        # Before the thread that runs ahead of others, or the ledger's, made by it, would too.
        workers.store(self._ledger_file.ledger.tidy)
        self._watch = VolumeWatch(manager, writes, begun.fan)
        work = Work(
            flusher.report,
            functools.partial(calls.boots, config_file),
            functools.partial(calls.declarations, config_file),
            functools.partial(calls.request, config_file),
            flusher.rescan,
        )
        properties = _properties(manager, writes, reports, self._watch)
        self._service = Service(
            self._registration, workers.worker, workers.calls, work, properties, signals.news, callers
        )
        self._boot = BootWatch(con, workers.submit, self._settle)
        self._reloader = Reloader(manager, config_file is None, begun.as_read, workers.submit, self._loaded)

    # Life

    def run(self) -> int:
        """Go on until a signal or a failure ends it, close everything, and return the exit code."""
        self._con.connect("closed", self._bus_closed)
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, self._quit)
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, self._quit)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGHUP, self._hang_up)
        wanted = int(os.environ.get("WATCHDOG_USEC", "0")) // 3000
        GLib.timeout_add(min(wanted, HEARTBEAT) or HEARTBEAT, self._beat)
        self._boot.ask()
        systemd.daemon.notify(f"READY=1\nSTATUS={self._watch.status}{_watchdog()}")
        # This loads the logger.
        self._watch.say()
        self._reloader.begin()
        self._keep.begin()
        try:
            self._loop.run()
        finally:
            systemd.daemon.notify("STOPPING=1")
            self.close()
        return 1 if self._failed else 0

    def close(self) -> None:
        """End all threads, and record the end of the boot if it ends."""
        leaving = self._shutdown.end()
        self._limits.close()
        self._reloader.stop()
        self._keep.close()
        self._watch.stop()
        self._signals.close()
        self._registration.close()
        self._callers.close()
        if leaving:
            self._shutdown.leave_record(self._workers.last())
        self._reports.close()  # nobody is left who could get its answer
        ended = self._workers.close(PATIENCE)
        self._writes.store()
        self._ledger_file.close()
        with contextlib.suppress(GLib.Error):  # it may be why this closes
            self._con.flush_sync(None)
        self._link.close()
        if ended:  # or a thread still reads through the manager's descriptors
            self._manager.close()

    def _arm(self) -> bool:
        self._keep.written()
        return self._flusher.arm()

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
        if self._writes.waits:
            self._limits.stir()
            self._workers.store(self._writes.store)
        self._workers.submit(self._limits.look)
        self._workers.submit(self._keep.beat)
        self._service.tidy()
        systemd.daemon.notify("WATCHDOG=1")
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    # The ends of a boot

    def _settle(self) -> None:
        self._announcer.settle()
        self._limits.settle()
        self._limits.look()  # before much is written, while a report is small

    def _say_leaving(self, last: ShutdownSummary) -> None:
        if last.spared is None:
            self._signals.emit_leaving(last.count, last.size, [alert.path for alert in last.worst])
        else:
            self._signals.emit_leaving(0, 0, [])
        self._con.flush_sync(None)

    # Another configuration

    def _hang_up(self) -> bool:
        self._reloader.soon()
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    def _loaded(self) -> None:
        self._writes.unsettle()
        self._reports.forget()
        self._limits.unsettle()
        self._limits.look()
        GLib.idle_add(self._keep.stir)
        if self._manager.device != self._watch.device:
            log.warning("the volumes are on another filesystem: starting again")
            GLib.idle_add(self._fail)
        elif self._manager.volumes != self._watch.volumes:
            GLib.idle_add(self._watch_again)

    def _watch_again(self) -> bool:
        self._watch.restart()
        self._watch.say()
        systemd.daemon.notify(f"STATUS={self._watch.status}")
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]


def _watchdog() -> str:
    """Return what has systemd watch as its unit says from now on: it may have been patient with the start."""
    wanted = os.environ.get("WATCHDOG_USEC")
    return f"\nWATCHDOG_USEC={wanted}" if wanted else ""


def _properties(
    manager: Manager, writes: PendingWrites, reports: Reports, watch: VolumeWatch
) -> dict[str, Property]:
    def progress() -> Any:
        return GLib.Variant("(tt)", tuple(int(seconds * 1_000_000) for seconds in reports.progress()))

    return {
        "Version": lambda: GLib.Variant("s", __version__),
        "ConfigFile": lambda: GLib.Variant("ay", manager.config.path),
        "WatchingSince": lambda: GLib.Variant("t", int((writes.since or 0) * 1_000_000)),
        "Overflows": lambda: GLib.Variant("t", writes.overflows),
        "Progress": progress,
        "Source": lambda: GLib.Variant("s", watch.source),
    }
