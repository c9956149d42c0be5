"""Units that are stopped and started again: which ones, in what order, and what becomes of one that refuses.

systemctl is a script here that prints what systemd 252 prints, and writes down what it was asked.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.errors import CommandError, UsageError
from impermanenced.system import services
from impermanenced.system.services import JOURNALD, Services

SCRIPT = """#!/bin/sh
verb=$1
echo "$(basename "$0") $*" >> {log}
if [ "$verb" = show ]; then
    shift 3
    for unit; do cat "{units}/$unit"; echo; done
else
    for unit; do :; done
    ! [ -e "{units}/$unit.refuses" ]
fi
"""


class Systemd:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"

    def unit(self, name: str, state: str = "active", refuses: bool = False, **properties: str) -> None:
        lines = {"Id": name, "LoadState": "loaded", "ActiveState": state, **properties}
        (self.directory / name).write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
        if refuses:
            (self.directory / f"{name}.refuses").touch()

    def asked(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if not line.startswith("systemctl show")]


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    found = Systemd(tmp_path / "units")
    found.directory.mkdir()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("systemctl", "journalctl"):
        (programs / name).write_text(SCRIPT.format(log=found.log, units=found.directory))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(services, "BOOTED", os.fsencode(tmp_path))
    return found


def test_what_would_start_it_again_stops_first(systemd: Systemd) -> None:
    systemd.unit("web.service", TriggeredBy="web.socket web.timer")
    systemd.unit("web.socket")
    systemd.unit("web.timer", "inactive")
    assert Services().with_triggers(["web.service"]) == ("web.socket", "web.service")


def test_what_stops_with_it_is_known_and_started_again(systemd: Systemd) -> None:
    systemd.unit("db.service", RequiredBy="web.service multi-user.target", BoundBy="off.service")
    systemd.unit("web.service", ConsistsOf="worker.service")
    systemd.unit("worker.service")
    systemd.unit("off.service", "inactive")
    assert Services().with_dependents(["db.service"]) == ("db.service", "web.service", "worker.service")


def test_the_journal_goes_on_elsewhere_and_its_sockets_stay(systemd: Systemd) -> None:
    systemd.unit(JOURNALD, TriggeredBy="systemd-journald.socket")
    systemd.unit("systemd-journald.socket")
    units = Services().with_dependents(Services().with_triggers([JOURNALD]))
    assert units == (JOURNALD,)
    assert Services().stop(units) == ()
    Services().start(units)
    assert systemd.asked() == ["journalctl --relinquish-var", "journalctl --flush"]


def test_one_that_refuses_keeps_no_other_from_being_stopped_and_started(systemd: Systemd) -> None:
    systemd.unit("auditd.service", refuses=True)
    systemd.unit("web.service")
    assert Services().stop(["auditd.service", "web.service"]) == ("auditd.service",)
    with pytest.raises(CommandError, match=r"these units did not start again: auditd\.service"):
        Services().start(["auditd.service", "web.service"])
    assert systemd.asked() == [
        "systemctl stop -- auditd.service",
        "systemctl stop -- web.service",
        "systemctl start -- auditd.service",
        "systemctl start -- web.service",
    ]


def test_a_unit_that_does_not_exist(systemd: Systemd) -> None:
    systemd.unit("web.service", "inactive", LoadState="not-found")
    with pytest.raises(UsageError, match="there is no such unit"):
        Services().with_triggers(["web.service"])


def test_nothing_is_asked_of_no_units(systemd: Systemd) -> None:
    assert (Services().with_triggers([]), Services().running([])) == ((), ())
    assert not systemd.log.exists()
