"""What `suggest` proposes on a real filesystem, and that it keeps what it says it covers."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from impermanenced.cli.commands.suggest import FORMATS
from impermanenced.model import Change, FileType
from tests.conftest import Filesystem, sh
from tests.corpus import reader as corpus
from tests.shell.hook import Initrd
from tests.unit.suggest.system import evaluated

from .machine import System

ALICE = 1000
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000::/home/alice:/usr/bin/fish
bob:x:1001:1001::/srv/people/bob:/bin/sh
sonarr:x:950:950::/var/lib/sonarr:/usr/sbin/nologin
"""
GROUP = "root:x:0:\nalice:x:1000:\nbob:x:1001:\nsonarr:x:950:\nmedia:x:951:\n"


class Home(System):
    """A root with people in it."""

    def write(self, path: str, content: bytes | str = "x\n", *, uid: int = 0, gid: int | None = None) -> Path:
        """New directories on the way belong to the same."""
        where = self.root / path
        gid = uid if gid is None else gid
        missing = [above for above in where.parents if not above.exists()]
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(content.encode() if isinstance(content, str) else content)
        for made in (*missing, where):
            os.chown(made, uid, gid)
        return where

    def suggest(self, *argv: str) -> str:
        result = self.run("suggest", *argv)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    def files(self) -> str:
        """All names, times, owners and modes; reading leaves them as they are, but for atime."""
        return self.everything().partition("\nID ")[0]

    def crud(self) -> set[str]:
        document = self.document("status")
        return {entry["path"] for entry in document["entries"] if entry["verdict"] == "crud"}

    def persists(self) -> dict[str, Any]:
        """Of the suggestion in TOML, the table of the persist volume."""
        tables = tomllib.loads(self.suggest("--persist", "/persist"))
        return dict(tables.get("persist", {}).get("/persist", {}))


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path) -> Iterator[Home]:
    root = filesystem.subvolume("root")
    homes = ("root", "srv/people/bob", "home/alice/Documents")
    for directory in (*homes, "etc/ssh", "etc/keep", "opt", "var/lib", "var/log"):
        (root / directory).mkdir(parents=True)
    (root / "home/alice").chmod(0o700)
    for path in ("home/alice", "home/alice/Documents"):
        os.chown(root / path, ALICE, ALICE)
    os.chown(root / "srv/people/bob", 1001, 1001)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "etc/motd").write_text("welcome\n")
    (root / "etc/hostname").write_text("blank\n")
    filesystem.snapshot("root", "root-blank", readonly=True)
    mounted = filesystem.mount(tmp_path / "root", "subvol=root")
    found = Home(filesystem, mounted, tmp_path / "config.toml")
    found.configure()
    yield found


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 100


