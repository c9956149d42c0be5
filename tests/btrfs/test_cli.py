"""The real command on a real filesystem: what it says, what it refuses, and that it changes nothing."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Filesystem, sh

NOBODY = 65534


@dataclass
class System:
    """An ephemeral root mounted at `root`, and a configuration for it."""

    filesystem: Filesystem
    root: Path
    config: Path

    def configure(self, text: str = "", *, volume: str = "") -> None:
        self.config.write_text(f'[[volume]]\nmountpoint = "{self.root}"\npath = "/"\n{volume}\n{text}')

    def run(
        self,
        *argv: str | bytes | Path,
        wrap: tuple[str, ...] = (),
        stdout: int = subprocess.PIPE,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        script = "import sys; from impermanenced.cli.main import main; sys.exit(main())"
        # A bus of the machine must not answer for this filesystem.
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.config.parent}/no-bus"}
        return subprocess.run(
            [*wrap, sys.executable, "-c", script, "--config", self.config, *argv],
            check=False,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **bus, **environment},
            cwd=self.root,
            timeout=60,
        )

    def document(self, *argv: str) -> Any:
        result = self.run(*argv, "--json")
        assert (result.returncode, result.stderr) == (0, "")
        return json.loads(result.stdout)

    def refused(self, code: int, *argv: str, wrap: tuple[str, ...] = ()) -> str:
        """The one line and the hint of a command that fails and changes nothing."""
        before = self.everything()
        result = self.run(*(argv or ("status",)), wrap=wrap)
        assert result.stdout == ""
        assert result.returncode == code, result.stderr
        lines = result.stderr.splitlines()
        assert [line.partition(": ")[0] for line in lines] == ["impermanence", "hint"], result.stderr
        assert self.everything() == before
        return result.stderr

    def everything(self) -> str:
        """All names, times and subvolumes; reading leaves them as they are."""
        names = sh("find", self.filesystem.top, "-printf", "%p %i %T@ %C@ %m %U %G %s %l\\n")
        return names + sh("btrfs", "subvolume", "list", "-puq", self.filesystem.top)


@pytest.fixture
def system(filesystem: Filesystem, tmp_path: Path) -> Iterator[System]:
    root = filesystem.subvolume("root")
    for directory in ("etc/ssh", "home/alice", "tmp", "var/lib", "var/log"):
        (root / directory).mkdir(parents=True)
    (root / "etc/hostname").write_text("blank\n")
    (root / "etc/motd").write_text("welcome\n")
    filesystem.snapshot("root", "root-blank", readonly=True)
    mounted = filesystem.mount(tmp_path / "root", "subvol=root")
    found = System(filesystem, mounted, tmp_path / "config.toml")
    found.configure()
    yield found


def populate(root: Path) -> None:
    (root / "etc/hostname").write_text("changed\n")
    (root / "etc/motd").unlink()
    (root / "var/lib/sonarr").mkdir()
    for number in range(12):
        (root / f"var/lib/sonarr/{number}.db").write_bytes(b"x" * 100_000)
    (root / "etc/new\nline\x1b[31m").write_text("hostile")
    os.close(os.open(os.fsencode(root) + b"/etc/\xff", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
    (root / "home/alice/.x.swp").touch()
    (root / "home/alice").chmod(0o700)
    (root / "etc/link").symlink_to("/persist/etc/link")


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
    assert result.stdout.startswith("nothing will be lost at the next boot.\n")
    assert system.document("status")["entries"] == []


def test_status(system: System) -> None:
    system.configure(RULES)
    populate(system.root)
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
    assert document["counts"] == {"persisted": 1, "declared": 0, "regenerated": 0, "ignored": 1, "crud": 18}
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
    system.filesystem.subvolume("root/var/lib/machines")
    (system.root / "var/lib/machines/inner").touch()
    inner = system.run("explain", "/var/lib/machines/inner").stdout
    assert inner == "/var/lib/machines/inner goes with the subvolume /var/lib/machines, which is crud\n"
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
    assert "  verdict  declared\n" in text
    assert 'config.toml, persist."/persist".directories[0], but nothing is mounted there' in text


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


# Refusals


def test_no_btrfs(system: System) -> None:
    system.configure()
    system.config.write_text(f'[[volume]]\nmountpoint = "{system.config.parent}"\n')
    if sh("stat", "-f", "-c", "%T", system.config.parent).strip() == "btrfs":
        pytest.skip("needs a temporary directory that is not on BTRFS: set TMPDIR")
    assert "not BTRFS" in system.refused(5)


def test_no_such_mountpoint(system: System) -> None:
    system.config.write_text('[[volume]]\nmountpoint = "/nowhere/at/all"\n')
    assert "/nowhere/at/all: No such file or directory" in system.refused(5)


def test_a_directory_is_no_mountpoint(system: System) -> None:
    system.config.write_text(f'[[volume]]\nmountpoint = "{system.root}/etc"\n')
    assert "is not where a subvolume is mounted" in system.refused(5)


def test_the_top_level_is_no_volume(system: System) -> None:
    system.config.write_text(f'[[volume]]\nmountpoint = "{system.filesystem.top}"\n')
    assert "is the top level of its BTRFS" in system.refused(5)


def test_a_missing_blank(system: System) -> None:
    system.configure(volume='blank = "nope"')
    assert "blank nope does not exist" in system.refused(5)


def test_a_blank_that_is_no_subvolume(system: System) -> None:
    (system.filesystem.top / "dir").mkdir()
    (system.filesystem.top / "file").touch()
    for blank in ("dir", "file"):
        system.configure(volume=f'blank = "{blank}"')
        assert f"blank {blank} is not a subvolume" in system.refused(5)


def test_another_subvolume_than_configured(system: System) -> None:
    system.configure(volume='subvolume = "other"')
    assert "is mounted from root, not from other" in system.refused(5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rolback]\nwipe = true", "rolback: there is no such key"),
        ("[archive]\nkeep-min = 'three'", 'archive.keep-min: "three" is not a whole number'),
        (
            "[persist.'/p']\ndirectories = ['/a/../b']",
            'persist."/p".directories[0]: "/a/../b" has ".." in it',
        ),
        ("[watch\n", "config.toml: Expected"),
    ],
)
def test_a_bad_configuration(system: System, text: str, message: str) -> None:
    system.configure(text)
    for command in ("status", "diff", "setup"):
        assert message in system.refused(1, command)


def test_a_declared_path_through_a_symlink(system: System) -> None:
    (system.root / "srv").symlink_to("/etc")
    system.configure('[persist."/p"]\ndirectories = ["/srv/data"]')
    assert "/srv/data leads through the symlink /srv -> /etc" in system.refused(1)


def test_a_missing_configuration(system: System) -> None:
    system.config.unlink()
    assert "no such configuration file" in system.refused(2)


def as_nobody() -> tuple[str, ...]:
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv: apt-get install util-linux")
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


def open_to_all(path: Path) -> None:
    for directory in (path, *path.parents):
        if directory.owner() == "root" and directory != Path("/tmp"):
            directory.chmod(directory.stat().st_mode | 0o011)


def test_who_is_not_root(system: System) -> None:
    open_to_all(system.config.parent)
    system.config.chmod(0o644)
    message = system.refused(4, wrap=as_nobody())
    assert "run it as root" in message
    assert "impermanenced.service" in message


def test_a_configuration_of_somebody_else(system: System) -> None:
    open_to_all(system.config.parent)
    system.config.chmod(0o600)
    assert "config.toml: may not be read" in system.refused(4, wrap=as_nobody())


def test_a_dead_bus_is_no_hindrance(system: System) -> None:
    """The socket is there and nobody listens: the filesystem answers."""
    populate(system.root)
    stale = system.config.parent / "stale-bus"
    stale.touch()
    result = system.run("status", DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={stale}")
    assert (result.returncode, result.stderr) == (0, "")
    assert "will be lost" in result.stdout
