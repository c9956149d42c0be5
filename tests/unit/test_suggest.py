"""What is chosen to be declared, and what it looks like in each language."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.cli.commands import suggest
from impermanenced.cli.commands.suggest import FORMATS, Options
from impermanenced.cli.formats import modules, nix, tmpfiles, toml
from impermanenced.cli.formats.writing import Task
from impermanenced.cli.parse import parse
from impermanenced.config import load
from impermanenced.config.load import Ownership
from impermanenced.errors import UsageError
from impermanenced.losses import LossClass
from impermanenced.model import Advice, AdviceKind, Change, FileType, Verdict
from impermanenced.report.suggest import Item, Suggestion, System, Wanted, choose

from ..conftest import sh
from ..schema import checked
from .reports import ROOT, entry, report
from .test_config import ARTICLE

ALICE = 1000
PERSIST = b"/persist"
CREATED, MODIFIED = Change.CREATED, Change.MODIFIED
PASSWD = """\
root:x:0:0::/root:/bin/sh
alice:x:1000:1000::/home/alice:/bin/sh
bob:x:1001:1001::/srv/bob:/bin/sh
daemon:x:2:2::/opt/d:/bin/sh
"""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Another system, below `tmp_path`."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text("alice:x:1000:\nusers:x:100:alice\n")
    with System(lambda path: os.fsencode(tmp_path) + path, native=False) as found:
        yield found


def item(path: str, *advice: tuple[str, str], change: Change = CREATED, **fields: Any) -> Item:
    directory = path.endswith("/") and path != "/"
    raw = path.rstrip("/").encode() or b"/"
    defaults = {
        "type": FileType.DIRECTORY if directory or raw == b"/" else FileType.FILE,
        "verdict": Verdict.CRUD,
        "uid": 0,
        "gid": 0,
        "mode": 0o755 if directory else 0o644,
        "size": 0 if directory else 10,
        "loss": LossClass.UNKNOWN,
    }
    advised = tuple(Advice(AdviceKind(kind), argument) for kind, argument in advice)
    return Item(raw, change=change, advice=advised, **{**defaults, **fields})


def directories(system: System, *items: Item, **options: Any) -> list[str]:
    return [
        one.path.decode() + "/" * one.directory for one in choose(items, system, PERSIST, **options).wanted
    ]


def remedies(found: Suggestion) -> dict[str, list[str]]:
    return {one.kind: [path.decode() for path in one.paths] for one in found.remedies}


# What is chosen


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


# How it is written


def options(*argv: str) -> Options:
    found: Options = parse(["suggest", *argv]).options
    return found


def configured(tmp_path: Path, text: str) -> load.Config:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load.load(os.fsencode(file))


def suggestion(tmp_path: Path, text: str, *argv: str, entries: Sequence[Any] = ()) -> str:
    # Not of this machine, which may have a Nix store.
    volume = replace(ROOT, mountpoint=os.fsencode(tmp_path / "root"), blank=None, blank_id=None)
    found = report(*entries, volumes=(volume,))
    return suggest.text(found, configured(tmp_path, text), options(*argv), b"/")


def evaluated(text: str) -> Any:
    """By the real Nix."""
    sh("nix-instantiate", "--parse", "-", input=text)
    words = ("--eval", "--strict", "--json", "--store", "dummy://", "--expr", text)
    return json.loads(sh("nix-instantiate", *words, env={**os.environ, "NIX_PATH": ""}))


def canonical(table: dict[str, Any]) -> dict[str, Any]:
    """With a table for each entry, in one order, by the names of the Nix modules."""
    names = {"path": {"directories": "directory", "files": "file"}}
    also = {"hide-mounts": "hideMounts", "parent-directory": "parentDirectory", "hide-mount": "hideMount"}
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in ("directories", "files"):
            kind = names["path"][key]
            tables = [{kind: one} if isinstance(one, str) else one for one in value]
            tables = [{kind if k == "path" else also.get(k, k): v for k, v in one.items()} for one in tables]
            found[key] = sorted(tables, key=lambda one: str(one[kind]))
        elif key == "users":
            found[key] = {user: canonical(theirs) for user, theirs in value.items()}
        else:
            found[also.get(key, key)] = value
    return found


def test_the_articles_declarations_come_out_as_they_went_in(tmp_path: Path) -> None:
    wanted = canonical(tomllib.loads(ARTICLE)["persist"]["/persist"])
    ours = tomllib.loads(suggestion(tmp_path, ARTICLE, "--whole"))
    assert canonical(ours["persist"]["/persist"]) == wanted
    module = evaluated(suggestion(tmp_path, ARTICLE, "--whole", "--format", "impermanence"))
    assert list(module) == ["environment"]
    assert canonical(module["environment"]["persistence"]["/persist"]) == wanted


def test_the_articles_declarations_for_preservation(tmp_path: Path) -> None:
    module = evaluated(suggestion(tmp_path, ARTICLE, "--whole", "--format", "preservation"))
    assert module["preservation"]["enable"] is True
    at = module["preservation"]["preserveAt"]["/persist"]
    assert at["commonMountOptions"] == ["x-gvfs-hide"]
    assert {"file": "/etc/machine-id", "inInitrd": True} in at["files"]
    key = {"file": "/var/keys/secret_file", "configureParent": True, "parent": {"mode": "u=rwx,g=,o="}}
    assert key in at["files"]
    assert {"directory": "/var/lib/nixos", "inInitrd": True} in at["directories"]
    assert {"directory": ".local/share/Steam", "how": "symlink"} in at["users"]["talyz"]["directories"]
    assert at["users"]["talyz"]["files"] == [".screenrc"]
    assert len(at["directories"]) + len(at["files"]) + len(at["users"]["talyz"]["directories"]) == 21


# The options of the modules, as their sources declare them.
ENTRY = {
    "impermanence": {
        "directories": {"directory", "user", "group", "mode", "hideMount", "method"},
        "files": {"file", "parentDirectory", "method"},
    },
    "preservation": {
        "directories": {
            "directory", "how", "user", "group", "mode", "configureParent", "parent", "mountOptions",
            "createLinkTarget", "inInitrd",
        },
        "files": {
            "file", "how", "user", "group", "mode", "configureParent", "parent", "mountOptions",
            "createLinkTarget", "inInitrd",
        },
    },
}  # fmt: skip
BLOCK = {
    "impermanence": {"hideMounts", "directories", "files", "users"},
    "preservation": {"commonMountOptions", "directories", "files", "users"},
}
ODD = """
[persist."/persist"]
hide-mounts = true
directories = [
  {path = "/a", user = "u", group = "g", mode = "0700", method = "symlink"},
  {path = "/b", hide-mount = false},
]
files = [
  {path = "/c/d", user = "u", mode = "0600", method = "symlink", parent-directory = {user = "u"}},
]
[persist."/persist".users.alice]
home = "/srv/alice"
files = [{path = "e/f", mode = "0600", parent-directory = {mode = "0700"}}]
[persist."/other"]
directories = ["/x", {path = "/y", hide-mount = true}]
"""


@pytest.mark.parametrize("text", [ARTICLE, ODD], ids=["article", "odd"])
def test_the_whole_means_what_was_declared(tmp_path: Path, text: str) -> None:
    def meant(found: load.Config) -> set[Any]:
        without_source = [replace(one.declaration, source="") for one in found.placements]
        return {
            replace(one, declaration=declaration)
            for one, declaration in zip(found.placements, without_source, strict=True)
        }

    wanted = meant(configured(tmp_path, text))
    assert meant(configured(tmp_path, suggestion(tmp_path, text, "--whole"))) == wanted


@pytest.mark.parametrize("text", [ARTICLE, ODD], ids=["article", "odd"])
@pytest.mark.parametrize("format", ["impermanence", "preservation", "home-manager"])
def test_only_options_that_the_modules_have(tmp_path: Path, format: str, text: str) -> None:
    module = evaluated(suggestion(tmp_path, text, "--whole", "--format", format))
    if format == "home-manager":
        homes = module["home-manager"]["users"].values()
        blocks = [block for home in homes for block in home["home"]["persistence"].values()]
    elif format == "impermanence":
        blocks = list(module["environment"]["persistence"].values())
    else:
        blocks = list(module["preservation"]["preserveAt"].values())
    language = format.replace("home-manager", "impermanence")
    users = [user for block in blocks for user in block.get("users", {}).values()]
    assert all(set(block) <= BLOCK[language] for block in blocks)
    assert all(set(user) <= {"home", "directories", "files"} for user in users)
    tables = 0
    for block in (*blocks, *users):
        for key, options in ENTRY[language].items():
            for one in block.get(key, []):
                assert isinstance(one, str) or set(one) <= options
                tables += not isinstance(one, str)
    assert tables


def test_the_articles_declarations_for_a_home(tmp_path: Path) -> None:
    text = suggestion(tmp_path, ARTICLE, "--whole", "--format", "home-manager")
    home = evaluated(text)["home-manager"]["users"]["talyz"]["home"]["persistence"]["/persist"]
    assert home["files"] == [".screenrc"]
    assert {"directory": ".gnupg", "mode": "0700"} in home["directories"]
    assert "#   not in this format, it lies in no home:\n" in text


def test_only_what_is_missing_is_written_unless_the_whole_is_asked_for(tmp_path: Path) -> None:
    lost = [entry("/etc/adjtime"), entry("/home/talyz/x")]
    text = suggestion(tmp_path, ARTICLE, entries=lost)
    assert tomllib.loads(text) == {"persist": {"/persist": {"files": ["/etc/adjtime", "/home/talyz/x"]}}}
    whole = tomllib.loads(suggestion(tmp_path, ARTICLE, "--whole", entries=lost))["persist"]["/persist"]
    assert {"/etc/machine-id", "/etc/adjtime"} < {one for one in whole["files"] if isinstance(one, str)}
    assert whole["hide-mounts"] is True  # what is new goes with the others


def test_nothing_lost_is_valid_too(tmp_path: Path) -> None:
    assert tomllib.loads(suggestion(tmp_path, "")) == {}
    for format in ("impermanence", "preservation", "home-manager"):
        text = suggestion(tmp_path, "", "--format", format)
        assert evaluated(text) == {}
        assert text.endswith("# Nothing would be lost: there is nothing to add.\n")


@pytest.mark.parametrize("format", FORMATS)
def test_the_last_line_counts_what_is_left(tmp_path: Path, format: str) -> None:
    advice = (
        Advice(AdviceKind.PLASMA_MANAGER, "rc2nix"),
        Advice(AdviceKind.STYLIX, "stylix.targets.kde"),
    )
    lost = [
        entry("/opt/a\nb"),
        entry("/home/alice/.config/kdeglobals", advice=advice),
        entry("/opt/x"),
        *(entry(f"/usr/bin/{number}", package=f"p{number % 2}") for number in range(4)),
    ]
    text = suggestion(tmp_path, "", "--format", format, entries=lost)
    covered = {"toml": 2, "impermanence": 2, "preservation": 2, "home-manager": 0, "tmpfiles": 2}[format]
    left = f"not covered: {7 - covered}, for the reasons above."
    assert text.splitlines()[-1] == f"# Covered: {covered} of 7 paths that would be lost; {left}"
    assert "nix run github:nix-community/plasma-manager > plasma.nix" in text
    assert "#   or stylix makes it:  stylix.enable = true; stylix.targets.kde.enable = true;\n" in text
    declared = "better kept in another way where there is Nix" in text
    assert declared == (format in ("toml", "tmpfiles"))
    assert ("(--all declares what" in text) != declared
    assert "#     p0, p1\n" in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("format", ["impermanence", "preservation"])
def test_users_are_nixos_own(tmp_path: Path, format: str) -> None:
    text = suggestion(tmp_path, "", "--format", format, entries=[entry("/etc/shadow"), entry("/etc/x")])
    assert '"/etc/x"' in text
    assert '"/etc/shadow"' not in text
    assert "hashedPasswordFile:\n#     /etc/shadow\n" in text
    declared = '[persist."/persist"]\nfiles = ["/etc/shadow"]'
    assert '"/etc/shadow"' in suggestion(tmp_path, declared, "--whole", "--format", format)


def test_the_persist_volume(tmp_path: Path) -> None:
    lost = [entry("/opt/x")]
    one = suggestion(tmp_path, '[persist."/nix/persist"]', entries=lost)
    assert list(tomllib.loads(one)["persist"]) == ["/nix/persist"]
    assert "--persist" not in one
    several = suggestion(tmp_path, '[persist."/state"]\n[persist."/keep"]', entries=lost)
    assert list(tomllib.loads(several)["persist"]) == ["/state"]
    assert "# Below /state and not one of 1 other: --persist chooses.\n" in several
    none = suggestion(tmp_path, "", entries=lost)
    assert "# No persist volume is configured; /persist is a guess: --persist chooses.\n" in none
    chosen = suggestion(tmp_path, "", "--persist", "/a b//c/", entries=lost)
    assert list(tomllib.loads(chosen)["persist"]) == ["/a b/c"]


@pytest.mark.parametrize("persist", ["relative", "/", "/a/../b", "/a\nb"])
def test_a_persist_volume_that_cannot_be(tmp_path: Path, persist: str) -> None:
    with pytest.raises(UsageError) as caught:
        suggestion(tmp_path, "", "--persist", persist)
    assert caught.value.message.startswith("--persist")
    assert caught.value.message.isprintable()


def test_a_trial_says_so(tmp_path: Path) -> None:
    text = suggestion(tmp_path, "[rollback]\nwipe = false", entries=[entry("/opt/x")])
    assert "# This is a trial (rollback.wipe is false): nothing is wiped yet.\n" in text


def test_the_documents_keys(tmp_path: Path) -> None:
    lost = [entry("/opt/x"), entry("/opt/y", change=Change.DELETED)]
    found: Any = suggest.document(report(*lost), configured(tmp_path, ARTICLE), options(), b"/")
    assert list(found) == ["version", "persist", "losses", "covered", "declarations", "uncovered"]
    assert (found["persist"], found["losses"], found["covered"]) == ("/persist", 2, 1)
    assert [one["path"] for one in found["declarations"] if not one["declared"]] == ["/opt/x"]
    left = {"kind": "blank", "advice": [], "package": None, "paths": [{"path": "/opt/y"}]}
    assert found["uncovered"] == [left]
    checked("suggest", json.dumps(found))


# Names


NAMES = st.binary(min_size=1, max_size=40).filter(lambda raw: b"/" not in raw and b"\0" not in raw)
HARD = (
    b"${x}", b"$${x}", b"\\${", b'"', b"''", b"a b", b"\\", b"\\n", b"%u", b"#", b"\n", b"\t", b"\xff",
    b"\xc3\xa9",
    b"\x1b[31m", b"\xe2\x80\xae", b" a ", b"]]", b"$", b"'", b";", b"*", b"..x", b"\x7f",
)  # fmt: skip
DIFFICULT = st.lists(st.sampled_from(HARD), min_size=1, max_size=5).map(b"".join)


def task(system: System, names: Sequence[bytes]) -> Task:
    paths = dict.fromkeys(b"/opt/" + name for name in names if name not in (b".", b".."))
    wanted = tuple(Wanted(path, number % 2 == 0, PERSIST) for number, path in enumerate(paths))
    return Task(Suggestion(wanted, (), (), len(wanted), len(wanted)), wanted, {}, system)


@pytest.fixture(scope="module")
def nobody() -> Iterator[System]:
    with System(lambda path: b"/nowhere", native=False) as found:
        yield found


@given(names=st.lists(st.one_of(NAMES, DIFFICULT), max_size=6))
def test_toml_reads_back(nobody: System, names: list[bytes]) -> None:
    given_task = task(nobody, names)
    written = toml.write(given_task)
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as stream:
        stream.write("\n".join(written.lines))
        stream.flush()
        found = load.load(os.fsencode(stream.name))
    refused = {one.path for one, _ in written.refused}
    assert refused == {one.path for one in given_task.wanted if b"\n" in one.path}
    wanted = {(one.path, one.directory) for one in given_task.wanted if one.path not in refused}
    assert {(one.path, one.directory) for one in found.declarations} == wanted


WORDS = st.none() | st.sampled_from(["u", "1000", "_a.b-c"])
OWNERSHIPS = st.builds(Ownership, WORDS, WORDS, st.none() | st.sampled_from(["0700", "u=rwx,g=rx,o="]))
USERS = st.sampled_from([(None, None), ("alice", b"/home/alice"), ("b.c", b"/srv/b c"), ("root", b"/root")])


@st.composite
def declared(draw: st.DrawFn) -> list[Wanted]:
    """As a configuration can have them: files go with their block, a directory has no parent's owner."""
    names = draw(
        st.lists(st.one_of(NAMES, DIFFICULT).filter(lambda raw: b"\n" not in raw), unique=True, max_size=8)
    )
    hidden = draw(st.booleans())
    found = []
    for name in names:
        user, home = draw(USERS)
        directory = draw(st.booleans())
        found.append(
            Wanted(
                os.path.join(home or b"/", b"x" + name),
                directory,
                draw(st.sampled_from([PERSIST, b"/other"])),
                user,
                home,
                draw(OWNERSHIPS),
                Ownership() if directory else draw(OWNERSHIPS),
                draw(st.sampled_from(["bind", "symlink"])),
                draw(st.booleans()) if directory else hidden,
                declared=True,
            )
        )
    return found


