"""What everybody is told at login of a boot that was not rolled back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.boots import history, initrds, outcome
from impermanenced.cli import trouble
from impermanenced.system import journal
from tests.conftest import sh
from tests.shell.cuts import disturbed
from tests.shell.hook import Boot

from .machine import Machine, boot_id_of, mark, three_bad_boots, told, with_image, with_other_root

NOT_READ_ONLY = "the blank root-blank of volume root: it is not read-only"


def test_nothing_is_told_of_a_boot_that_went_as_asked(machine: Machine) -> None:
    for cmdline in ("", "impermanence=keep", "impermanence=off"):
        assert told(machine.boot(cmdline)) is None
    machine.config.write_text(machine.config.read_text() + "[rollback]\nwipe = false\n")
    machine.say("setup")
    booted = machine.boot()
    assert booted.result.action == "trial" and told(booted) is None


def test_the_hold_is_told_at_every_boot_until_a_wipe(machine: Machine) -> None:
    three_bad_boots(machine)
    booted = machine.boot()
    began = booted.result.time
    for row in (1, 2, 3):
        found = told(booted)
        assert found is not None
        assert (found.kind, found.since, found.boots) == ("held", began, row)
        line = trouble.login_line(found)
        assert line.startswith("impermanence: wiping pauses since ")
        assert line.endswith("Mend the blank, then: impermanence next wipe")
        booted = machine.boot()
    machine.say("next", "wipe")
    assert told(machine.boot()) is None


def test_a_refusal_is_told_with_its_reason_and_since_when(machine: Machine) -> None:
    machine.boot()
    blank = machine.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    first = machine.boot()
    began = first.result.time
    for booted, row in ((first, 1), (machine.boot(), 2)):
        found = told(booted)
        assert found is not None
        assert (found.kind, found.since, found.boots) == ("refused", began, row)
        assert found.reason == NOT_READ_ONLY
        if row == 2:
            assert "not rolled back for 2 boots in a row since " in trouble.login_line(found)
    said = machine.say("status").splitlines()
    assert said[0] == "nothing would be lost at the next boot, were its rollback not refused."
    assert said[1].startswith("not rolled back") and NOT_READ_ONLY in said[1]
    # In the names of this machine, fit to be pasted from the colon on.
    remedy = (
        "look at what was written, then make it read-only: "
        f"mount -o subvolid=5 {machine.filesystem.device} /mnt && "
        "btrfs property set -ts /mnt/root-blank ro true"
    )
    assert said[2:4] == [
        f"  Nothing is lost. To do: {remedy}",
        "  The rollback of the next boot will be refused too.",
    ]
    words = f"{NOT_READ_ONLY} (blank-writable).\n  To do: {remedy}"
    refused = f"the rollback of the next boot will be refused: {words}"
    assert machine.say("next") == f"nothing is asked for: {refused}\n"
    assert f"\n{refused}\n" in machine.say("boots")
    machine.say("next", "keep")
    assert "blank-writable" not in machine.say("next"), "what is kept needs no blank"
    machine.say("next", "cancel")
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    assert told(machine.boot()) is None
    assert "not rolled back" not in machine.say("status")


def test_a_failure_is_told(machine: Machine, tmp_path: Path) -> None:
    # There is no space for the archive.
    (machine.filesystem.top / "old_roots").rmdir()
    machine.filesystem.umount(machine.root)
    booted = machine.initrd.boot(wrap=disturbed(tmp_path, deny="mkdir old_roots"))
    machine.filesystem.mount(machine.root, "subvol=root")
    assert booted.result.action == "failed", booted.said
    found = told(booted)
    assert found is not None and found.kind == "failed"
    assert "the rollback failed, the archive directory cannot be made" in trouble.login_line(found)


def test_an_image_that_was_not_resumed_is_told(machine: Machine, tmp_path: Path) -> None:
    # There is no record of this boot, and resuming would now destroy what it writes.
    machine.boot()
    booted = with_image(machine, tmp_path)
    found = told(booted)
    assert found is not None and found.image
    assert (found.kind, found.since, found.boots) == ("refused", booted.result.time, 1)
    line = trouble.login_line(found)
    assert "a hibernation image waits in " in line
    assert line.endswith("Do not resume it any more: mkswap, or boot once with noresume")


def test_another_root_is_told(machine: Machine) -> None:
    machine.boot()
    booted = with_other_root(machine)
    assert (booted.result.action, booted.result.number) == ("other", None)
    found = told(booted)
    assert found is not None
    assert (found.kind, found.code, found.boots) == ("other", "other-subvolume", 1)
    line = trouble.login_line(found)
    assert line.startswith("impermanence: another root runs than the one that is rolled back since ")
    assert "subvol=other boots" in line and "refused" not in line
    assert line.endswith("for good, in the system that boots: impermanence setup")


def test_a_hook_that_broke_off_is_told(machine: Machine, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    here = os.fsencode(run)
    (run / "boot-id").write_text(f"{history.this_boot_id()}\n")
    found = outcome.look(history.this_boot_id(), here)
    assert found is not None and "the rollback broke off, it left no result" in trouble.login_line(found)
    (run / "rollback.env").write_text("VERSION=1\n?\n")
    found = outcome.look(history.this_boot_id(), here)
    assert found is not None and "rollback.env:2: not KEY=value" in trouble.login_line(found)
    assert outcome.look(boot_id_of(7), here) is not None, "nobody knows of which boot it is"
    (run / "rollback.env").unlink()
    assert outcome.look(boot_id_of(7), here) is None, "the stamp is another boot's"


def test_an_initrd_without_the_hook_is_told(machine: Machine, tmp_path: Path) -> None:
    # A new kernel, and an initrd that was built while the package was broken: everything goes on, unwiped.
    here, root = os.fsencode(tmp_path / "nothing"), os.fsencode(machine.root)
    assert outcome.look(history.this_boot_id(), here, root) is None, "set up just now"
    os.utime(machine.state / "rollback.env", (1, 1))
    found = outcome.look(history.this_boot_id(), here, root)
    assert found is not None
    said = trouble.login_line(found)
    assert said.startswith(
        "impermanence: not rolled back: the rollback did not run, this initrd has none. "
        "Nothing is lost. Build the initrd anew, with the hook in it"
    )
    assert said.endswith(" && ".join(initrds.rebuild()))
    for elsewhere in (tmp_path, machine.filesystem.top, tmp_path / "nothing"):
        assert outcome.look(history.this_boot_id(), here, os.fsencode(elsewhere)) is None
    machine.config.write_text(machine.config.read_text() + "[rollback]\nwipe = false\n")
    machine.say("setup")
    os.utime(machine.state / "rollback.env", (1, 1))
    assert outcome.look(history.this_boot_id(), here, root) is None, "a trial"
    (machine.state / "rollback.env").unlink()
    assert outcome.look(history.this_boot_id(), here, root) is None, "not set up"


def test_what_is_told_has_no_control_characters(machine: Machine) -> None:
    booted = machine.boot()
    file = booted.run / "impermanence/rollback.env"
    text = file.read_text().replace("ACTION=wiped", "ACTION=failed\nREASON=%1B[31m%0Aroot: ok")
    file.write_text(text)
    found = told(booted)
    assert found is not None
    assert trouble.login_line(found).isprintable()
    assert r"\x1b[31m\x0aroot: ok" in trouble.login_line(found)


# A machine's /run of its own, a journal that only listens, and a real login of root there.
LOGIN = """
import json, os, pty, shutil, socket, subprocess, sys
run, cli = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
shutil.copytree(run, "/run/impermanence")
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
journal.setblocking(False)
errors = open("/run/errors", "w")
status = os.fstat(errors.fileno())
environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
os.umask(0o077)
subprocess.run(cli, check=True, stderr=errors, env=environment)
entries = []
try:
    while True:
        entries.append(journal.recv(65536).decode())
