"""What the daemon does about how much would be lost: it has a reboot refused, and says levels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.boots import records
from impermanenced.boots.records import NextRequest

from .conftest import NOBODY, Bus, Daemon, Emitted, Machine, fetch, wait_until
from .test_cli import run
from .test_shutdown import FakeLogind, bus, logind, refuse, state, wall
from .test_watch import watching

__all__ = ["bus", "logind", "state", "wall"]  # the fixtures

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 400
INHIBIT = "[gate]\ninhibit = true\n"
LEVELS = '[watch]\nnotice-bytes = "8KiB"\nwarning-bytes = "16KiB"\n'


@pytest.fixture
def daemon(bus: Bus, machine: Machine, tmp_path: Path) -> Iterator[Daemon]:
    machine.write_config(INHIBIT + LEVELS)
    machine.set_up()
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    try:
        daemon.wait_ready()
        yield daemon
    finally:
        daemon.stop()
    assert "Traceback" not in daemon.output(), daemon.output()


def blocked(logind: FakeLogind, machine: Machine, daemon: Daemon) -> Path:
    """A secret that would be lost, and the reboot that is refused for it."""
    key = machine.mountpoint / "etc/key"
    key.write_text(KEY)
    wait_until(lambda: logind.held("block") == 1, "a reboot refused")
    wait_until(lambda: "a reboot is refused" in daemon.output(), "the word in the journal")
    return key


def test_a_reboot_is_refused_while_a_secret_would_be_lost(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon
) -> None:
    (machine.mountpoint / "etc/app.conf").write_text("x=1\n")
    wait_until(lambda: "/etc/app.conf" in daemon.output(), "the entry")
    assert logind.held("block") == 0, "a warning refuses nothing"
    key = blocked(logind, machine, daemon)
    what, who, why, _ = next(asked for asked in logind.asked if asked[3] == "block")
    assert (what, who) == ("shutdown", "impermanenced")
    assert why == "The next boot takes away what must not be lost: impermanence gate"
    assert "a reboot is refused: secret: 1 path, 436 B (systemctl reboot" in daemon.output()
    assert run(bus, machine.config, "gate").returncode == 3
    key.unlink()
    wait_until(lambda: logind.held("block") == 0, "it let go")
    wait_until(lambda: "a reboot is not refused any more" in daemon.output(), "the word in the journal")
    assert run(bus, machine.config, "gate").returncode == 0
    assert logind.held() == 1, "the last report still has its moment"


def test_whoever_asks_has_it_looked_at_again(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon
) -> None:
    """Asking makes a report, and what that finds counts whatever was left to be made for it alone."""
    key = blocked(logind, machine, daemon)
    for _ in range(6):
        key.unlink()
        assert run(bus, machine.config, "gate").returncode == 0
        wait_until(lambda: logind.held("block") == 0, "it let go")
        key.write_text(KEY)
        assert run(bus, machine.config, "gate").returncode == 3
        wait_until(lambda: logind.held("block") == 1, "refused again")
    wait_until(lambda: daemon.output().count("a reboot is") == 13, "each said in the journal")


def test_a_request_to_keep_the_root_lets_go(
    bus: Bus, logind: FakeLogind, machine: Machine, state: Path, daemon: Daemon
) -> None:
    blocked(logind, machine, daemon)
    (state / "next").write_bytes(records.format_next(NextRequest("keep", "some-id")))
    wait_until(lambda: logind.held("block") == 0, "it let go", 30)
    told = run(bus, machine.config, "status", uid=NOBODY).stdout
    assert told.startswith("nothing that you may see would be lost at the next boot, were the root not kept")
    assert "only root can ask" not in told


def test_it_refuses_nothing_where_that_is_not_configured(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon
) -> None:
    blocked(logind, machine, daemon)
    machine.write_config()
    wait_until(lambda: logind.held("block") == 0, "it let go")
    assert run(bus, machine.config, "gate").returncode == 3
    machine.write_config(INHIBIT)
    wait_until(lambda: logind.held("block") == 1, "refused again")
    assert daemon.stop() == 0
    assert logind.held("block") == 0, "a daemon that has gone refuses nothing"


def test_a_logind_that_starts_again_is_asked_again(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon
) -> None:
    blocked(logind, machine, daemon)
    logind.con.close_sync(None)
    again = FakeLogind(bus)
    try:
        wait_until(lambda: again.held("block") == 1, "refused there too")
        assert daemon.output().count("a reboot is refused") == 1
    finally:
        again.close()


def test_without_logind_it_says_that_it_cannot(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    (machine.mountpoint / "etc/key").write_text(KEY)
    wait_until(lambda: "a reboot cannot be refused" in daemon.output(), "the word in the journal")
    assert "a reboot is refused" not in daemon.output()


def test_who_is_not_root_is_told_what_was_not_looked_at(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    (machine.mountpoint / "etc/key").write_text(KEY)
    config = bus.directory / "config.toml"  # where everybody may read it
    config.write_text(machine.config.read_text())
    machine.set_up()
    daemon = Daemon(bus, tmp_path, "--config", config)
    try:
        daemon.wait_ready()
        assert run(bus, config, "gate").returncode == 3
        result = run(bus, config, "gate", uid=NOBODY)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines()[0] == "warn: the next boot takes nothing away that was looked at."
        assert "a part was not looked at" in result.stdout
        config.chmod(0o600)
        result = run(bus, config, "gate", uid=NOBODY)
        assert (result.returncode, result.stdout) == (4, ""), "by rules it may not read it judges nothing"
    finally:
        assert daemon.stop() == 0


# Levels


def test_levels_are_said_once_on_the_way_up(
    bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path
) -> None:
    signals = Emitted(bus, "Level")
    with watching(bus, tmp_path, "--json", "-n", "all", uid=NOBODY) as watch:
        wait_until(lambda: "only what belongs" in watch.err.read_text(), "the beginning")
        fetch(bus, machine.config, NOBODY)
        (machine.mountpoint / "srv/one").write_text("x" * 9000)
        wait_until(lambda: len(signals.got) == 1, "the first level")
        (machine.mountpoint / "etc/two").write_text("x" * 9000)
        wait_until(lambda: len(signals.got) == 2, "the second level")
        assert signals.got == [("notice", 9000, 1), ("warning", 18000, 2)]
        fetch(bus, machine.config)
        assert (machine.mountpoint / "etc/two").write_text("x" * 9100)
        fetch(bus, machine.config)
        said = [line for line in daemon.output().splitlines() if "has come to" in line]
        assert said == [
            f"impermanenced: state that does not persist has come to {sums}"
            for sums in (
                "8.8 KiB in 1 path, notice-bytes is 8.0 KiB",
                "17.6 KiB in 2 paths, warning-bytes is 16.0 KiB",
            )
        ]
        levels = [one for one in map(json.loads, watch.lines()) if one["kind"] == "level"]
        assert [one["level"] for one in levels][-1] == "warning"
        assert all("path" not in one for one in levels)


def test_a_rollback_that_will_be_refused_takes_nothing_away(
    bus: Bus, logind: FakeLogind, machine: Machine, state: Path, daemon: Daemon
) -> None:
    """The daemon asks the program of the initrd, as the command does."""
    blocked(logind, machine, daemon)
    refuse(machine)
    # A configuration that is read anew makes it ask at once.
    machine.write_config(INHIBIT)
    wait_until(lambda: logind.held("block") == 0, "it let go")
    result = run(bus, machine.config, "gate", "--json")
    found = json.loads(result.stdout)
    assert (result.returncode, found["gate"]) == (0, "pass"), result.stderr
    assert found["spared"] == "the rollback will be refused (blank-writable)"