@given(wanted=declared())
def test_a_whole_configuration_reads_back(nobody: System, wanted: list[Wanted]) -> None:
    given_task = Task(Suggestion(tuple(wanted), (), (), 0, 0), tuple(wanted), {}, nobody)
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as stream:
        stream.write("\n".join(toml.write(given_task).lines))
        stream.flush()
        found = load.load(os.fsencode(stream.name))
    again = choose([], nobody, PERSIST, found.placements).wanted
    assert {replace(one, in_blank=False) for one in again} == set(wanted)


@hypothesis.settings(max_examples=25, deadline=None)
@given(names=st.lists(st.one_of(NAMES, DIFFICULT), max_size=20))
def test_nix_reads_back(nobody: System, names: list[bytes]) -> None:
    given_task = task(nobody, [*HARD, *names])
    written = modules.impermanence(given_task)
    assert all(line.replace("\n", "").isprintable() for line in written.lines)
    at = evaluated("\n".join(written.lines))["environment"]["persistence"]["/persist"]
    refused = {one.path for one, _ in written.refused}
    wanted = {one.path.decode() for one in given_task.wanted if one.path not in refused}
    assert {*at["directories"], *at["files"]} == wanted
    for one, why in written.refused:
        assert why in ("its name is not UTF-8", "its name has a character that cannot be seen")
        assert nix.why_not(one.path) is not None
    assert b"/opt/${x}" not in refused
    assert b"/opt/\n" not in refused
    assert {b"/opt/\xff", b"/opt/\x1b[31m", b"/opt/\xe2\x80\xae"} <= refused


