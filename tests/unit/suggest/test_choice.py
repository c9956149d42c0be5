"""What is chosen to be declared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from impermanenced.config.placement import Ownership
from impermanenced.losses import LossClass
from impermanenced.model import Change, FileType, Verdict
from impermanenced.report.suggest import Item, System, Wanted, choose

from .system import ALICE, MODIFIED, PERSIST, directories, item, remedies


def test_two_files_of_one_directory_stay_two(system: System) -> None:
    found = choose([item("/etc/a"), item("/etc/b", change=MODIFIED)], system, PERSIST)
    assert [(one.path, one.directory, one.in_blank) for one in found.wanted] == [
        (b"/etc/a", False, False),
        (b"/etc/b", False, True),
    ]
    assert (found.losses, found.covered, found.remedies) == (2, 2, ())


def test_a_new_directory_that_holds_only_losses_stands_for_them(system: System) -> None:
    tree = [
        item("/opt/x/"),
        item("/opt/x/bin/"),
        item("/opt/x/bin/x"),
        item("/opt/x/link", type=FileType.SYMLINK),
    ]
    found = choose(tree, system, PERSIST)
    assert [(one.path, one.count) for one in found.wanted] == [(b"/opt/x", 4)]
    assert found.covered == 4


@pytest.mark.parametrize(
    "other",
    [
        item("/opt/x/cache/a", loss=LossClass.CACHE),
        item("/opt/x/cache/a", verdict=Verdict.IGNORED),
        item("/opt/x/kept", verdict=Verdict.PERSISTED),
        item("/opt/x/sub", type=FileType.SUBVOLUME),
        item("/opt/x/of-a-package", package="thing"),
    ],
    ids=lambda other: other.path.decode() + other.verdict,
)
def test_one_with_something_else_in_it_does_not(system: System, other: Item) -> None:
    tree = [item("/opt/x/"), item("/opt/x/data/"), item("/opt/x/data/a"), item("/opt/x/b"), other]
    assert directories(system, *tree) == ["/opt/x/b", "/opt/x/data/"]


STRUCTURE = [
    "/", "/etc", "/home", "/home/alice", "/home/alice/.config", "/home/alice/.local/share",
    "/home/nobody-knows", "/opt", "/root", "/srv/bob", "/srv/bob/.config", "/usr", "/var", "/var/lib",
    "/var/lib/private",
]  # fmt: skip


@pytest.mark.parametrize("path", STRUCTURE)
def test_what_everything_lies_in_is_never_declared(system: System, path: str) -> None:
    """Not as what is new, nor when a rule names it, nor when it changed."""
    below = f"{path.rstrip('/')}/thing"
    new = item(f"{path}/") if path != "/" else item("/", change=Change.METADATA)
    assert directories(system, new, item(below)) == [below]
    assert directories(system, item(below, ("persist-directory", path))) == [below]
    found = choose([item(f"{path}/" if path != "/" else "/", change=Change.METADATA)], system, PERSIST)
    assert (found.wanted, list(remedies(found))) == ((), ["metadata"])
    found = choose([item(f"{path}/")] if path != "/" else [new], system, PERSIST)
    assert found.wanted == ()


def test_dotfiles_are_kept_in_a_better_way_where_there_is_one(system: System) -> None:
    kde = ("plasma-manager", "rc2nix")
    tree = [item("/root/x/"), item("/root/x/rc", kde, ("persist-file", "/root/x/rc")), item("/root/x/data")]
    found = choose(tree, system, PERSIST)
    assert [one.path for one in found.wanted] == [b"/root/x/data"]
    assert remedies(found) == {"elsewhere": ["/root/x/rc"]}
    found = choose(tree, system, PERSIST, dotfiles=True)
    assert [(one.path, one.instead) for one in found.wanted] == [(b"/root/x", ((kde,),))]
    # home-manager makes nothing outside a home.
    service = item(
        "/var/lib/mpd/state", ("home-manager", "services.mpd"), ("persist-directory", "/var/lib/mpd")
    )
    assert directories(system, service) == ["/var/lib/mpd/"]


def test_a_service_is_declared_by_its_directory(system: System) -> None:
    advice = ("persist-directory", "/var/lib/db")
    tree = [item("/var/lib/db/a", advice), item("/var/lib/db/sub/b", advice, change=MODIFIED)]
    gone = item("/var/lib/db/old", change=Change.DELETED)
    log = item("/var/lib/db/log", advice, loss=LossClass.LOG)
    found = choose([*tree, gone, log], system, PERSIST)
    assert [(one.path, one.directory, one.count) for one in found.wanted] == [(b"/var/lib/db", True, 4)]
    assert found.covered == 4  # what is gone, or a log, goes with the directory


def test_advice_that_does_not_fit_is_not_taken(system: System, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/link").symlink_to("/elsewhere")
    (tmp_path / "opt/file").touch()
    for named in ("/opt/link", "/opt/file", "/elsewhere", "relative", "\\", "/nix"):
        loss = item("/opt/link/a" if named != "/nix" else "/nix/a", ("persist-directory", named))
        if named == "/opt/file":
            loss = item("/opt/file/a", ("persist-directory", named))
        found = choose([loss], system, b"/nix/persist")
        assert [one.path for one in found.wanted] == [loss.path]


def test_what_is_not_by_persisting(system: System) -> None:
    lost = [
        item("/a", package="thing"),
        item("/b", change=Change.DELETED),
        item("/c", hidden=True),
        item("/d", loss=LossClass.CACHE),
        item("/e", ("ignore", "/e")),
        item("/f", loss=LossClass.LOG),
        item("/root/g", ("home-manager", "programs.g"), ("persist-file", "/root/g")),
        item("/h", type=FileType.FIFO),
        item("/i/", change=Change.METADATA),
        item("/j", type=FileType.SUBVOLUME),
        item("/k/"),
        item("/k/x", verdict=Verdict.IGNORED),
        item("/persist/l"),
    ]
    found = choose(lost, system, PERSIST)
    assert remedies(found) == {
        "package": ["/a"], "blank": ["/b"], "copy": ["/c"], "cache": ["/d", "/e"], "log": ["/f"],
        "elsewhere": ["/root/g"], "node": ["/h"], "metadata": ["/i"], "subvolume": ["/j"], "empty": ["/k"],
        "inside": ["/persist/l"],
    }  # fmt: skip
    assert (found.wanted, found.covered, found.losses) == ((), 0, 12)
    assert directories(system, *lost, logs=True) == ["/f"]
    assert directories(system, *lost, dotfiles=True) == ["/root/g"]


def test_a_link_into_what_is_declared_follows_it(system: System, tmp_path: Path) -> None:
    """As systemd lays them for DynamicUser=."""
    (tmp_path / "var/lib/private").mkdir(parents=True)
    (tmp_path / "var/lib/thing").symlink_to("private/thing")
    (tmp_path / "var/lib/other").symlink_to("/var/lib/private/other")
    links = [item(path, type=FileType.SYMLINK) for path in ("/var/lib/thing", "/var/lib/other")]
    advice = ("persist-directory", "/var/lib/private/thing")
    found = choose([*links, item("/var/lib/private/thing/state", advice)], system, PERSIST)
    assert [one.path for one in found.wanted] == [b"/var/lib/private/thing"]
    assert remedies(found) == {"follows": ["/var/lib/thing"], "node": ["/var/lib/other"]}


def test_hidden_under_a_mount_is_another_thing_by_the_same_path(system: System) -> None:
    hidden = item("/home/alice/a", hidden=True)
    found = choose([hidden, item("/home/alice/a")], system, PERSIST)
    assert (directories(system, hidden, item("/home/alice/a")), remedies(found)) == (
        ["/home/alice/a"],
        {"copy": ["/home/alice/a"]},
    )
    assert (found.losses, found.covered) == (2, 1)


def test_what_a_mount_has_too_plays_no_part(system: System) -> None:
    hidden = item("/opt/x/copy", hidden=True, verdict=Verdict.HIDDEN)
    found = choose([item("/opt/x/"), item("/opt/x/a"), hidden], system, PERSIST)
    assert [one.path for one in found.wanted] == [b"/opt/x"]
    assert (remedies(found), found.losses) == ({}, 2)


def test_narrowed_to_a_path(system: System) -> None:
    tree = [item("/opt/x/"), item("/opt/x/a"), item("/opt/xy"), item("/etc/b")]
    assert directories(system, *tree, narrow=[b"/opt/x/a"]) == ["/opt/x/"]
    assert directories(system, *tree, narrow=[b"/opt/xy", b"/etc"]) == ["/etc/b", "/opt/xy"]
    assert choose(tree, system, PERSIST, narrow=[b"/nowhere"]).losses == 0


def owned(system: System, tmp_path: Path, path: str, uid: int, gid: int, mode: int, **fields: Any) -> Wanted:
    where = tmp_path / path.strip("/")
    where.parent.mkdir(parents=True, exist_ok=True)
    where.mkdir() if path.endswith("/") else where.touch()
    os.chown(where, uid, gid)
    where.chmod(mode)
    return choose([item(path, **fields)], system, PERSIST).wanted[-1]


def test_owners_and_modes_are_kept_where_they_are_not_the_default(system: System, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give files away: run make test as root")

    def own(path: str, uid: int, gid: int, mode: int, **fields: Any) -> Ownership:
        return owned(system, tmp_path, path, uid, gid, mode, **fields).own

    assert own("/opt/a/", 0, 0, 0o755) == Ownership()
    assert own("/opt/b/", 2, 4242, 0o2750) == Ownership("daemon", "4242", "2750")
    assert own("/etc/c", 0, 0, 0o644) == Ownership()
    assert own("/etc/d", 0, 0, 0o600) == Ownership(mode="0600")
    assert own("/home/alice/e/", ALICE, ALICE, 0o755) == Ownership()
    assert own("/home/alice/f/", ALICE, 100, 0o700) == Ownership(None, "users", "0700")
    assert own("/home/alice/g/", 0, 0, 0o755) == Ownership("root", "root")
    # DynamicUser=: another number at each start
    assert own("/var/lib/private/h/", 61200, 61200, 0o755) == Ownership()
    # A person's secrets are that person's, but not a whole folder for one; a service's may be its group's.
    assert own("/home/alice/.ssh/", ALICE, ALICE, 0o755, loss=LossClass.SECRET) == Ownership(mode="0700")
    assert own("/home/alice/src/", ALICE, ALICE, 0o755, loss=LossClass.SECRET) == Ownership()
    assert own("/etc/keys/", 0, 100, 0o750, loss=LossClass.SECRET) == Ownership(None, "users", "0750")


def test_the_directory_around_a_secret_is_private_if_nobody_else_reads_in_it(system: System) -> None:
    """impermanence gives the live directory the same mode: /etc/ssh has what every client reads."""

    def modes(*items: Item) -> dict[bytes, str | None]:
        return {one.path: one.parent.mode for one in choose(items, system, PERSIST).wanted}

    key, cache = item("/var/keys/key", loss=LossClass.SECRET), item("/var/keys/cache", loss=LossClass.CACHE)
    assert modes(item("/var/keys/"), key, cache) == {b"/var/keys/key": "0700"}
    assert modes(item("/etc/ssh/key", loss=LossClass.SECRET)) == {b"/etc/ssh/key": None}
    # A root that begins empty has a new /etc at each boot.
    link = item("/etc/ssh/ssh_config", type=FileType.SYMLINK, verdict=Verdict.REGENERATED)
    everything = [item("/etc/"), item("/etc/ssh/"), link, item("/etc/ssh/key", loss=LossClass.SECRET)]
    shadow = item("/etc/shadow", loss=LossClass.SECRET)
    assert modes(*everything, shadow) == {b"/etc/shadow": None, b"/etc/ssh/key": None}
    assert modes(item("/etc/"), shadow) == {b"/etc/shadow": None}


def test_a_path_in_a_home_belongs_to_its_user(system: System) -> None:
    found = choose(
        [item("/home/alice/a"), item("/srv/bob/b"), item("/opt/d/c"), item("/home/x/e")], system, PERSIST
    )
    assert [(one.user, one.home, one.name) for one in found.wanted] == [
        (None, None, b"/home/x/e"),
        (None, None, b"/opt/d/c"),
        ("alice", b"/home/alice", b"a"),
        ("bob", b"/srv/bob", b"b"),
    ]


def test_services_are_not_merged_into_what_they_share(system: System) -> None:
    for place in ("/var/backup", "/var/www", "/var/db", "/home/alice/.var/nixpak-app", "/etc/default"):
        tree = [item(f"{place}/"), item(f"{place}/one/"), item(f"{place}/one/x"), item(f"{place}/other")]
        assert directories(system, *tree) == [f"{place}/one/", f"{place}/other"], place


def test_one_key_takes_nothing_along(system: System) -> None:
    key = item(
        "/home/alice/.android/adbkey", ("persist-file", "/home/alice/.android/adbkey"), loss=LossClass.SECRET
    )
    assert directories(system, item("/home/alice/.android/"), key) == ["/home/alice/.android/adbkey"]


def test_logs_are_one_declaration_with_a_comment_of_its_own(system: System) -> None:
    logs = [item(f"/var/log/{name}", loss=LossClass.LOG) for name in ("a/x.log", "b.log")]
    found = choose([*logs, item("/opt/x.log", loss=LossClass.LOG)], system, PERSIST)
    assert [(one.path, one.directory, one.why) for one in found.wanted] == [
        (b"/var/log", True, "logs of the system and of its services")
    ]
    assert remedies(found) == {"log": ["/opt/x.log"]}
