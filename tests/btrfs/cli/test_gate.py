"""`impermanence gate` on a real filesystem: what it lets pass, and what it returns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import requests
from impermanenced.config.load import VolumeSettings
from impermanenced.state import NO_BOOT_ID
from impermanenced.volumes.machine import Machine
from tests.conftest import sh
from tests.schema import checked

from ..users import as_nobody
from .machine import System

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 400


def gate(system: System, *argv: str) -> tuple[int, Any]:
    result = system.run("gate", "--json", *argv)
    assert result.stderr == ""
    return result.returncode, checked("gate", result.stdout)


@pytest.fixture
def system(system: System) -> System:
    system.set_up()
    return system


def test_nothing_passes(system: System) -> None:
    code, found = gate(system)
    assert (code, found["gate"], found["reasons"], found["count"]) == (0, "pass", [], 0)
    assert system.run("gate").stdout == "pass: the next boot takes nothing away.\n"


def test_a_secret_blocks_and_a_setting_warns(system: System) -> None:
    (system.root / "etc/app.conf").write_text("x=1\n")
    code, found = gate(system)
    assert (code, found["gate"]) == (0, "warn")
    assert found["classes"] == {"config": {"count": 1, "bytes": 4}}
    (system.root / "etc/key").write_text(KEY)
    result = system.run("gate")
    assert result.returncode == 3, "as of status --exit-code"
    assert result.stdout.startswith("block: the next boot takes away 2 paths, ")
    assert "\n  block  secret: 1 path, " in result.stdout
    system.configure('[gate]\nwarn = []\nblock = ["document"]\n')
    assert gate(system)[0] == 0 and gate(system)[1]["gate"] == "pass"
    system.configure('[gate]\nblock-bytes = "100%"\nblock = []\n')
    assert gate(system)[1]["gate"] == "warn"
    system.configure('[gate]\nblock-bytes = "1KiB"\nblock = []\n')
    (system.root / "etc/big").write_text("x" * 1024)
    assert gate(system)[0] == 3


def test_a_size_that_somebody_chose_does_not_count(system: System) -> None:
    """A sparse file of 4 EiB blocked the gate, and reached every level."""
    system.configure('[gate]\nblock-bytes = "1MiB"\nblock = []\n')
    (system.root / "etc/sparse").touch()
    os.truncate(system.root / "etc/sparse", 1 << 62)
    code, found = gate(system)
    assert (code, found["gate"], found["bytes"]) == (0, "warn", 0)
    document = system.document("status")
    (entry,) = [one for one in document["entries"] if one["path"] == "/etc/sparse"]
    assert (entry["size"], entry["allocated"]) == (1 << 62, 0)
    assert "4.0 EiB" not in system.run("status").stdout
    assert "4.0 EiB (0 B on the disk)" in system.run("explain", "/etc/sparse").stdout
    (system.root / "etc/room").touch()
    sh("fallocate", "--keep-size", "--length", "2MiB", system.root / "etc/room")
    code, found = gate(system)
    assert (code, found["bytes"]) == (3, 2 << 20)


def test_what_is_not_wiped_passes(system: System) -> None:
    (system.root / "etc/key").write_text(KEY)
    assert gate(system)[0] == 3
    system.configure("[rollback]\nwipe = false\n")
    assert gate(system)[0] == 3, "the hook obeys what was set up"
    system.set_up()
    code, found = gate(system)
    assert (code, found["gate"], found["spared"]) == (0, "pass", "this is a trial")
    assert found["count"] == 1, "which would be lost"
    system.configure()
    system.set_up()
    assert gate(system)[0] == 3
    system.filesystem.snapshot("root", f"old_roots/1-{NO_BOOT_ID}")
    for action, code in (("keep", 0), ("wipe", 3), ("boot", 0)):
        with Machine([VolumeSettings(mountpoint=os.fsencode(system.root), path=b"/")]) as machine:
            requests.write(machine, requests.new(action, boot=1 if action == "boot" else None))
        assert gate(system)[0] == code, action
    (system.root / "etc/another-key").write_text(KEY)
    assert gate(system)[0] == 3, "the old root has only the first one"


def test_a_rollback_that_will_be_refused_passes(system: System) -> None:
    (system.root / "etc/key").write_text(KEY)
    assert gate(system)[0] == 3
    sh("btrfs", "property", "set", "-ts", system.filesystem.top / "root-blank", "ro", "false")
    code, found = gate(system)
    assert (code, found["gate"]) == (0, "pass")
    assert found["spared"] == "the rollback will be refused (blank-writable)"
    assert system.run("gate").stdout.startswith(
        "pass: the rollback will be refused (blank-writable), the next boot does not take away 1 path, "
    )


def test_before_set_up_it_passes(system: System) -> None:
    (system.root / "etc/key").write_text(KEY)
    sh("btrfs", "subvolume", "delete", system.filesystem.top / ".impermanence")
    code, found = gate(system)
    assert (code, found["gate"], found["spared"]) == (0, "pass", "this machine is not set up")
    assert found["next_boot"]["spared"] == "not-set-up"


def test_what_is_declared_and_not_mounted_blocks_like_any_other(system: System) -> None:
    system.configure('[persist."/persist"]\nfiles = ["/etc/key"]')
    (system.root / "etc/key").write_text(KEY)
    code, found = gate(system)
    assert (code, found["classes"]["secret"]["count"]) == (3, 1)


def test_a_drop_in_that_goes_is_a_loss_like_any_other(system: System) -> None:
    (system.root / "etc/impermanence/config.d").mkdir(parents=True)
    (system.root / "etc/impermanence/config.d/mine.toml").write_text("[watch]\n")
    code, found = gate(system)
    assert (code, found["gate"]) == (0, "warn")
    assert found["classes"]["config"]["bytes"] == len("[watch]\n")


def test_what_stops_it(system: System, tmp_path: Path) -> None:
    assert system.run("gate", "now").returncode == 2
    system.configure("[gate]\nblock = ['secrets']\n")
    assert 'did you mean "secret"?' in system.refused(1, "gate")
    system.configure()
    system.refused(4, "gate", wrap=as_nobody())
