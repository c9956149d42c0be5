"""The real command on a real filesystem: what it says, and that it changes nothing."""

from __future__ import annotations

import gc
import os
import pty
import termios
from typing import Any

import pytest

from impermanenced.report.report import Manager
from tests.conftest import sh

from .machine import System, populate

EXPECTED = {
    "/etc/hostname": ("modified", "crud"),
    "/etc/link": ("created", "persisted"),
    "/etc/motd": ("deleted", "crud"),
    r"/etc/new\x0aline\x1b[31m": ("created", "crud"),
    r"/etc/\xff": ("created", "crud"),
    "/home/alice": ("metadata", "crud"),
    "/home/alice/.x.swp": ("created", "ignored"),
    "/var/lib/sonarr": ("created", "crud"),
    **{f"/var/lib/sonarr/{number}.db": ("created", "crud") for number in range(12)},
}

RULES = '[persist."/persist"]\n[watch]\nignore = ["*.swp"]'


def changes(document: Any) -> dict[str, tuple[str, str]]:
    return {entry["path"]: (entry["change"], entry["verdict"]) for entry in document["entries"]}


def test_nothing_to_lose(system: System) -> None:
    result = system.run("status", "--exit-code")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("nothing would be lost if this root were wiped; it is not set up.\n")
    system.set_up()
    assert system.run("status").stdout.startswith("nothing will be lost at the next boot.\n")
    assert system.document("status")["entries"] == []


def test_status(system: System) -> None:
    system.configure(RULES)
    populate(system.root)
    before = system.run("status", "--exit-code")
    assert before.returncode == 0, "nobody wipes it"
    assert before.stdout.startswith("5 things would be lost if this root were wiped (1.1 MiB), 1 of them ser")
    system.set_up()
    result = system.run("status")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "5 things will be lost at the next boot (1.1 MiB), 1 of them serious."
    assert lines[2].split()[:7] == ["!!", "database", "/var/lib/sonarr/", "12", "files", "1.1", "MiB"]
    assert "not counted: 1 persisted, 1 ignored by you (--all shows them)" in result.stdout
    assert "nobody watches: writers unknown" in result.stdout
    assert "\x1b" not in result.stdout
    assert system.run("status", "--exit-code").returncode == 3
    assert "\x1b[1m5 things" in system.run("status", "--color", "always").stdout


def test_status_json(system: System) -> None:
    system.configure(RULES)
    populate(system.root)
    everything = system.document("status", "--all")
    assert changes(everything) == EXPECTED
    document = system.document("status")
    assert changes(document) == {path: (a, b) for path, (a, b) in EXPECTED.items() if b == "crud"}
    counts = {"persisted": 1, "declared": 0, "hidden": 0, "regenerated": 0, "ignored": 1, "crud": 18}
    assert document["counts"] == counts
    assert document["complete"] is True
    assert document["watching_since"] is None
    assert document["volumes"] == [
        {"name": "root", "mountpoint": str(system.root), "subvolume": "root", "blank": "root-blank"}
    ]
    assert {entry["path"] for entry in document["entries"] if "path_raw" in entry} == {
        r"/etc/new\x0aline\x1b[31m",
        r"/etc/\xff",
    }


def test_diff(system: System) -> None:
    system.configure(RULES)
    populate(system.root)
    lines = system.run("diff").stdout.splitlines()
    assert {line.partition(" ")[2] for line in lines} == set(EXPECTED)
    assert {"c.....m /etc/hostname", "-...... /etc/motd", ".p..... /home/alice"} <= set(lines)
    assert changes(system.document("diff")) == EXPECTED
    assert len(system.run("diff", "/var/lib").stdout.splitlines()) == 13
    assert len(system.run("diff", "var/lib").stdout.splitlines()) == 13
    assert len(system.run("diff", system.root / "var").stdout.splitlines()) == 13
    assert system.run("diff", "/var/li").stdout == ""


