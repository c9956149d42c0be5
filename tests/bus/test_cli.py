"""The command where the daemon runs: it asks, also for who is not root, and says who wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..schema import checked
from .conftest import NOBODY, REPOSITORY, Bus, Daemon, Machine, fetch, run_beside, wait_until


def run(bus: Bus, config: Path, *argv: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
    program = (
        "import os, sys\n"
        "sys.path.insert(0, sys.argv.pop(2))\n"
        "from impermanenced.cli.main import command\n"
        "uid = int(sys.argv.pop(1))\n"
        "os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)\n"
        "sys.exit(command())\n"
    )
    called = [sys.executable, "-c", program, str(uid), str(REPOSITORY), "--config", str(config), *argv]
    return run_beside(*called, env=bus.environment, cwd=Path("/"))


def write(bus: Bus, machine: Machine) -> None:
    (machine.mountpoint / "etc/new").write_text("x" * 1000)
    (machine.mountpoint / "etc/theirs").touch()
    os.chown(machine.mountpoint / "etc/theirs", NOBODY, NOBODY)

    def known() -> bool:
        entries = fetch(bus, machine.config)["entries"]
        return len(entries) == 2 and all(entry["writer"] for entry in entries)

    wait_until(known, "the writers")


def test_status_knows_the_writers(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    write(bus, machine)
    assert run(bus, machine.config, "status", "--exit-code").returncode == 0, "nobody wipes it"
    machine.set_up()
    result = run(bus, machine.config, "status", "--json", "--exit-code")
    assert (result.returncode, result.stderr) == (3, "")
    document = checked("status", result.stdout)
    assert document["watching_since"] is not None
    assert document["counts"]["crud"] == 2
    assert {entry["path"] for entry in document["entries"]} == {"/etc/new", "/etc/theirs"}
    for entry in document["entries"]:
        assert entry["writer"]["pid"] == os.getpid()
        assert "letters" not in entry
    text = run(bus, machine.config, "status").stdout
    assert "writers known since" in text
    assert f"{entry['writer']['exe'].rpartition('/')[2]} (root), just now" in text
    told = run(bus, machine.config, "explain", "/etc/new").stdout
    assert f"pid {os.getpid()}" in told
    assert run(bus, machine.config, "diff").stdout.splitlines()[0] == "+...... /etc/new"


def test_another_user_sees_what_is_theirs(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    write(bus, machine)
    result = run(bus, machine.config, "status", uid=NOBODY)
    assert result.returncode == 0, result.stderr
    assert "/etc/theirs" in result.stdout
    assert "/etc/new" not in result.stdout
    assert "not shown: up to 16 differences of other users, 1.0 MiB (root sees all)" in result.stdout
    assert result.stdout.startswith("at least 1 thing would be lost if this root were wiped"), "as it knows"
    # A configuration that this user may not read is the daemon's affair.
    machine.config.chmod(0o600)
    told = run(bus, machine.config, "explain", "/etc/theirs", uid=NOBODY)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("/etc/theirs   created")


def test_another_user_gets_suggestions_for_what_is_theirs(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    write(bus, machine)
    machine.config.chmod(0o600)
    result = run(bus, machine.config, "suggest", uid=NOBODY)
    assert (result.returncode, result.stderr) == (0, "")
    assert "/etc/theirs" in result.stdout
    assert "/etc/new" not in result.stdout
    assert "# What belongs to other users is not in it: root sees all.\n" in result.stdout
    assert "/etc/new" in run(bus, machine.config, "suggest").stdout


def test_without_the_daemon_only_root_gets_an_answer(bus: Bus, machine: Machine) -> None:
    (machine.mountpoint / "etc/new").touch()
    result = run(bus, machine.config, "status")
    assert result.returncode == 0
    assert "nobody watches: writers unknown" in result.stdout


def test_another_configuration_is_not_the_daemons(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    other = machine.config.with_name("other.toml")
    other.write_text(machine.config.read_text() + '[watch]\nignore = ["*"]\n')
    (machine.mountpoint / "etc/new").touch()
    result = run(bus, other, "status")
    assert result.returncode == 0
    assert "writers unknown: impermanenced runs with another configuration" in result.stdout
    assert "nobody watches" not in result.stdout
    assert result.stdout.startswith("nothing would be lost")
