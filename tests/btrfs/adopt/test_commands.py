"""The commands in a running system: a root of its own, with everything where a machine has it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sh
from tests.schema import checked

from .machine import Machine

PROJECT = Path(__file__).parents[3]
SHOWN = ("usr", "lib", "lib64", "bin", "sbin", "dev", "proc", "sys", os.fspath(PROJECT)[1:])
PYTHON = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
# What is said of work that takes longer than a second, as any does on a busy machine.
PROGRESS = re.compile(r"^impermanence: (?:copy|stop|start) .*\n", re.MULTILINE)
# A manager of one unit: a process that writes to its state all the time.
SYSTEMCTL = """#!/bin/sh
pid=/run/app.pid
case $1 in
    show)
        [ -e $pid ] && state=active || state=inactive
        printf 'Id=app.service\\nLoadState=loaded\\nActiveState=%s\\nTriggeredBy=\\n' $state ;;
    stop)
        kill $(cat $pid); while kill -0 $(cat $pid) 2>/dev/null; do :; done; rm $pid ;;
    start) /run/app >/dev/null 2>&1 </dev/null & while ! [ -s $pid ]; do :; done ;;
esac
"""
APP = """#!/usr/bin/python3
import os, sys
open("/run/app.pid", "w").write(str(os.getpid()))
number = 0
with open("/var/lib/app/log", "a+") as log:
    log.seek(0)
    number = len(log.read().splitlines())
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    while True:
        log.write(f"{number}\\n")
        log.flush()
        os.fsync(log.fileno())
        with open("/run/acknowledged", "a") as client:
            client.write(f"{number}\\n")
        number += 1