def test_tmpfiles_reads_back(nobody: System, tmp_path: Path) -> None:
    """By the real systemd-tmpfiles, below a root of its own."""
    given_task = task(nobody, [*HARD, b"plain", b"%%h", b"a\\x20b", b"a  b", b'"q"'])
    written = tmpfiles.write(given_task)
    (tmp_path / "etc/tmpfiles.d").mkdir(parents=True)
    (tmp_path / "etc/tmpfiles.d/x.conf").write_text("\n".join(written.lines) + "\n")
    sh("systemd-tmpfiles", f"--root={tmp_path}", "--create", "x.conf")
    refused = {one.path for one, _ in written.refused}
    names = {os.fsencode(one) for one in os.listdir(tmp_path / "opt")}
    wanted = {one.path for one in given_task.wanted if one.path not in refused}
    assert {b"/opt/" + name for name in names} == wanted
    for path in wanted:
        assert os.readlink(os.fsencode(tmp_path) + path) == PERSIST + path
        assert os.path.isdir(os.fsencode(tmp_path) + PERSIST + os.path.dirname(path))
    assert refused >= {b"/opt/\n", b"/opt/\xff", b"/opt/\x1b[31m"}
    assert {b"/opt/%u", b"/opt/\\", b'/opt/"', b"/opt/${x}", b"/opt/ a "} <= wanted


@pytest.mark.parametrize(
    ("mode", "number"),
    [
        ("0750", "0750"),
        ("u=rwx,g=rx,o=", "0750"),
        ("a=r", "0444"),
        ("ug=rw,o=", "0660"),
        ("u+x", "-"),
        ("u=rwX", "-"),
    ],
)
def test_modes_for_tmpfiles(mode: str, number: str) -> None:
    assert tmpfiles.octal(mode) == number


def test_words_of_the_nix_language_are_quoted() -> None:
    assert [nix.name(word) for word in ("alice", "a-b'c", "let", "1a", "a.b", "ü", "")] == [
        "alice", "a-b'c", '"let"', '"1a"', '"a.b"', '"ü"', '""',
    ]  # fmt: skip