except BlockingIOError:
    pass
child, terminal = pty.fork()
if child == 0:
    os.execvp("login", ["login", "-f", "root"])
os.write(terminal, b"exit\\n")
shown = b""
try:
    while data := os.read(terminal, 4096):
        shown += data
except OSError:
    pass
os.waitpid(child, 0)
fragment = "/run/motd.d/impermanence"
mode = oct(os.stat(fragment).st_mode) if os.path.exists(fragment) else None
said = open("/run/errors").read()
sys.stdout.write(json.dumps([entries, shown.decode(errors="replace"), mode, said]))
"""


def log_in(machine: Machine, booted: Boot) -> tuple[list[str], str, str | None]:
    """What the unit tells the journal, what a login shows after that, and the mode of the fragment."""
    if shutil.which("login") is None or not Path("/etc/pam.d/login").exists():
        pytest.skip("needs login: apt-get install login")
    if "pam_motd" not in Path("/etc/pam.d/login").read_text():
        pytest.skip("needs pam_motd in /etc/pam.d/login")
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    cli = [sys.executable, "-c", script, "boots", "--alert"]
    wrap = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", LOGIN]
    run, project = booted.run / "impermanence", Path(__file__).parents[3]
    entries, shown, mode, said = json.loads(sh(*wrap, run, *cli, cwd=project, timeout=60))
    assert said == ""
    return entries, shown, mode


def test_a_login_shows_it_and_the_journal_has_it(machine: Machine) -> None:
    three_bad_boots(machine)
    (entry,), shown, mode = log_in(machine, machine.boot())
    assert "\nMESSAGE=wiping pauses since " in f"\n{entry}"
    assert {"PRIORITY=4", f"MESSAGE_ID={journal.MESSAGE_HELD}"} <= set(entry.splitlines())
    assert {"SYSLOG_IDENTIFIER=impermanence", "IMPERMANENCE_ACTION=held"} <= set(entry.splitlines())
    assert "impermanence: wiping pauses since " in shown
    assert "Mend the blank, then: impermanence next wipe" in shown
    assert mode == "0o100644"
    machine.say("next", "wipe")
    entries, shown, mode = log_in(machine, machine.boot())
    assert (entries, mode) == ([], None)
    assert "wiping pauses" not in shown and "exit" in shown


def test_a_login_shows_that_a_new_blank_gave_way(machine: Machine) -> None:
    mark(machine.boot())
    (machine.root / "etc").mkdir(exist_ok=True)
    (machine.root / "etc/bad").touch()
    machine.say("blank", "create", "/etc/bad")
    for _ in range(3):
        assert told(machine.boot()) is None
    for row in (1, 2):
        booted = machine.boot()
        found = told(booted)
        assert found is not None and (found.kind, found.boots) == ("gave-way", row)
        mark(booted)
    (entry,), shown, mode = log_in(machine, booted)
    assert f"MESSAGE_ID={journal.MESSAGE_GAVE_WAY}" in entry.splitlines()
    assert "impermanence: a new blank is not what boots since " in shown and mode == "0o100644"
    assert "impermanence doctor" in shown
    said = machine.say("status")
    assert "a new blank is not what boots since " in said
    machine.say("blank", "create", "/etc/fstab")  # the next change settles it
    assert told(machine.boot()) is None


def test_a_login_shows_that_an_image_waits(machine: Machine, tmp_path: Path) -> None:
    machine.boot()
    (entry,), shown, _ = log_in(machine, with_image(machine, tmp_path))
    assert {"PRIORITY=3", f"MESSAGE_ID={journal.MESSAGE_NOT_ROLLED_BACK}"} <= set(entry.splitlines())
    assert "IMPERMANENCE_REASON=a hibernation image waits in /dev/../" in entry
    assert "impermanence: not rolled back since " in shown and "a hibernation image waits in" in shown


def test_a_login_shows_that_another_root_runs(machine: Machine) -> None:
    (entry,), shown, _ = log_in(machine, with_other_root(machine))
    lines = set(entry.splitlines())
    assert {"PRIORITY=4", f"MESSAGE_ID={journal.MESSAGE_OTHER_ROOT}"} <= lines
    assert {"IMPERMANENCE_ACTION=other", "IMPERMANENCE_REASON_CODE=other-subvolume"} <= lines
    assert "impermanence: another root runs than the one that is rolled back" in shown


@pytest.mark.parametrize(
    "verb",
    [("diff",), ("explain", "/etc"), ("suggest",), ("prune", "--dry-run"), ("pin", "1"), ("unpin", "1")],
)
def test_every_command_says_that_another_root_runs(machine: Machine, verb: tuple[str, ...]) -> None:
    booted = with_other_root(machine)
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    shell = 'mount -t tmpfs tmpfs /run && cp -r "$1" /run/impermanence && shift && exec "$@"'
    wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-c", shell, "sh"]
    argv = [*wrap, os.fspath(booted.run / "impermanence"), sys.executable, "-c", script, *verb]
    result = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    first, hint = result.stderr.splitlines()[:2]
    assert first.startswith("impermanence: another root runs than the one that is rolled back since ")
    assert hint == "hint: impermanence doctor"
