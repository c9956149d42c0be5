"""The command: what it says, asks and refuses."""

from __future__ import annotations

import os
import pty
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.conftest import as_unit, sh
from tests.schema import checked

from .machine import QUIET, System, fill, sh_subvolume


def test_the_timer_and_its_service_are_valid(tmp_path: Path) -> None:
    units = Path(__file__).parents[3] / "systemd"
    for name in ("impermanence-prune.service", "impermanence-prune.timer"):
        text = (units / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/impermanence ", "/bin/true "))
    timer = tmp_path / "impermanence-prune.timer"
    service = tmp_path / "impermanence-prune.service"
    argv = ["systemd-analyze", "verify", "--man=no", os.fspath(timer), os.fspath(service)]
    result = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_dry_run_lists_the_same_and_deletes_nothing(system: System) -> None:
    system.configure('keep-min = 1\nkeep-bytes = "1GiB"')
    system.boot(400)
    system.boot(300)
    before = system.subvolumes()
    tried = system.command("prune", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert system.subvolumes() == before
    done = system.command("prune", "--yes")
    assert done.returncode == 0, done.stderr
    assert tried.stdout.startswith("1 old root to delete; 1 stays.\n")
    assert f"boot 0  old_roots/0-{uuid.UUID(int=0)}" in tried.stdout
    assert "one of the 1 newest" in tried.stdout
    assert done.stdout.startswith(tried.stdout)
    assert done.stdout.endswith("1 old root deleted.\n")
    again = system.command("prune", "--yes")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "nothing to prune, 1 old root stays.")


def test_what_is_said_about_space(system: System) -> None:
    system.configure('keep-min = 1\nkeep-days = 30000\nfree-min = "100%"')
    for days in (400, 300):
        system.boot(days)
    lines = system.command("prune", "--dry-run").stdout.splitlines()
    assert lines[0] == "up to 1 old root to delete for space; 1 stays."
    assert lines[2].startswith("  while less than 512.0 MiB is free (")


def test_json(system: System) -> None:
    system.configure("keep-min = 1")
    system.boot(400)
    system.boot(300)
    (system.top / "old_roots/b\nad").mkdir()
    document = checked("prune", system.command("prune", "--json", "--dry-run").stdout)
    assert (document["version"], document["dry_run"], document["refused"]) == (1, True, None)
    assert [root["boot"] for root in document["go"]] == [0]
    assert document["stay"][0]["reason"] == "one of the 1 newest"
    assert document["unknown"][0]["path"] == "old_roots/b\\x0aad"
    assert document["deleted"] == []
    document = checked("prune", system.command("prune", "--json", "--yes").stdout)
    assert [root["path"] for root in document["deleted"]] == [f"old_roots/0-{uuid.UUID(int=0)}"]


def test_nobody_to_ask(system: System) -> None:
    system.boot(400)
    result = system.command("prune")
    assert (result.returncode, "--yes" in result.stderr) == (2, True)
    assert len(system.old_roots()) == 1


@pytest.mark.parametrize("answer, left", [("n\n", 1), ("\n", 1), ("\x04", 1), ("y\n", 0)])
def test_it_asks(system: System, answer: str, left: int) -> None:
    system.boot(400)
    ours, theirs = pty.openpty()
    try:
        argv, pipe = system.argv("prune"), subprocess.PIPE
        process = subprocess.Popen(argv, stdin=theirs, stdout=pipe, stderr=theirs, text=True)
        os.write(ours, answer.encode())
        output, _ = process.communicate(timeout=60)
    finally:
        os.close(theirs)
        os.close(ours)
    assert len(system.old_roots()) == left
    assert ("nothing was deleted" in output) == bool(left)


def test_refusal_is_a_failure(system: System) -> None:
    system.boot(400)
    system.boot(0, time=4_000_000_000)
    result = system.command("prune", "--yes")
    assert result.returncode == 1
    assert "clock is behind" in result.stderr
    assert len(system.old_roots()) == 2


def test_pin_and_unpin(system: System) -> None:
    system.boot(400)
    assert system.command("pin", "0").returncode == 0
    assert "pinned" in system.command("prune", "--yes").stdout
    assert system.command("pin", "5").returncode == 1
    assert system.command("unpin", "0").returncode == 0
    assert system.command("prune", "--yes").returncode == 0
    assert system.old_roots() == []


def test_a_boot_is_counted_back_as_for_next(system: System) -> None:
    system.boot(400)
    system.boot(300)  # the boot of this machine has no record: the newest one is -1
    assert "1 pinned: it stays until  impermanence unpin 1\n" in system.command("pin", "-2").stdout
    assert "boot 1 was pinned already" in system.command("pin", "1").stdout
    assert "boot 1 is not pinned any more" in system.command("unpin", "-2").stdout
    refused = system.command("pin", "-9")
    assert (refused.returncode, refused.stderr) == (
        2,
        "impermanence: there is no boot -9\nhint: impermanence boots\n",
    )


def test_machine_that_is_not_set_up(system: System) -> None:
    sh("btrfs", "subvolume", "delete", system.top / ".impermanence")
    result = system.command("prune", "--yes")
    assert (result.returncode, "impermanence setup" in result.stderr) == (5, True)


def test_the_capabilities_of_the_service_are_enough(system: System) -> None:
    system.configure('keep-min = 0\nkeep-days = 36500\nkeep-bytes = "1KiB"')
    old = system.boot(400)
    fill(old / "big", 1)
    system.filesystem.sync()
    (old / "home/alice").mkdir(parents=True)
    sh_subvolume(old / "home/alice/sub")
    os.chmod(old / "home", 0o1777)
    os.chown(old / "home", 1001, 1001)
    os.chown(old / "home/alice", 1000, 1000)
    os.chown(old / "home/alice/sub", 1000, 1000)
    sh("btrfs", "property", "set", "-ts", old, "ro", "true")
    sh("btrfs", "property", "set", "-ts", old / "home/alice/sub", "ro", "true")
    argv = [*as_unit("impermanence-prune.service"), *system.argv("prune", "--yes")]
    result = subprocess.run(argv, check=False, text=True, **QUIET)
    assert (result.returncode, result.stderr) == (0, "")
    assert system.old_roots() == []