def test_on_a_terminal(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bold, as wide as the terminal, and through the pager; elsewhere none of it."""
    system.configure(RULES)
    populate(system.root)
    for name in ("NO_COLOR", "LESS", "SUDO_UID", "PKEXEC_UID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def shown(*argv: str, **environment: str) -> str:
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 60))
        try:
            result = system.run(*argv, wrap=(), stdout=slave, **environment)
            assert (result.returncode, result.stderr) == (0, "")
            return os.read(master, 1 << 16).decode().replace("\r\n", "\n")
        finally:
            os.close(slave)
            os.close(master)

    system.set_up()
    pager = "sed s/^/paged:/"
    assert "paged:\x1b[1m5 things will be lost" in shown("status", PAGER=pager)
    assert "paged:+...... /etc/link" in shown("diff", PAGER=pager)
    plain = shown("status", "--no-pager", PAGER=pager, NO_COLOR="1")
    assert plain.startswith("5 things will be lost")
    assert "\x1b" not in plain
    assert max(len(line) for line in plain.split("\n\n")[1].splitlines()) <= 60
    assert shown("status", PAGER="/no/such/pager", NO_COLOR="1") == shown(
        "status", "--no-pager", NO_COLOR="1"
    )


def test_nothing_is_cut_in_a_pipe(system: System) -> None:
    """What is cut cannot be searched; who wants it narrow says so."""
    name = "/opt/" + "long" * 50
    (system.root / "opt").mkdir()
    (system.root / name[1:]).write_text("x")
    assert name in system.run("status").stdout
    narrow = system.run("status", COLUMNS="80").stdout
    assert "…" in narrow
    assert max(map(len, narrow.split("\n\n")[1].splitlines())) <= 80


def test_explain(system: System) -> None:
    system.configure(RULES)
    populate(system.root)
    told = system.run("explain", "/etc/hostname")
    assert told.returncode == 0
    assert told.stdout.startswith("/etc/hostname   modified, last modified just now, 8 B, root 0644\n")
    assert "  verdict  crud, class config, " in told.stdout
    assert "\n  because  nothing declares it\n" in told.stdout
    assert f'[persist."/persist"] in {system.config}' in told.stdout
    assert system.run("explain", "etc/hostname").stdout == told.stdout
    assert system.run("explain", system.root / "etc/hostname").stdout == told.stdout
    assert "because  symlink into /persist" in system.run("explain", "/etc/link").stdout
    assert "ignored by the pattern *.swp" in system.run("explain", "/home/alice/.x.swp").stdout
    assert "deleted" in system.run("explain", "/etc/motd").stdout
    for form in (b"/etc/new\nline\x1b[31m", rb"/etc/new\x0aline\x1b[31m"):
        assert system.run("explain", form).stdout.startswith(r"/etc/new\x0aline\x1b[31m   created")
    assert system.run("explain", b"/etc/\xff").stdout.startswith(r"/etc/\xff   created")


def test_explain_what_is_no_drift(system: System) -> None:
    (system.root / "etc/ssh/key").touch()
    same = system.run("explain", "/etc/ssh")
    assert (same.returncode, same.stdout.count("1 below it differ")) == (0, 1)
    same = system.run("explain", "/var/lib")
    assert (same.returncode, same.stdout) == (
        0,
        "/var/lib is as in the blank: nothing of it is lost at the next boot\n",
    )
    copy = system.root / "var/lib/machines"
    sh("btrfs", "subvolume", "snapshot", "-r", system.root, copy)
    inner = system.run("explain", "/var/lib/machines/etc/ssh").stdout
    assert inner == "/var/lib/machines/etc/ssh goes with the subvolume /var/lib/machines, which is crud\n"
    missing = system.run("explain", "/nope")
    assert (missing.returncode, missing.stdout) == (
        1,
        "/nope does not exist, and is not in the blank either\n",
    )
    system.filesystem.subvolume("log")
    log = system.filesystem.mount(system.root / "var/log", "subvol=log")
    (log / "x").touch()
    other = system.run("explain", "/var/log/x")
    assert other.returncode == 0
    assert "/var/log/x is on another mount, which the rollback does not touch:" in other.stdout
    assert system.document("status")["entries"][0]["path"] == "/etc/ssh/key"


def test_what_is_hidden_under_a_mount_is_found(system: System) -> None:
    (system.root / "var/log/early.log").write_text("written before the mount")
    system.filesystem.subvolume("log")
    system.configure('[persist."/persist"]\ndirectories = ["/var/log"]')
    system.filesystem.mount(system.root / "var/log", "subvol=log")
    (entry,) = system.document("status")["entries"]
    assert (entry["path"], entry["verdict"]) == ("/var/log/early.log", "crud")
    assert entry["rule"].startswith("hidden under the mount of")


def test_a_trial(system: System) -> None:
    system.configure("[rollback]\nwipe = false")
    populate(system.root)
    assert "would be lost at the next boot, were this not a trial" in system.run("status").stdout


def test_declared_and_not_mounted(system: System) -> None:
    system.configure('[persist."/persist"]\ndirectories = ["/var/lib/sonarr"]')
    populate(system.root)
    text = system.run("explain", "/var/lib/sonarr/1.db").stdout
    assert "  verdict  declared, class database, " in text
    assert 'config.toml, persist."/persist".directories[0], but nothing is mounted there' in text
    assert "in /etc/fstab:  /persist/var/lib/sonarr /var/lib/sonarr none bind 0 0\n" in text
    status = system.run("status").stdout
    assert status.split("\n\n")[1].splitlines()[0].endswith("  not mounted, just now"), "the first row"
    assert system.document("gate")["classes"]["database"]["count"] == 13


def test_no_blank_makes_everything_new(system: System) -> None:
    system.configure(volume='blank = ""')
    assert {change for change, _ in changes(system.document("status")).values()} == {"created"}


def test_setup(system: System) -> None:
    before = system.everything()
    dry = system.run("setup", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert dry.stdout.startswith("would do, without --dry-run:\n  make ")
    assert system.everything() == before
    done = system.run("setup")
    assert (done.returncode, done.stderr) == (0, "")
    assert (system.filesystem.top / ".impermanence/rollback.env").exists()


def test_a_report_leaves_nothing_to_the_collector(system: System) -> None:
    """The buffers of a cycle stay until the collector runs, and a daemon makes many reports."""
    (system.root / "etc/new").write_text("x")
    with Manager(os.fsencode(system.config)) as manager:
        manager.status()  # what is kept from one report to the next is made
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            manager.status()
            gc.collect()
            found = [one for one in gc.garbage if type(one).__module__.startswith("impermanenced.")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert not found
