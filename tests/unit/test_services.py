"""The units that stop and start together.

systemctl is played here; the real one answers in vm-tests/full/test_adopt.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.errors import ImpermanenceError, UsageError
from impermanenced.system.services import JOURNALD, Services

# What is loaded: its state, and who depends on it.
UNITS = {
    "db.service": (
        "active",
        "TriggeredBy=db.socket RequiredBy=app.service,multi-user.target BoundBy=idle.service",
    ),
    "db.socket": ("active", ""),
    "app.service": ("active", "TriggeredBy=app.timer ConsistsOf=worker.service RequiredBy=db.service"),
    "app.timer": ("active", ""),
    "worker.service": ("reloading", ""),
    "idle.service": ("inactive", "RequiredBy=far.service"),
    "far.service": ("active", ""),
    "asleep.service": ("inactive", "TriggeredBy=asleep.socket"),
    "asleep.socket": ("active", ""),
    "stubborn.service": ("active", ""),
    "multi-user.target": ("active", ""),
}
SYSTEMCTL = """#!/bin/sh
echo "$0 $*" >> {place}/said
verb=$1
shift
status=0
for unit; do
    case $verb:$unit in
        *:--*) ;;
        show:*)
            if [ -e {place}/units/$unit ]; then cat {place}/units/$unit; else
                printf 'Id=%s\\nLoadState=not-found\\nActiveState=inactive\\n' "$unit"; fi
            echo ;;
        stop:stubborn.service | start:far.service) status=1 ;;
        stop:*) sed -i s/^ActiveState=.*/ActiveState=inactive/ {place}/units/$unit ;;
        start:*) sed -i s/^ActiveState=.*/ActiveState=active/ {place}/units/$unit ;;
    esac
done
exit $status
"""


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The calls of systemctl and journalctl, line by line."""
    (tmp_path / "units").mkdir()
    for name, (state, others) in UNITS.items():
        more = "".join(f"{word.replace(',', ' ')}\n" for word in others.split())
        (tmp_path / "units" / name).write_text(f"Id={name}\nLoadState=loaded\nActiveState={state}\n{more}")
    for name in ("systemctl", "journalctl"):
        (tmp_path / name).write_text(SYSTEMCTL.format(place=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "said"


def told(said: Path) -> list[str]:
    return [line.rpartition("/")[2] for line in said.read_text().splitlines() if " show " not in line]


def test_what_would_start_it_and_what_stops_with_it_stop_first(said: Path) -> None:
    """systemd does not start again what it stopped because of a requirement."""
    found = Services().with_others(["db.service"])
    assert set(found) == {"db.service", "db.socket", "app.service", "app.timer", "worker.service"}
    assert found.index("db.socket") < found.index("db.service")
    assert found.index("app.timer") < found.index("app.service") < found.index("db.service")


def test_what_wakes_a_unit_that_does_not_run(said: Path) -> None:
    assert Services().with_others(["asleep.service"]) == ("asleep.socket",)


def test_a_unit_that_does_not_exist(said: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.service: there is no such unit"):
        Services().with_others(["db.service", "none.service"])


def test_who_goes_on_all_the_same_is_named_and_the_others_stop(said: Path) -> None:
    services = Services()
    assert services.stop(["stubborn.service", "db.service"]) == ("stubborn.service",)
    assert services.running(["db.service", "stubborn.service"]) == ("stubborn.service",)


def test_one_that_fails_keeps_no_other_from_being_started(said: Path) -> None:
    services = Services()
    units = ("far.service", "db.service")
    assert services.stop(units) == ()
    with pytest.raises(ImpermanenceError, match=r"not started again: far\.service$"):
        services.start(units)
    assert services.running(units) == ("db.service",)


def test_the_journal_leaves_and_comes_back_and_never_stops(said: Path) -> None:
    services = Services()
    units = services.with_others([JOURNALD, "app.timer"])
    assert units == ("app.timer", JOURNALD)
    services.stop(units)
    services.start(units)
    assert told(said) == [
        "journalctl --relinquish-var",
        "systemctl stop -- app.timer",
        "journalctl --flush",
        "systemctl start -- app.timer",
    ]