"""


@dataclass
class System:
    machine: Machine

    def path(self, path: str) -> Path:
        return self.machine.root / path[1:]

    def command(self, *argv: str, cwd: str = "/") -> list[str]:
        inside = ["/usr/bin/env", "-i", "-C", cwd, f"PYTHONPATH={PROJECT}", "PATH=/run/bin:/usr/bin:/bin"]
        return ["chroot", os.fspath(self.machine.root), *inside, "/usr/bin/python3", "-c", PYTHON, *argv]

    def run(self, *argv: str, cwd: str = "/") -> subprocess.CompletedProcess[str]:
        command = self.command(*argv, cwd=cwd)
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        result.stderr = PROGRESS.sub("", result.stderr)
        return result

    def say(self, *argv: str) -> str:
        result = self.run(*argv)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return result.stdout

    def document(self, *argv: str) -> Any:
        return checked("jobs", self.say(*argv, "--json"))

    def refused(self, code: int, *argv: str) -> str:
        before = self.everything()
        result = self.run(*argv)
        assert (result.returncode, result.stdout) == (code, ""), (result.stdout, result.stderr)
        assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == ["impermanence", "hint"]
        assert self.everything() == before
        return result.stderr

    def everything(self) -> str:
        """All names, times and subvolumes but the empty directory that the jobs are in."""
        top = self.machine.filesystem.top
        names = sh("find", top / "root", top / "persist", "-xdev", "-printf", "%p %i %T@ %C@ %m %U %l\\n")
        return "".join(line for line in names.splitlines(keepends=True) if "/app/log " not in line)


@pytest.fixture
def system(machine: Machine) -> Iterator[System]:
    for directory in ("etc", "run", "tmp"):
        (machine.root / directory).mkdir(exist_ok=True)
    for shown in SHOWN:
        if not os.path.isdir(f"/{shown}") or os.path.islink(f"/{shown}"):
            if os.path.islink(f"/{shown}"):
                (machine.root / shown).symlink_to(os.readlink(f"/{shown}"))
            continue
        (machine.root / shown).mkdir(parents=True, exist_ok=True)
        sh("mount", "--rbind", f"/{shown}", machine.root / shown)
    for written in ("run", "usr/local"):  # these are the machine's own, and no other test's
        sh("mount", "-t", "tmpfs", "tmpfs", machine.root / written)
    (machine.root / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
    )
    (machine.root / "etc/group").write_text("root:x:0:\nalice:x:1000:\n")
    (machine.root / "etc/impermanence").mkdir()
    (machine.root / "etc/impermanence/config.toml").write_text('[persist."/persist"]\n')
    (machine.root / "var/lib/app").mkdir()
    (machine.root / "var/lib/app/data").write_text("data")
    yield System(machine)
    # What the commands have mounted goes first: the copies of /proc and the like are many.
    sh("umount", "--recursive", "--lazy", machine.root)
    machine.filesystem.mounts.remove(machine.root)


@pytest.fixture
def app(system: System) -> Iterator[System]:
    (system.path("/run/bin")).mkdir()
    for name, script in (("/run/bin/systemctl", SYSTEMCTL), ("/run/app", APP)):
        system.path(name).write_text(script)
        system.path(name).chmod(0o755)
    sh("chroot", system.machine.root, "/run/bin/systemctl", "start")
    yield system
    sh("chroot", system.machine.root, "/run/bin/systemctl", "stop")


def test_one_command_keeps_it_and_one_takes_it_back(system: System) -> None:
    said = system.say("persist", "/var/lib/app")
    assert said.endswith("/var/lib/app is kept, in /persist/var/lib/app; undo: impermanence undo 2\n")
    assert system.machine.mounted("/var/lib/app")
    assert (system.machine.persist / "var/lib/app/data").read_text() == "data"
    # The declarations live on as well.
    assert system.machine.mounted("/etc/impermanence/config.d")
    assert len(list((system.machine.persist / "etc/impermanence/config.d").glob("50-persist-*"))) == 2
    system.path("/var/lib/app/later").write_text("later")
    assert "taken back" in system.say("undo")
    assert not system.machine.mounted("/var/lib/app")
    assert sorted(path.name for path in system.path("/var/lib/app").iterdir()) == ["data", "later"]
    assert [job["action"] for job in system.document("undo", "--list")["jobs"]] == [
        "persist",
        "persist",
        "unpersist",
    ]


def test_what_is_declared_reads_back_as_it_is(system: System) -> None:
    system.path("/home/alice").chmod(0o700)
    os.chown(system.path("/home/alice"), 1000, 1000)
    system.path("/home/alice/notes").mkdir(mode=0o750)
    os.chown(system.path("/home/alice/notes"), 1000, 1000)
    system.say("persist", "/home/alice/notes")
    (file,) = system.path("/etc/impermanence/config.d").glob("50-persist-home-alice-notes-*")
    assert '[persist."/persist".users.alice]' in file.read_text()
    stored = system.machine.persist / "home/alice"
    assert (stored.stat().st_uid, stored.stat().st_mode & 0o777) == (1000, 0o700)
    state = checked("status_persist", system.say("status", "--persist", "--json"))
    assert {one["path"]: one["state"] for one in state["declarations"]} == {
        "/home/alice/notes": "active",
        "/etc/impermanence/config.d": "active",
    }


def declared(system: System, path: str) -> tuple[str, str]:
    """How it is declared, and the state of that."""
    (file,) = system.path("/etc/impermanence/config.d").glob(f"50-persist-{path[1:].replace('/', '-')}-*")
    found = checked("status_persist", system.say("status", "--persist", "--json"))["declarations"]
    (reason,) = [one["reason"] for one in found if one["path"] == path]
    return file.read_text(), reason


def test_a_link_in_the_place_of_a_directory(system: System) -> None:
    said = system.say("persist", "--method", "symlink", "/var/lib/app")
    assert "put a link to /persist/var/lib/app in its place" in said
    text, reason = declared(system, "/var/lib/app")
    assert 'method = "symlink"' in text and reason == "linked"
    assert os.readlink(system.path("/var/lib/app")) == "/persist/var/lib/app"
    counted = checked("status", system.say("status", "--all", "--json"))
    paths = {one["path"]: one["verdict"] for one in counted["entries"]}
    assert paths["/var/lib/app"] == "persisted"
    assert {verdict for path, verdict in paths.items() if "originals" in path} == {"ignored"}
    system.say("unpersist", "/var/lib/app")
    assert system.path("/var/lib/app/data").read_text() == "data"
    assert not system.path("/var/lib/app").is_symlink()


def test_the_other_methods_of_a_file(system: System) -> None:
    system.path("/srv").mkdir()
    for method, name, wanted in (("sync", "one", "copied"), ("auto", "two", "mounted")):
        path = f"/var/lib/app/{name}"
        system.path(path).write_text("content")
        system.say("persist", "--method", method, path)
        text, reason = declared(system, path)
        assert f'method = "{method}"' in text and reason == wanted
    assert "copies are made of files alone" in system.refused(2, "persist", "--method", "sync", "/srv")
    (system.path("/etc/impermanence/config.d/mine.toml")).write_text(
        '[persist."/persist"]\nfiles = [{path = "/var/lib/app/data", method = "sync"}]\n'
    )
    said = system.refused(2, "persist", "--method", "symlink", "/var/lib/app/data")
    assert "declared with the method sync" in said
    system.say("persist", "/var/lib/app/data")
    assert not system.machine.mounted("/var/lib/app/data"), "as it is declared"


def test_the_place_of_a_mount(system: System) -> None:
    system.path("/etc/impermanence/config.d").mkdir()
    system.path("/var/lib/old").mkdir()
    sh("mount", "-t", "tmpfs", "tmpfs", system.path("/var/lib/old"))
    system.path("/var/lib/old/file").write_text("of the mount")
    system.say("undo", "--list")
    assert "--replace copies it" in system.refused(2, "persist", "/var/lib/old")
    system.path("/etc/fstab").write_text("# nothing\ntmpfs /var/lib/old/ tmpfs defaults 0 0\n")
    done = system.run("persist", "--replace", "/var/lib/old")
    assert "in the place of what is mounted" in done.stdout and done.returncode == 0
    assert done.stderr == (
        "impermanence: /etc/fstab:2 mounts what was there at each boot: take that line out\n"
    )
    assert (system.machine.persist / "var/lib/old/file").read_text() == "of the mount"
    assert declared(system, "/var/lib/old")[1] == "mounted"


def test_a_dry_run_changes_nothing(system: System) -> None:
    system.path("/etc/impermanence/config.d").mkdir()
    before = system.everything()
    found = system.document("persist", "--dry-run", "/var/lib/app")
    assert [one["path"] for one in found["would"]] == ["/etc/impermanence/config.d", "/var/lib/app"]
    assert found["would"][1]["files"] == 2 and found["would"][1]["shared"]
    assert "mount /persist/var/lib/app over it" in system.say("persist", "--dry-run", "/var/lib/app")
    assert system.everything() == before


def test_a_relative_path_and_one_by_a_link(system: System) -> None:
    result = system.run("persist", "app", cwd="/var/lib")
    assert (result.returncode, result.stderr) == (0, "")
    assert system.machine.mounted("/var/lib/app")


def test_a_program_that_writes_is_named_or_stopped_and_loses_nothing(app: System) -> None:
    app.path("/etc/impermanence/config.d").mkdir()
    refused = app.refused(1, "persist", "/var/lib/app")
    assert "has open for writing /var/lib/app/log" in refused
    app.say("persist", "--stop", "app", "--yes", "/var/lib/app")
    assert app.machine.mounted("/var/lib/app")
    app.say("unpersist", "--stop", "app", "/var/lib/app")
    assert not app.machine.mounted("/var/lib/app")
    acknowledged = app.path("/run/acknowledged").read_text().splitlines()
    logged = app.path("/var/lib/app/log").read_text().splitlines()
    assert set(acknowledged) <= set(logged)
    assert len(set(logged)) == len(logged)
    assert len(acknowledged) > 10


def test_a_pattern_is_ignored_until_it_is_taken_back(system: System) -> None:
    system.path("/var/lib/app/x.swp").touch()

    def crud() -> bool:
        return "x.swp" in system.say("status", "--all", "--json").partition('"ignored"')[0]

    assert "*.swp is ignored; undo: impermanence undo 1" in system.say("ignore", "*.swp")
    (file,) = system.path("/etc/impermanence/config.d").glob("60-ignore-*")
    assert 'ignore = ["*.swp"]' in file.read_text()
    assert system.say("ignore", "*.swp") == "*.swp is ignored already\n"
    assert "it is reported again" in system.say("undo")
    assert not file.exists()


REFUSED = """
persist
persist /no/such/thing
persist /
persist /run/thing
persist /proc/self
persist --to / /var/lib/app
persist --to /nowhere /var/lib/app
persist --to /run /var/lib/app
persist --to /var/lib /etc/passwd
persist --stop a,b /var/lib/app
persist --config /etc/impermanence/config.toml /var/lib/app
persist /persist
persist /persist/x
persist /var/lib/link
persist /var/lib/link/below
persist /var/lib/fifo
unpersist /var/lib/app
undo
undo 7
undo x
ignore #
"""


def test_words_that_make_no_sense(system: System) -> None:
    system.path("/etc/impermanence/config.d").mkdir()
    system.path("/run/thing").touch()
    system.path("/persist/x").touch()
    system.path("/var/lib/link").symlink_to("app")
    system.path("/var/lib/app/below").mkdir()
    os.mkfifo(system.path("/var/lib/fifo"))
    system.say("undo", "--list")  # the directory of the jobs is there from now on
    for line in REFUSED.strip().splitlines():
        said = system.refused(2, *line.split())
        assert "Traceback" not in said
    assert "/var/lib/app/below" in system.refused(2, "persist", "/var/lib/link/below")


def test_a_machine_that_is_not_set_up(system: System) -> None:
    system.path("/etc/impermanence/config.d").mkdir()
    sh("btrfs", "subvolume", "delete", system.machine.filesystem.top / ".impermanence")
    assert "setup" in system.refused(5, "persist", "/var/lib/app")


def test_status_and_explain_end_with_the_command_that_keeps_it(system: System) -> None:
    """They name what `suggest` would declare, and the command takes it as it stands there."""
    system.path("/var/lib/app/two words").mkdir()
    system.path("/var/lib/app/two words/file").write_text("x")
    suggested = system.say("suggest")
    named = []
    for argv in (["status"], ["explain", "/var/lib/app/two words/file"]):
        (line,) = [line for line in system.say(*argv).splitlines() if "impermanence persist" in line]
        named.append(line.partition("impermanence persist ")[2])
        assert f'"{named[-1]}"' in suggested
    assert named[1] == "/var/lib/app"
    system.say("persist", named[1])
    assert "impermanence persist /var/lib/app" not in system.say("status")


def test_what_lies_beneath_is_no_loss_unless_it_is_new(system: System) -> None:
    """A program removes something from what is kept: only the original beneath the mount has it then."""

    def verdicts() -> dict[str, str]:
        report = checked("status", system.say("status", "--all", "--json"))
        return {
            one["path"]: one["verdict"] for one in report["entries"] if one["path"].startswith("/var/lib/app")
        }

    system.say("persist", "/var/lib/app")
    system.path("/var/lib/app/data").unlink()
    assert verdicts() == {"/var/lib/app": "persisted", "/var/lib/app/data": "hidden"}
    (system.machine.filesystem.top / "root/var/lib/app/late").write_text("by who had the directory open")
    assert verdicts()["/var/lib/app/late"] == "crud"
