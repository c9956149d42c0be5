"""The watch on declarations: what no longer holds is said within five seconds, whoever else writes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.document.declared import states_from_json

from ..conftest import sh
from .conftest import NOBODY, Bus, Daemon, Emitted, Machine, get_properties, wait_until
from .polkit import Caller

DECLARED = """
[persist."/persist"]
directories = ["/var/log", {path = "/srv/link", method = "symlink"},
    {path = "/srv/first", method = "symlink"}]
files = ["/etc/hostname", {path = "/etc/copy.conf", method = "sync"}]
"""


@pytest.fixture
def persist(machine: Machine) -> Iterator[Path]:
    machine.filesystem.subvolume("persist")
    machine.write_config(DECLARED)
    root = machine.mountpoint
    persist = machine.filesystem.mount(root / "persist", "subvol=persist")
    for directory in ("var/log", "srv/link", "srv/first", "etc"):
        (persist / directory).mkdir(parents=True)
    (persist / "etc/hostname").write_text("kept\n")
    (root / "var/log").mkdir()
    (root / "etc/hostname").touch()
    (persist / "etc/copy.conf").write_text("old\n")
    sh("cp", "-a", persist / "etc/copy.conf", root / "etc/copy.conf")
    (root / "srv/link").symlink_to("/persist/srv/link")
    (root / "srv/first").symlink_to("/srv")
    for path in ("var/log", "etc/hostname"):
        sh("mount", "--bind", persist / path, root / path)
        machine.filesystem.mounts.append(root / path)
    yield persist


@pytest.fixture
def listening(bus: Bus, persist: Path) -> Emitted:
    """Before the daemon says anything."""
    return Emitted(bus, "Declaration")


@pytest.fixture
def heard(listening: Emitted, machine: Machine, daemon: Daemon) -> Emitted:
    """After the daemon has looked for the first time: what it says of later changes."""
    wait_until(lambda: words(listening) == [("/srv/first", "inconsistent", "elsewhere")], "the first look")
    listening.got.clear()
    return listening


def words(heard: Emitted) -> list[tuple[str, str, str]]:
    return [(bytes(path).decode(), state, reason) for path, state, reason, _ in heard.got]


def test_the_daemon_answers_as_the_command_does(bus: Bus, persist: Path, daemon: Daemon) -> None:
    assert get_properties(bus)["Source"] == "fanotify"
    found = states_from_json(json.dumps(json.loads(Caller(bus, 0, "Declarations").answer()[0])).encode())
    assert [(one.path, one.reason.value) for one in found] == [
        (b"/var/log", "mounted"),
        (b"/srv/link", "linked"),
        (b"/srv/first", "elsewhere"),
        (b"/etc/hostname", "mounted"),
        (b"/etc/copy.conf", "copied"),
    ]
    assert json.loads(Caller(bus, NOBODY, "Declarations").answer()[0])["declarations"] == []


def test_a_mount_that_goes_and_comes_back(
    machine: Machine, persist: Path, daemon: Daemon, heard: Emitted
) -> None:
    place = machine.mountpoint / "var/log"
    machine.filesystem.umount(place)
    wait_until(lambda: words(heard) == [("/var/log", "not-active", "not-mounted")], "a signal")
    sh("mount", "--bind", persist / "var/log", place)
    machine.filesystem.mounts.append(place)
    wait_until(lambda: words(heard)[1:] == [("/var/log", "active", "mounted")], "a signal")
    said = daemon.output()
    assert "declaration does not hold: /var/log: nothing is mounted there" in said
    assert "declaration holds again: /var/log: mounted from /persist/var/log" in said


def test_a_link_that_is_replaced_while_others_write(
    machine: Machine, persist: Path, daemon: Daemon, heard: Emitted
) -> None:
    root = machine.mountpoint
    new = root / "srv/link.tmp"
    new.write_text("network={}\n")
    new.rename(root / "srv/link")
    noise = root / "tmp/noise"

    def said() -> bool:
        noise.write_text(str(time.monotonic()))  # the names of what was written wait until this ends
        return words(heard) == [("/srv/link", "inconsistent", "link-replaced")]

    wait_until(said, "a signal")


def test_a_link_that_is_deleted(machine: Machine, persist: Path, daemon: Daemon, heard: Emitted) -> None:
    (machine.mountpoint / "srv/link").unlink()
    wait_until(lambda: words(heard) == [("/srv/link", "not-active", "not-linked")], "a signal")


def test_a_copy_that_is_replaced_and_not_copied_back(
    machine: Machine, persist: Path, daemon: Daemon, heard: Emitted
) -> None:
    """No unit copies it here; so it is said, and that it holds again when it was copied."""
    new = machine.mountpoint / "etc/copy.conf.tmp"
    new.write_text("new\n")
    new.rename(machine.mountpoint / "etc/copy.conf")
    wait_until(lambda: words(heard) == [("/etc/copy.conf", "inconsistent", "changed")], "a signal")
    sh("cp", "-a", machine.mountpoint / "etc/copy.conf", persist / "etc/copy.conf")
    (machine.mountpoint / "tmp/x").touch()
    wait_until(lambda: words(heard)[1:] == [("/etc/copy.conf", "active", "copied")], "a signal")


def test_a_new_version_that_nothing_lets_in(
    machine: Machine, persist: Path, daemon: Daemon, heard: Emitted
) -> None:
    new = machine.mountpoint / "etc/hostname.tmp"
    new.write_text("new\n")
    with pytest.raises(OSError, match="busy"):
        new.rename(machine.mountpoint / "etc/hostname")
    wait_until(lambda: words(heard) == [("/etc/hostname", "inconsistent", "left-aside")], "a signal")


def test_what_is_wrong_at_the_start_is_said(
    bus: Bus, machine: Machine, persist: Path, listening: Emitted, tmp_path: Path
) -> None:
    """What was never made is said when something is written there."""
    (persist / "etc/new").touch()
    (persist / "etc/new").rename(persist / "etc/hostname")
    machine.filesystem.umount(machine.mountpoint / "var/log")
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    try:
        daemon.wait_ready()
        wait_until(lambda: len(listening.got) == 2, "a signal")
        assert [reason for _, _, reason in words(listening)] == ["elsewhere", "stale"]
    finally:
        assert daemon.stop() == 0
