"""Files with `method = "sync"`: programs may replace them, and each version is kept whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import as_unit, sh

from ..keep_machine import persist_volume
from .machine import System

CONF = "etc/wpa_supplicant.conf"
DECLARED = f'[persist."/persist"]\nfiles = [{{path = "/{CONF}", method = "sync"}}]\n'

KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from impermanenced.kernel import libc
from impermanenced.keep import sync
from impermanenced.config.load import load
left = int(sys.argv[3])
def syncfs(fd, real=libc.syncfs):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    real(fd)
libc.syncfs = syncfs
sync.run(load(os.fsencode(sys.argv[2])).placements, os.fsencode(sys.argv[4]), dry_run=False)
"""


@pytest.fixture
def persist(system: System) -> Path:
    """As the boot leaves it: a copy."""
    system.configure(DECLARED)
    persist = persist_volume(system)
    (persist / "etc").mkdir()
    (persist / CONF).write_text("old\n")
    (persist / CONF).chmod(0o600)
    sh("cp", "-a", persist / CONF, system.root / CONF)
    return persist


def replace(path: Path, content: str) -> None:
    """Write a new file and rename it over the old one, as wpa_supplicant does."""
    new = path.with_name(f"{path.name}.tmp")
    new.write_text(content)
    new.chmod(0o640)
    new.rename(path)


def state(system: System) -> Any:
    (one,) = system.document("status", "--persist")["declarations"]
    return one


def losses(system: System) -> list[str]:
    return [one["path"] for one in system.document("status")["entries"]]


def test_a_new_version_is_kept_once_it_is_copied_back(system: System, persist: Path) -> None:
    assert (state(system)["state"], state(system)["reason"]) == ("active", "copied")
    assert f"/{CONF}" not in losses(system), "its source has it"
    replace(system.root / CONF, "new\n")
    one = state(system)
    assert (one["state"], one["reason"], one["kept"]) == ("inconsistent", "changed", False)
    assert one["commands"] == ["impermanence sync"]
    assert f"/{CONF}" in losses(system)
    assert system.document("sync", "--dry-run")["files"][0]["copied"]
    assert (persist / CONF).read_text() == "old\n"
    assert system.run("sync").stdout == f"copied /{CONF} to /persist/{CONF}\n"
    assert (persist / CONF).read_text() == "new\n"
    assert (persist / CONF).stat().st_mode & 0o777 == 0o640
    assert state(system)["reason"] == "copied" and f"/{CONF}" not in losses(system)
    assert system.document("sync")["files"] == [] and os.listdir(persist) == ["etc"]


def test_what_is_gone_empty_or_no_file_takes_nothing_away(system: System, persist: Path) -> None:
    for content, why in (("", "empty by now, and may be half written"), (None, "")):
        (system.root / CONF).unlink()
        if content is not None:
            (system.root / CONF).write_text(content)
        result = system.run("sync")
        assert (result.returncode, why in result.stderr) == (1 if why else 0, True), result.stderr
    assert state(system)["reason"] == "not-copied"
    (system.root / CONF).symlink_to("/etc/hostname")
    assert "no regular file" in system.run("sync").stderr
    assert (persist / CONF).read_text() == "old\n"


def test_links_on_the_way_are_not_followed(system: System, persist: Path) -> None:
    (persist / CONF).unlink()
    (persist / "etc").rmdir()
    (persist / "etc").symlink_to(system.root / "tmp")
    assert system.run("sync").returncode == 1
    assert os.listdir(system.root / "tmp") == []


@pytest.mark.parametrize("commits", [0, 1])
def test_killed_at_each_commit(system: System, persist: Path, commits: int) -> None:
    """The source is the old version or the new one, and the next run leaves nothing of the first."""
    replace(system.root / CONF, "new\n")
    project = os.fspath(Path(__file__).parents[3])
    argv = [sys.executable, "-c", KILLED, project, str(system.config), str(commits), str(system.root)]
    assert subprocess.run(argv, check=False).returncode == -9
    assert (persist / CONF).read_text() == ("old\n" if commits == 0 else "new\n")
    replace(system.root / CONF, "newer\n")
    assert system.run("sync").returncode == 0
    assert (persist / CONF).read_text() == "newer\n" and os.listdir(persist) == ["etc"]


def test_the_capabilities_of_the_unit_are_enough(system: System, persist: Path) -> None:
    replace(system.root / CONF, "new\n")
    os.chown(system.root / CONF, 1234, 1234)
    os.setxattr(system.root / CONF, "user.x", b"1")
    result = system.run("sync", wrap=tuple(as_unit("impermanence-sync.service")))
    assert (result.returncode, result.stderr) == (0, "")
    assert (persist / CONF).stat().st_uid == 1234
    assert os.getxattr(persist / CONF, "user.x") == b"1"
