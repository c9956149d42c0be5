"""What `next` and `boots` do, and what `status` says of the next boot."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

from ...boots import good, history, outcome, requests
from ...boots.old_roots import Archive
from ...boots.prune.sizes import Sizes
from ...boots.records import BootRecord
from ...config.load import load
from ...errors import ImpermanenceError, RecordError
from ...report.report import Manager
from ...text import to_text
from ...volumes.machine import Machine
from ..parse import Options
from . import boots

try:
    from ...boots.journal import LastEntries
    from ...system import journal
except ImportError:  # the package works without the library of the journal
    journal = None  # type: ignore[assignment]
    LastEntries = None  # type: ignore[assignment, misc]


NEWEST = 20  # boots of which the list says how they ended


def ask(options: Options) -> str:
    """Obey `next`; the words for it."""
    with Manager(options.config) as manager:
        machine, trial = manager.machine, not manager.config.rollback.wipe
        before = requests.pending(machine)
        if options.request is None:
            if before is not None:
                return boots.pending(boots.request_document(before), time.time()) + "\n"
            newest = requests.newest_record(machine)
            return boots.nothing_asked(hold=newest is not None and newest.hold, trial=trial)
        if options.request == "cancel":
            if not options.dry_run:
                requests.cancel(machine)
            return boots.cancelled(before, dry_run=options.dry_run)
        boot = options.boot
        if boot is not None:
            found = history.read(machine, manager.config.archive.directory, history.this_boot_id())
            boot = history.bootable(found, boot)
        request = requests.new(options.request, boot=boot, boots=options.boots)
        if not options.dry_run:
            requests.write(machine, request)
    return boots.asked(request, before, dry_run=options.dry_run, trial=trial)


def document(options: Options) -> dict[str, Any]:
    """Of `boots`."""
    with Manager(options.config) as manager:
        archive = manager.config.archive.directory
        # The journal is asked about every boot, which takes its time: a person looks at the newest.
        last_entry = _last_entry(None if options.json else NEWEST)
        # What the hook left is about this machine, and not about another that is looked at.
        result = None if options.config is not None else _result()
        found = history.read(manager.machine, archive, history.this_boot_id(), last_entry, result)
        request = requests.pending(manager.machine) if manager.machine.has_state() else None
        sizes = _sizes(manager) if options.sizes else None
    return boots.document(found, request, sizes)


def _sizes(manager: Manager) -> dict[bytes, int]:
    with Archive(manager.config, manager.machine) as archive:
        found = archive.read()
    # What several have counts for the newest, as when they are pruned.
    measured = Sizes(manager.machine).of(found, reversed(found.roots))
    return {root.path: measured[root.id] for root in found.roots}


def _result() -> BootRecord | None:
    try:
        return good.result()
    except RecordError:
        return None


def _last_entry(most: int | None) -> Callable[[str], tuple[float, bool] | None]:
    try:
        if LastEntries is not None:
            of, left = LastEntries().of, itertools.count() if most is None else iter(range(most))
            return lambda boot_id: None if next(left, None) is None else of(boot_id)
    except OSError:  # a machine without a journal knows less
        pass
    return _unknown


def _unknown(boot_id: str) -> None:
    return None


def mark_good() -> None:
    good.mark(good.result(), history.this_boot_id())


def alert() -> None:
    """Tell the journal and every login when this boot's rollback did not do what it is there for."""
    found = outcome.look(history.this_boot_id())
    outcome.tell_logins(None if found is None else boots.login_line(found))
    if found is None or journal is None:
        return
    held = found.kind == outcome.HELD
    journal.write(
        boots.trouble_line(found),
        journal.LOG_WARNING if held else journal.LOG_ERR,
        {
            "MESSAGE_ID": journal.MESSAGE_HELD if held else journal.MESSAGE_NOT_ROLLED_BACK,
            "SYSLOG_IDENTIFIER": "impermanence",
            "IMPERMANENCE_ACTION": found.kind,
            "IMPERMANENCE_REASON": to_text(found.reason.encode()),
        },
    )


def notices(config: bytes | None) -> list[str]:
    """As far as the caller may know; `status` is right without it."""
    lines = []
    try:
        # What the hook left for all to read is about this machine, and not about another that is looked at.
        found = outcome.look(history.this_boot_id()) if config is None else None
        waiting: dict[str, Any] = {"hold": found is not None and found.kind == outcome.HELD, "next": None}
        if os.geteuid() == 0:
            with Machine(load(config).volumes) as machine:
                if machine.has_state():
                    newest, request = requests.newest_record(machine), requests.pending(machine)
                    waiting["hold"] = newest is not None and newest.hold
                    waiting["next"] = None if request is None else boots.request_document(request)
                    if found is None and newest is not None and newest.boot_id == history.this_boot_id():
                        found = outcome.of(newest)
        if found is not None and found.kind != outcome.HELD:
            lines.append(boots.not_rolled_back(found))
        return [*lines, *boots.notices(waiting, time.time())]
    except (ImpermanenceError, OSError):
        return lines
