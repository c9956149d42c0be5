"""Units that run and were seen writing are named, though nothing of the path is open at the moment."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.errors import ImpermanenceError
from impermanenced.keep.adopt import checks
from impermanenced.model import Report
from impermanenced.report.report import Manager
from impermanenced.watch.ledger import Ledger, Origin
from impermanenced.watch.pending import PendingWrites

from .machine import Machine, Units

APP = b"/var/lib/app"
OF_APP = Origin("app.service", b"/usr/bin/app", b"app", 812, 0, "system")
OF_USER = Origin("app.service", b"/usr/bin/app", b"app", 813, 1000, "user")  # of the same name
OF_SHELL = Origin("session-3.scope", b"/bin/sh", b"sh", 814, 0, "session")


@pytest.fixture
def manager(machine: Machine) -> Iterator[Manager]:
    with Manager(os.fsencode(machine.config)) as manager:
        yield manager


def written_by(manager: Manager, origin: Origin, path: Path) -> Report:
    """A report with what the ledger knows of one write."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("content")
    ledger = Ledger(None, "this boot", time.time)
    try:
        writes = PendingWrites(time.time, ledger)
        (volume,) = manager.volumes
        facts = path.stat()
        writes.note([(volume.root_id, facts.st_ino, path.parent.stat().st_ino, origin, True)])
        writes.store()
        return manager.status(writes)
    finally:
        ledger.close()


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("runs", [False, True])
def test_a_unit_that_the_ledger_knows(machine: Machine, manager: Manager, runs: bool, stopped: bool) -> None:
    report = written_by(manager, OF_APP, machine.root / "var/lib/app/data")
    units = Units()
    units.running_units = {"app.service"} if runs else set()
    stop = ("app.service",) if stopped else ()
    if runs and not stopped:
        with pytest.raises(ImpermanenceError) as refused:
            checks.refuse_writers(report, APP, stop, units)
        said = refused.value
        assert said.message == "app.service runs, and has written /var/lib/app/data; nothing was changed"
        assert said.hint == "impermanence persist --stop app.service /var/lib/app"
    else:
        checks.refuse_writers(report, APP, stop, units)
    assert units.log == [], "that it runs is asked, and nothing is stopped"


@pytest.mark.parametrize(
    ("origin", "path"),
    [(OF_USER, "var/lib/app/data"), (OF_SHELL, "var/lib/app/data"), (OF_APP, "var/lib/apple/data")],
    ids=["of a user's manager", "of a session", "beside it"],
)
def test_others_are_asked_for_what_they_have_open(
    machine: Machine, manager: Manager, origin: Origin, path: str
) -> None:
    report = written_by(manager, origin, machine.root / path)
    assert any(entry.writer is not None and entry.writer.unit == origin.unit for entry in report.entries)
    units = Units()
    units.running_units = {"app.service", "session-3.scope"}
    checks.refuse_writers(report, APP, (), units)
