"""What status says of a whole Debian: fresh, from boot to boot, and after a day's work.

It is one test: every chapter stands on the disk that the one before has left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kernel as kernels
import pytest

from full import guest
from full.guest import Guest
from full.repository import repository
from impermanenced.cli.rows import PACKAGES, Row, rows
from impermanenced.document.report import report_from_json
from impermanenced.model import Entry

HERE = Path(__file__).parent
LAYOUT = "as-installed"
STAMPER = "systemd.wants=stamper.service"
SAME, STAMP, IDENTITY = "/var/lib/stamper/7c1e-same", "/7c1e-stamp", "/etc/7c1e-identity"

# What a Debian that nobody has touched would lose, and why that is a loss.
FRESH = {
    "/var/lib/systemd/": "the seed of the random numbers, the last time of the clock, and when timers ran:"
    " without that one which was missed while the machine was off never runs",
}


@pytest.fixture
def debian(workspace: Path, kernel: kernels.Kernel, deb: Path) -> Iterator[Guest]:
    """Off, as its installer leaves it, and the package in it; its second disk has more packages."""
    more = repository(guest.base_of("dracut", LAYOUT), "postgresql", "redis", "nginx")
    image = guest.image(kernel, deb, layout=LAYOUT)
    found = Guest(workspace, kernel, image, extra=[guest.as_disk(more, workspace)])
    with found.machine:
        yield found


class Report:
    def __init__(self, machine: Guest) -> None:
        report = machine.json("impermanence status --json --all", timeout=120)
        assert report["notes"] == []
        self.settled = report["settled"]
        self.entries: dict[str, dict[str, Any]] = {entry["path"]: entry for entry in report["entries"]}
        self.crud = [entry for entry in report["entries"] if entry["verdict"] == "crud"]
        self.rows: list[Row] = rows(_typed(report, self.crud))

    @property
    def listed(self) -> set[str]:
        return {row.path for row in self.rows}

    def verdict(self, path: str) -> tuple[str, str]:
        return self.entries[path]["verdict"], self.entries[path]["rule"]


def _typed(report: dict[str, Any], crud: list[dict[str, Any]]) -> tuple[Entry, ...]:
    """The entries of a public report as values; what it does not say plays no part in rows."""
    unannounced = {"letters": ".......", "inode": 0, "target": None, "subvolume": None, "hidden": False}
    volumes = [
        {**volume, "path": volume["mountpoint"], "root_id": 0, "blank_id": None}
        for volume in report["volumes"]
    ]
    entries = [
        {
            **entry,
            **unannounced,
            "unpushed": "".join(why for why in entry["because"] if why.startswith("git: ")),
            "bookkeeping": entry["package"] == "dpkg",
        }
        for entry in crud
    ]
    whole = {**report, "volumes": volumes, "entries": entries}
    return report_from_json(json.dumps(whole).encode()).entries


def test_verdicts(debian: Guest, figures: dict[str, object]) -> None:
    debian.boot(STAMPER)
    fresh(debian, figures)
    debian.run("impermanence setup")
    debian.reboot(STAMPER)
    second(debian)
    debian.reboot(STAMPER)
    third(debian)
    installed = debian.run((HERE / "work/install").read_text(), timeout=900)
    figures["apt install postgresql redis nginx, seconds (emulated)"] = round(installed.seconds, 1)
    debian.run((HERE / "work/server").read_text())
    debian.run((HERE / "work/person").read_text(), user="alice")
    worked(debian, figures)


def fresh(debian: Guest, figures: dict[str, object]) -> None:
    """Nobody has logged in, and there is no old root to learn from."""
    assert debian.run("systemctl is-system-running").output == "running\n"
    assert debian.run("loginctl --no-legend list-users").output == ""
    report = Report(debian)
    figures["groups of a fresh Debian"] = sorted(report.listed)
    assert report.settled
    assert report.listed - {SAME} <= FRESH.keys()
    assert len(report.listed) <= 10
    would = f"{len(report.rows)} things would be lost if this root were wiped"
    assert debian.run("impermanence status").output.startswith(would)
    # What the boot makes is none of it, whoever in the boot it was.
    assert report.verdict("/var/lib/dbus/machine-id") == (
        "regenerated",
        "made by tmpfiles.d: L /var/lib/dbus/machine-id",
    )
    assert report.verdict("/var/lib/systemd/linger")[0] == "regenerated"
    for path in (STAMP, IDENTITY):
        assert report.verdict(path) == ("regenerated", "made before the boot had settled")
    # A unit's state may be what people miss: one boot alone does not tell.
    assert report.verdict(SAME) == ("crud", "nothing declares it")


def second(debian: Guest) -> None:
    report = learned(debian, "the last boot had it too, with the same content")
    assert report.entries[IDENTITY]["lost"] == 1


def third(debian: Guest) -> None:
    report = learned(debian, "each of the last 2 boots had it too, with the same content")
    different = "comes back with other content at each boot (the last 3)"
    assert any(reason.startswith(different) for reason in report.entries[IDENTITY]["because"])
    assert different in debian.run(f"impermanence explain {IDENTITY}").output


def learned(debian: Guest, rule: str) -> Report:
    """What the boot makes by itself is off the list, which no rule says; what is never the same is on it."""
    report = Report(debian)
    for path in (STAMP, SAME):
        assert report.verdict(path) == ("regenerated", rule)
    assert report.listed <= {*FRESH, IDENTITY}
    assert report.verdict(IDENTITY)[0] == "crud"
    return report


# The ten that hurt most, after the work.
WORST = {
    "/var/lib/postgresql/": "database",
    "/var/lib/redis/": "database",
    "/etc/{,g}shadow": "secret",
    "/home/alice/.ssh/": "secret",
    "/home/alice/.gnupg/": "secret",
    "/home/alice/.mozilla/firefox/": "secret",
    "/home/alice/.local/share/kwalletd/": "secret",
    "/home/alice/Documents/": "document",
    "/home/alice/Pictures/": "document",
    "/home/alice/code/notes/": "document",
}
CACHES = ("/home/alice/.cache/fish/", "/home/alice/.cache/mozilla/", "/var/cache/")
# What else there is to lose, of what was made after the boot, and why that is a loss.
BESIDE = {
    "/etc/{group,passwd}": "the accounts of the servers, by whose numbers their files are owned",
    "/etc/nginx/": "the site that somebody wrote",
    "/etc/postgresql/": "the settings of the cluster that was made",
    "/etc/ssl/private/ssl-cert-snakeoil.key": "a key, if one that nobody trusts",
    "/home/alice/.config/fish/": "settings of a shell",
    "/home/alice/.config/kdeglobals": "settings of a desktop",
    "/home/alice/.local/share/fish/": "the history of a shell",
    "/var/www/": "the pages of the site",
}


def worked(debian: Guest, figures: dict[str, object]) -> None:
    report = Report(debian)
    figures["the ten that hurt most"] = [f"{row.score} {row.loss} {row.path}" for row in report.rows[:10]]
    figures["all groups after the work"] = len(report.rows)
    assert {row.path: row.loss for row in report.rows[:10]} == WORST
    (notes,) = (row for row in report.rows if row.path == "/home/alice/code/notes/")
    assert notes.note == "git: main is on no remote"

    packages = [row for row in report.rows if row.loss == PACKAGES]
    assert len(packages) == 1
    inside = {entry.package for entry in packages[0].entries}
    assert packages[0].path.startswith("nginx, postgresql, redis, ")
    assert {"postgresql-15", "redis-server", "nginx-common"} <= inside
    rest = {row.path for row in report.rows[10:] if row is not packages[0]}
    assert rest <= {*BESIDE, *FRESH, IDENTITY}
    for entry in report.crud:
        assert entry["loss"] and entry["because"] and entry["advice"], entry
        assert entry["loss"] != "cache", entry
        assert not entry["path"].startswith(CACHES), entry
    for path in CACHES:
        assert any(entry["path"].startswith(path) for entry in report.entries.values()), path
