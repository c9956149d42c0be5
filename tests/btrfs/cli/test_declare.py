"""Declared files: made by `apply`, drift when changed by hand, and taken back by `declare --update`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests import chroot

from ..keep_machine import persist_volume
from .machine import System

DECLARED = """
[[declare]]
path = "/etc/motd.d/mine"
source = "/persist/files/motd"
[[declare]]
path = "/etc/copy.conf"
source = "/persist/files/copy.conf"
method = "copy"
mode = "0640"
"""


@pytest.fixture
def files(system: System) -> Path:
    system.configure(DECLARED)
    files = persist_volume(system) / "files"
    files.mkdir()
    (files / "motd").write_text("hello\n")
    (files / "copy.conf").write_text("a = 1\n")
    (system.root / "etc/motd.d").mkdir()
    (system.root / "etc/motd.d/mine").symlink_to("/persist/files/motd")
    (system.root / "etc/copy.conf").write_text("a = 1\n")
    return files


def conditions(system: System) -> dict[str, str]:
    return {one["path"]: one["condition"] for one in system.document("declare")["files"]}


def verdicts(system: System) -> dict[str, Any]:
    entries = system.document("status", "--all")["entries"]
    return {one["path"]: (one["verdict"], one["rule"]) for one in entries}


def test_as_declared_is_no_loss(system: System, files: Path) -> None:
    assert conditions(system) == {"/etc/motd.d/mine": "as-declared", "/etc/copy.conf": "as-declared"}
    assert verdicts(system)["/etc/copy.conf"] == (
        "regenerated",
        "each boot makes it from /persist/files/copy.conf",
    )
    assert verdicts(system)["/etc/motd.d/mine"][0] == "persisted"
    assert system.run("declare").stdout.startswith("2 declared files.\n")


def test_a_change_by_hand_is_drift_and_comes_back(system: System, files: Path) -> None:
    copy, link = system.root / "etc/copy.conf", system.root / "etc/motd.d/mine"
    copy.write_text("a = 2\n\x1b[31m")
    link.unlink()
    link.write_text("new\n")
    assert conditions(system) == {"/etc/motd.d/mine": "changed", "/etc/copy.conf": "changed"}
    verdict, rule = verdicts(system)["/etc/copy.conf"]
    assert verdict == "crud" and rule.endswith("changed: impermanence declare --diff")
    said = system.run("declare", "--diff").stdout
    assert "  -a = 1\n  +a = 2\n" in said and "\x1b" not in said and "2 changed by hand" in said
    assert system.run("declare", "--update", "/etc/copy.conf").returncode == 0
    assert (files / "copy.conf").read_bytes() == copy.read_bytes()
    assert system.run("declare", "--update", "/etc/motd.d/mine").returncode == 0
    assert (files / "motd").read_text() == "new\n"
    assert os.readlink(link) == "/persist/files/motd"
    assert set(conditions(system).values()) == {"as-declared"}
    assert sorted(os.listdir(files)) == ["copy.conf", "motd"] and os.listdir(link.parent) == ["mine"]


def test_what_cannot_be_taken_back(system: System, files: Path) -> None:
    copy = system.root / "etc/copy.conf"
    assert "/etc/hosts is no declared file" in system.refused(2, "declare", "--update", "/etc/hosts")
    assert "was not changed" in system.run("declare", "--update", "/etc/copy.conf").stderr
    copy.unlink()
    assert conditions(system)["/etc/copy.conf"] == "missing"
    copy.symlink_to("/etc/hostname")
    assert conditions(system)["/etc/copy.conf"] == "changed"
    assert system.run("declare", "--update", "/etc/copy.conf").returncode == 1
    copy.unlink()
    copy.write_text("a = 3\n")
    files.chmod(0o777)
    result = system.run("declare", "--update", "/etc/copy.conf")
    assert result.returncode != 0 and "is not root's alone" in result.stderr
    assert (files / "copy.conf").read_text() == "a = 1\n"
    (files / "copy.conf").unlink()
    assert conditions(system)["/etc/copy.conf"] == "no-source"


def test_apply_makes_what_is_missing_and_no_more(system: System, files: Path) -> None:
    (system.root / "etc/copy.conf").unlink()
    (system.root / "etc/motd.d/mine").unlink()
    (system.root / "etc/impermanence").mkdir()
    (system.root / "etc/impermanence/config.toml").write_text(DECLARED)
    done = chroot.command(system.root, system.config.parent, "", "apply")
    assert done.returncode == 0, done.stderr + done.stdout
    assert conditions(system) == {"/etc/motd.d/mine": "as-declared", "/etc/copy.conf": "as-declared"}
    assert (system.root / "etc/copy.conf").stat().st_mode & 0o777 == 0o640
    (system.root / "etc/copy.conf").write_text("by hand\n")
    assert chroot.command(system.root, system.config.parent, "", "apply").returncode == 0
    assert (system.root / "etc/copy.conf").read_text() == "by hand\n"
    lines = (system.root / "etc/impermanence/tmpfiles.d/impermanence.conf").read_text()
    assert "C /etc/copy.conf :0640 :0 :0 - /persist/files/copy.conf\n" in lines
