"""What a blank that was taken live has of the running system is no loss when it is gone."""

from __future__ import annotations

import os
import socket

from tests.conftest import sh

from .machine import System

PRIVATE = "systemd-private-0123456789abcdef0123456789abcdef-redis.service-aB3dE5"


def test_what_a_running_system_leaves_in_its_blank(system: System) -> None:
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    for directory in (f"tmp/{PRIVATE}/tmp", f"var/tmp/{PRIVATE}/tmp", "tmp/.X11-unix", "run/user/1000"):
        (blank / directory).mkdir(parents=True)
    (blank / "tmp/.X0-lock").touch()
    for name in ("tmp/.X11-unix/X0", "run/dbus.socket", "etc/a.socket"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.fsencode(blank / name))
    (blank / "etc/gone.conf").write_text("kept for once\n")
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    entries = system.document("status", "--all")["entries"]
    found = {entry["path"]: entry["verdict"] for entry in entries}
    assert found.pop("/etc/gone.conf") == "crud", "a deletion of one's own is said"
    assert found[f"/tmp/{PRIVATE}/tmp"] == found[f"/var/tmp/{PRIVATE}"] == "ignored"
    assert found["/etc/a.socket"] == "regenerated"
    assert {path for path, verdict in found.items() if verdict == "crud"} == set()