def live(machine: Home) -> None:
    """A few days of use."""
    machine.write("etc/ssh/ssh_host_ed25519_key", KEY).chmod(0o600)
    machine.write("etc/adjtime")
    machine.write("etc/hostname", "other\n")
    machine.write("etc/unheard-of/main.conf")
    machine.write("opt/thing/bin/thing")
    machine.write("opt/thing/README")
    machine.write("var/lib/sonarr/sonarr.db", b"SQLite format 3\0" + bytes(100), uid=950, gid=951)
    (machine.root / "var/lib/sonarr").chmod(0o750)
    machine.write("var/log/thing.log")
    machine.write("var/cache/thing/x")
    (machine.root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    (machine.root / "etc/motd").unlink()
    (machine.root / "etc/keep").chmod(0o700)
    machine.filesystem.subvolume("root/var/lib/machines")
    machine.write("home/alice/.ssh/id_ed25519", KEY, uid=ALICE)
    machine.write("home/alice/Documents/letter.odt", uid=ALICE)
    machine.write("home/alice/.config/kwinrc", uid=ALICE)
    machine.write("home/alice/.config/unheard-of/rc", uid=ALICE)
    machine.write("home/alice/.cache/x/y", uid=ALICE)
    machine.write("srv/people/bob/code/plan.md", uid=1001)


DIRECTORIES = [
    "/etc/unheard-of",
    "/opt/thing",
    {"path": "/var/lib/sonarr", "user": "sonarr", "group": "media", "mode": "0750"},
    "/var/log",
]
WANTED = {
    "directories": DIRECTORIES,
    "files": [
        "/etc/adjtime",
        "/etc/hostname",
        {"path": "/etc/ssh/ssh_host_ed25519_key", "mode": "0600"},
    ],
    "users": {
        "alice": {
            "directories": [".config/unheard-of", {"path": ".ssh", "mode": "0700"}, "Documents"],
            "files": [".config/kwinrc"],
        },
        "bob": {"home": "/srv/people/bob", "directories": ["code"]},
    },
}
LEFT = {
    "/etc/keep",
    "/etc/localtime",
    "/etc/motd",
    "/var/lib/machines",
}


def test_a_file_that_has_to_be_created_is_no_program(machine: Home) -> None:
    """What is declared is made, empty, where it is missing: then 0755 of a file makes no sense."""
    machine.write("etc/hook").chmod(0o755)
    machine.write("etc/secret-hook").chmod(0o700)
    files = machine.persists()["files"]
    assert "/etc/hook" in files
    assert {"path": "/etc/secret-hook", "mode": "0600"} in files


def test_what_is_suggested(machine: Home) -> None:
    live(machine)
    before = machine.files()
    assert machine.persists() == WANTED
    found = machine.document("suggest")
    left = {path["path"] for remedy in found["uncovered"] for path in remedy["paths"]}
    assert left == LEFT
    assert (found["losses"], found["losses"] - found["covered"]) == (len(machine.crud()), len(LEFT))
    assert machine.files() == before


def test_what_is_declared_is_off_the_list(machine: Home) -> None:
    live(machine)
    assert len(machine.crud()) > len(LEFT)
    machine.configure(machine.suggest())
    assert machine.crud() == LEFT
    # What is there already is not suggested again, and what is left is said again.
    again = machine.suggest()
    assert tomllib.loads(again) == {}
    assert (
        again.splitlines()[-1]
        == "# Covered: 0 of 4 paths that would be lost; not covered: 4, for the reasons above."
    )
    whole = tomllib.loads(machine.suggest("--whole"))["persist"]["/persist"]
    assert whole == WANTED


@pytest.mark.parametrize("nix", [False, True])
def test_a_thousand_paths_that_programs_write(machine: Home, nix: bool) -> None:
    """Of those of the corpus, what is said to be covered is off the list, and nothing else."""
    if nix:
        (machine.root / "nix/store").mkdir(parents=True)
    rows = [row for row in corpus.rows() if row.change is not Change.DELETED]
    for row in sorted(rows, key=lambda row: row.type is FileType.SYMLINK):
        path = os.fsdecode(row.path).lstrip("/")
        where = machine.root / path
        if path in ("etc/passwd", "etc/group") or os.path.lexists(where):
            continue
        if row.type is FileType.FILE:
            machine.write(path, uid=ALICE if path.startswith("home/alice/") else 0)
            continue
        where.parent.mkdir(parents=True, exist_ok=True)
        if row.type is FileType.DIRECTORY:
            where.mkdir()
        elif row.type is FileType.SYMLINK:
            where.symlink_to(row.facts.get("target", "elsewhere"))
        elif row.type is FileType.FIFO:
            os.mkfifo(where)
    found = machine.document("suggest")
    assert found["losses"] > 1500
    left = {path["path"] for remedy in found["uncovered"] for path in remedy["paths"]}
    assert len(left) == found["losses"] - found["covered"] < found["losses"] / 5
    machine.configure(machine.suggest())
    assert machine.crud() == left
    kinds = {remedy["kind"] for remedy in found["uncovered"]}
    assert ("elsewhere" in kinds) == nix
    for one in found["declarations"]:
        path = one["path"].removeprefix("/home/alice").removeprefix("/srv/people/bob")
        assert path not in ("", "/", "/etc", "/var", "/var/lib", "/.config", "/.local", "/.local/share"), one


def test_all_takes_logs_in(machine: Home) -> None:
    live(machine)
    machine.configure(machine.suggest("--all"))
    assert machine.crud() == LEFT - {"/var/log/thing.log"}


def test_where_there_is_nix_dotfiles_are_not_persisted(machine: Home) -> None:
    live(machine)
    assert "#     /home/alice/.config/kwinrc\n" in machine.suggest()
    (machine.root / "nix/store").mkdir(parents=True)
    machine.configure(machine.suggest())
    assert machine.crud() >= {"/home/alice/.config/kwinrc"}
    text = machine.suggest()
    assert (
        "nix run github:nix-community/plasma-manager > plasma.nix\n#     /home/alice/.config/kwinrc\n" in text
    )
    machine.configure(machine.suggest("--whole", "--all"))
    assert "/home/alice/.config/kwinrc" not in machine.crud()


def test_what_is_mounted_lives_on(machine: Home, tmp_path: Path) -> None:
    """As the declarations want it: copied, and mounted over its place."""
    live(machine)
    persist = machine.filesystem.mount(tmp_path / "persist", "subvol=/")
    persist = persist / "persist"
    persist.mkdir()
    machine.configure(machine.suggest())
    for one in machine.document("suggest", "--whole")["declarations"]:
        assert one["declared"]
        name = one["path"].lstrip("/")
        sh("cp", "-a", "--parents", name, persist, cwd=machine.root)
        sh("mount", "--bind", persist / name, machine.root / name)
        machine.filesystem.mounts.append(machine.root / name)
    crud = machine.document("status", "--all")["entries"]
    verdicts = {entry["path"]: (entry["verdict"], entry["rule"]) for entry in crud}
    assert verdicts["/opt/thing"][0] == "persisted"
    assert verdicts["/etc/adjtime"][0] == "persisted"
    lost = {path for path, (verdict, rule) in verdicts.items() if verdict == "crud" and "hidden" not in rule}
    assert lost == LEFT


def test_the_lines_for_tmpfiles_make_the_same_links(machine: Home, tmp_path: Path) -> None:
    """On the root as the next boot finds it: the blank."""
    live(machine)
    text = machine.suggest("--format", "tmpfiles")
    blank = machine.filesystem.snapshot("root-blank", "next")
    (blank / "etc/tmpfiles.d").mkdir()
    (blank / "etc/tmpfiles.d/x.conf").write_text(text)
    result = sh("systemd-tmpfiles", f"--root={blank}", "--create", "x.conf")
    assert result == ""
    for path in ("etc/adjtime", "opt/thing", "var/lib/sonarr", "home/alice/.ssh", "srv/people/bob/code"):
        assert os.readlink(blank / path) == f"/persist/{path}"
    assert os.readlink(blank / "etc/localtime") == "/usr/share/zoneinfo/Europe/Berlin"
    found = {
        path: (where.stat().st_uid, where.stat().st_gid, where.stat().st_mode & 0o7777)
        for path in (
            "var/lib/sonarr",
            "home/alice",
            "home/alice/.ssh",
            "home/alice/.config/unheard-of",
            "etc/ssh",
        )
        if (where := blank / "persist" / path).exists()
    }
    assert found == {
        "var/lib/sonarr": (950, 951, 0o750),
        "home/alice": (ALICE, ALICE, 0o700),
        "home/alice/.ssh": (ALICE, ALICE, 0o700),
        "home/alice/.config/unheard-of": (ALICE, ALICE, 0o755),
        "etc/ssh": (0, 0, 0o755),
    }
    assert (blank / "home/alice/.config").stat().st_uid == ALICE
    # The blank's own are refused, for a link does not take their place.
    assert (blank / "home/alice/Documents").is_dir()
    assert "#   not in this format, the blank has something there" in text
    assert "#     /etc/hostname\n" in text
    assert "#     /home/alice/Documents\n" in text or "#     ~alice/Documents\n" in text


def test_a_trial_of_several_days(machine: Home) -> None:
    """The root was never wiped: all of its drift is the history, and the whole whitelist comes out."""
    machine.configure("[rollback]\nwipe = false")
    live(machine)
    status = machine.run("status")
    assert "things would be lost at the next boot, were this not a trial" in status.stdout.splitlines()[0]
    text = machine.suggest()
    assert "# This is a trial (rollback.wipe is false): nothing is wiped yet.\n" in text
    assert tomllib.loads(text)["persist"]["/persist"] == WANTED
    # The next day's is added to what was taken over.
    machine.configure("[rollback]\nwipe = false\n" + text)
    machine.write("var/lib/other/state")
    assert machine.persists() == {"directories": ["/var/lib/other"]}


def test_narrowed_to_paths(machine: Home) -> None:
    live(machine)
    text = machine.suggest("var/lib/sonarr/sonarr.db", "/opt")
    table = tomllib.loads(text)["persist"]["/persist"]
    assert table == {"directories": DIRECTORIES[1:-1]}
    assert machine.suggest("/nowhere").splitlines()[-1] == "# Nothing would be lost: there is nothing to add."


@pytest.mark.parametrize("format", FORMATS)
def test_names_that_somebody_chose_to_be_misread(machine: Home, format: str) -> None:
    for name in (
        b"new\nline",
        b"\x1b[31mred",
        b"\xff",
        b"${pkgs.x}",
        b'"; x = "',
        b"%h",
        b"back\\slash",
        b"a b",
    ):
        where = os.fsencode(machine.root) + b"/etc/" + name
        os.close(os.open(where, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
        os.symlink(b"target-" + name, os.fsencode(machine.root) + b"/etc/link-" + name)
    result = machine.run("suggest", "--format", format)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.replace("\n", "").isprintable()
    plain = [line for line in result.stdout.splitlines() if line and not line.startswith("#")]
    if format == "toml":
        files = tomllib.loads(result.stdout)["persist"]["/persist"]["files"]
        assert len(files) == 7  # all but the one with a newline, which no configuration can hold
    elif format == "tmpfiles":
        assert sum(line.startswith(("L /etc/link-", 'L "/etc/link-')) for line in plain) == 5
    else:
        assert "x = " not in str(sorted(evaluated(result.stdout)))


def test_what_is_refused_is_not_counted_as_covered(machine: Home) -> None:
    """Nor is the new directory that leads to nothing else."""
    machine.write("usr/share/thing/new\nline")
    machine.filesystem.subvolume("root/usr/share/thing/subvolume")
    lost = machine.crud()
    text = machine.suggest()
    assert tomllib.loads(text) == {}
    assert len(lost) == 3
    assert text.splitlines()[-1].startswith("# Covered: 0 of 3 paths that would be lost; not covered: 3,")
    machine.configure(text)
    assert machine.crud() == lost


def test_what_cannot_be(machine: Home) -> None:
    assert "--persist" in machine.refused(2, "suggest", "--persist", "relative")
    assert "invalid choice" in machine.refused(2, "suggest", "--format", "yaml")
    assert "empty path" in machine.run("suggest", "").stderr


def test_from_a_trial_to_wiping_with_the_real_hook(machine: Home, tmp_path: Path) -> None:
    """Three days of a trial, what they lost declared and copied, wiping switched on: all of it is there."""
    filesystem = machine.filesystem
    initrd = Initrd(tmp_path, filesystem.device)

    def reboot() -> str:
        filesystem.umount(machine.root)
        boot = initrd.boot()
        filesystem.mount(machine.root, "subvol=root")
        return str(boot.result.action)

    machine.configure("[rollback]\nwipe = false")
    assert machine.run("setup").returncode == 0
    machine.write("var/lib/sonarr/sonarr.db", b"SQLite format 3\0" + bytes(100), uid=950, gid=951)
    assert reboot() == "trial"
    machine.write("home/alice/.ssh/id_ed25519", KEY, uid=ALICE)
    assert reboot() == "trial"
    machine.write("etc/adjtime", "0.0\n")
    assert [boot["action"] for boot in machine.document("boots")["boots"]][:2] == ["trial", "trial"]
    text = machine.suggest("--persist", "/persist")
    assert "# This is a trial" in text
    assert tomllib.loads(text)["persist"]["/persist"] == {
        "directories": [{"path": "/var/lib/sonarr", "user": "sonarr", "group": "media"}],
        "files": ["/etc/adjtime"],
        "users": {"alice": {"directories": [{"path": ".ssh", "mode": "0700"}]}},
    }

    persist = filesystem.subvolume("persist")
    kept = ("etc/adjtime", "var/lib/sonarr", "home/alice/.ssh")
    for name in kept:
        sh("cp", "-a", "--parents", name, persist, cwd=machine.root)
    machine.configure(text)
    assert machine.run("setup").returncode == 0
    assert reboot() == "wiped"
    assert not (machine.root / "etc/adjtime").exists()
    for name in kept:
        source, target = persist / name, machine.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir() if source.is_dir() else target.touch()
        sh("mount", "--bind", source, target)
        filesystem.mounts.append(target)
    assert (machine.root / "etc/adjtime").read_text() == "0.0\n"
    assert (machine.root / "home/alice/.ssh/id_ed25519").read_text() == KEY
    assert (machine.root / "var/lib/sonarr/sonarr.db").stat().st_gid == 951
    assert machine.crud() == set()


def test_what_programs_replace_goes_into_the_blank(machine: Home) -> None:
    """passwd(1) renames a new file over /etc/shadow: on a mount it fails, and of a link it makes a file."""
    machine.write("etc/shadow", "alice:$y$new:1::::::\n").chmod(0o640)
    assert "/etc/shadow" not in machine.suggest().split("# Not by these")[0]
    text = machine.suggest()
    assert "neither a mount nor a link holds: put it into the blank after each change" in text
    assert "#     /etc/shadow\n" in text
    said = machine.run("explain", "/etc/shadow").stdout
    assert " && cp -a /etc/shadow /mnt/root-blank/etc/shadow && btrfs property set " in said
    assert 'mount -o subvolid=5 "$(findmnt -nvo SOURCE /)" /mnt && ' in said
    assert "users.users and hashedPasswordFile" in said


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("home/alice/.config/.jira/.config.yml", "/home/alice/.config/.jira to directories"),
        ("var/lib/loki/chunks/x", "/var/lib/loki to directories"),
        ("opt/thing/bin/thing", "/opt/thing to directories"),
        ("var/log/thing/main.log", "/var/log to directories"),
        ("etc/unheard-of/api.key", "it to files"),
        ("home/alice/.config/glab-cli/config.yml", "/home/alice/.config/glab-cli to directories"),
    ],
)
def test_what_keeps_a_path_is_what_is_suggested_for_it(machine: Home, path: str, kept: str) -> None:
    """Nobody is told to persist all of ~/.config for one directory in it, nor one program's for another's."""
    machine.write(path, uid=ALICE if path.startswith("home/alice/") else 0)
    result = machine.run("explain", "--", f"/{path}")
    assert result.returncode == 0 and f'keep it  add {kept} below [persist."/persist"]' in result.stdout
    (entry,) = (one for one in machine.document("status")["entries"] if one["path"] == f"/{path}")
    places = [one["argument"] for one in entry["advice"] if one["kind"] == "persist-directory"]
    assert not {"/home/alice/.config", "/home/alice/.config/gh"} & set(places)
