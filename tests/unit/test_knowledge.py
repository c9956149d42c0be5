"""The rules asked: which one decides, what it names, what it costs; and what first bytes give away."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impermanenced.model import Advice, AdviceKind, FileType
from impermanenced.report.knowledge import DATA, Knowledge, load, parse, recognise, sniff
from impermanenced.report.knowledge.globs import Glob, Index
from impermanenced.report.knowledge.trie import MAX_PATTERN, PatternError, check

if TYPE_CHECKING:
    from _typeshed import TraceFunction


@pytest.fixture(scope="module")
def packaged() -> Knowledge:
    return load([DATA])


def knowledge(*tables: str) -> Knowledge:
    """Rules of one file, each told by its application, its paths and what else there is."""
    needed = '[[rule]]\nwhat = "x"\nclass = "config"\n'
    return Knowledge(parse.parse("".join(needed + table + "\n" for table in tables).encode(), "x.toml"))


def application(asked: Knowledge, path: bytes, type: FileType = FileType.FILE) -> str | None:
    fact = asked.of(path, type)
    return None if fact is None else fact.application


def work(function: Callable[[], object]) -> int:
    """How many lines of the package's own code a function runs."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> TraceFunction:
        nonlocal count
        count += event == "line" and "/knowledge/" in frame.f_code.co_filename
        return note

    sys.settrace(note)
    try:
        function()
    finally:
        sys.settrace(None)
    return count


# Which rule decides


def test_the_deepest_rule_decides_and_names_the_root() -> None:
    asked = knowledge(
        'application = "outer"\npaths = ["/var/lib/thing/"]',
        'application = "inner"\npaths = ["/var/lib/thing/cache/"]',
    )
    fact = asked.of(b"/var/lib/thing/cache/a/b", FileType.FILE)
    assert fact is not None and (fact.application, fact.root) == ("inner", b"/var/lib/thing/cache")
    fact = asked.of(b"/var/lib/thing/other/b", FileType.FILE)
    assert fact is not None and (fact.application, fact.root) == ("outer", b"/var/lib/thing")
    assert asked.of(b"/var/lib/things", FileType.FILE) is None


def test_a_part_belongs_to_the_root_around_it() -> None:
    asked = knowledge(
        'application = "ssh"\npaths = ["~/.ssh/"]',
        'application = "key"\npaths = ["~/.ssh/id_*"]\npart = true',
    )
    fact = asked.of(b"/home/alice/.ssh/id_rsa", FileType.FILE)
    assert fact is not None and (fact.application, fact.root) == ("key", b"/home/alice/.ssh")
    assert fact.advice == (Advice(AdviceKind("persist-directory"), "/home/alice/.ssh"),)


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ("/etc/a", "/etc/*", b"/etc/a"),
        ("/etc/a*", "/etc/*", b"/etc/ab"),
        ("/etc/*/x", "/etc/**/x", b"/etc/a/x"),
        ("~/**/*~", "~/*", b"/home/alice/x~"),  # what the name itself says comes first
        ("~/.gradle/", "~/**/.gradle/", b"/root/.gradle/x"),
    ],
)
def test_of_two_that_reach_as_deep_the_more_exact_one_decides(one: str, other: str, path: bytes) -> None:
    tables = [f'application = "one"\npaths = ["{one}"]', f'application = "other"\npaths = ["{other}"]']
    assert application(knowledge(*tables), path) == "one"
    assert application(knowledge(*reversed(tables)), path) == "one"


def test_a_default_never_comes_before_a_rule_that_knows_the_application() -> None:
    asked = knowledge(
        'application = "place"\npaths = ["~/.config/*/lock"]\ndefault = true',
        'application = "known"\npaths = ["~/.config/app/lo*"]',
    )
    assert application(asked, b"/home/alice/.config/app/lock") == "known"
    fact = asked.of(b"/home/alice/.config/else/lock", FileType.FILE)
    assert fact is not None and fact.default


# What names tell

NAMES = (
    'application = "*"\npaths = ["/var/lib/*/", "~/.config/*/", "~/*/"]\ndefault = true',
    'application = "Known"\npaths = ["~/.config/known/"]\nadvice = ["home-manager known"]',
    'application = "Mail"\npaths = ["/var/lib/mail/"]\nwhole = true',
    'application = "Gone"\npaths = ["~/.config/gone/"]\nverdict = "ignored"',
    'application = "*"\nnames = ["*.db"]\nscore = 75',
    'application = "*"\nnames = ["cache/", "*.lock"]\nverdict = "regenerated"',
    'application = "*"\nnames = ["flake.lock"]',
    'application = "*"\nnames = ["~/*.log"]\nverdict = "ignored"',
)


def named(path: bytes, type: FileType = FileType.FILE) -> tuple[str, str, str]:
    classes = ["config", "secret", "document", "config", "database", "cache", "config", "log"]
    tables = [
        f'[[rule]]\nwhat = "x"\nclass = "{loss}"\n{table}\n'
        for loss, table in zip(classes, NAMES, strict=True)
    ]
    fact = Knowledge(parse.parse("".join(tables).encode(), "x.toml")).of(path, type)
    assert fact is not None
    return fact.application, fact.loss, fact.verdict_hint


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (b"/var/lib/thing/a/b.db", ("thing", "database", "crud")),
        (b"/var/lib/thing/a/cache/b.db", ("thing", "cache", "regenerated")),
        (b"/home/alice/.config/known/a.db", ("Known", "secret", "crud")),  # a secret stays one
        (b"/home/alice/.config/known/cache/a", ("Known", "cache", "regenerated")),
        (b"/home/alice/.config/thing/a.lock", ("thing", "cache", "regenerated")),
        (b"/home/alice/.config/thing/flake.lock", ("thing", "config", "crud")),  # the later name
        (b"/home/alice/.config/gone/a.db", ("Gone", "config", "ignored")),  # no loss stays none
        (b"/home/alice/.config/thing/a.log", ("thing", "log", "ignored")),
        (b"/var/lib/thing/a.log", ("thing", "config", "crud")),  # of homes alone
        (b"/var/lib/mail/cache/a.db", ("Mail", "document", "crud")),
        (b"/home/alice/code/cache/a.lock", ("code", "config", "crud")),  # a person's own files
    ],
)
def test_names_refine_what_is_said_of_a_directory(path: bytes, told: tuple[str, str, str]) -> None:
    assert named(path) == told


def test_what_a_name_refines_keeps_root_and_advice_of_the_rule_around_it() -> None:
    asked = knowledge(
        'application = "Thing"\npaths = ["~/.config/thing/"]\nadvice = ["home-manager thing"]',
        'application = "*"\nnames = ["*.key"]\nscore = 85',
    )
    plain = asked.of(b"/home/alice/.config/thing/x", FileType.FILE)
    key = asked.of(b"/home/alice/.config/thing/a/x.key", FileType.FILE)
    assert plain is not None and key is not None
    assert (key.root, key.advice, key.default) == (plain.root, plain.advice, plain.default)


def test_of_the_same_pattern_twice_the_later_one_decides() -> None:
    both = [f'application = "{name}"\npaths = ["/etc/x"]' for name in ("first", "later")]
    asked = knowledge(*both)
    assert application(asked, b"/etc/x") == "later"


def test_a_slash_means_a_directory_and_what_is_below() -> None:
    asked = knowledge(
        'application = "directory"\npaths = ["/a/x/"]', 'application = "file"\npaths = ["/a/y"]'
    )
    assert application(asked, b"/a/x") is None
    for type in (FileType.DIRECTORY, FileType.SUBVOLUME, FileType.SYMLINK):
        assert application(asked, b"/a/x", type) == "directory"
    assert application(asked, b"/a/y") == "file"
    assert application(asked, b"/a/y/z") is None


def test_wildcards_stop_at_dots_and_slashes_as_in_a_shell() -> None:
    asked = knowledge(
        'application = "star"\npaths = ["/a/*/x"]', 'application = "tree"\npaths = ["/b/**/x"]',
        'application = "one"\npaths = ["/c/?.txt"]',
    )  # fmt: skip
    assert application(asked, b"/a/b/x") == "star"
    assert application(asked, b"/a/b/c/x") is None
    assert application(asked, b"/a/.b/x") is None
    assert application(asked, b"/b/x") == application(asked, b"/b/c/d/x") == "tree"
    assert application(asked, b"/b/.c/d/x") is None
    assert application(asked, "/c/é.txt".encode()) == "one"
    assert application(asked, b"/c/ab.txt") is None


def test_homes_are_root_home_and_those_that_are_told() -> None:
    asked = knowledge('application = "rc"\npaths = ["~/.rc"]', 'application = "srv"\npaths = ["/srv/"]')
    assert application(asked, b"/root/.rc") == application(asked, b"/home/bob/.rc") == "rc"
    assert application(asked, b"/srv/people/carol/.rc") == "srv"
    fact = asked.of(b"/srv/people/carol/.rc", FileType.FILE, b"/srv/people/carol")
    assert fact is not None and fact.application == "rc"
    assert application(asked, b"/srv/people/carol/.rc") == "rc"
    assert application(asked, b"/srv/people/dan/.rc") == "srv"
    fact = load([DATA], homes=[b"/srv/carol"]).of(b"/srv/carol/.ssh/id_rsa", FileType.FILE)
    assert fact is not None and fact.loss == "secret"


def test_a_directory_on_the_way_to_a_rule_is_no_loss() -> None:
    asked = knowledge('application = "fish"\npaths = ["~/.config/fish/"]')
    for path in (b"/home", b"/home/alice", b"/home/alice/.config"):
        fact = asked.of(path, FileType.DIRECTORY)
        assert fact is not None and (fact.verdict_hint, fact.root) == ("ignored", path)
    fact = asked.of(b"/home/alice/.config/fish", FileType.DIRECTORY)
    assert fact is not None and fact.verdict_hint == "crud"
    assert asked.of(b"/home/alice/.config", FileType.FILE) is None


def test_advice_names_concrete_paths_and_always_a_way_to_persist() -> None:
    asked = knowledge(
        'application = "*"\npaths = ["/var/lib/*/"]\nadvice = ["state-directory thing"]',
        'application = "gh"\npaths = ["~/.config/gh"]\n'
        'advice = ["persist-directory ~/.config", "home-manager programs.gh"]',
        'application = "c"\npaths = ["/c/"]\nverdict = "ignored"',
        'application = "f"\npaths = ["/etc/f"]',
    )
    fact = asked.of(b"/var/lib/a\nb/x", FileType.FILE)
    assert fact is not None and fact.application == "a\\x0ab"
    assert fact.advice == (
        Advice(AdviceKind("state-directory"), "thing"),
        Advice(AdviceKind("persist-directory"), "/var/lib/a\\x0ab"),
    )
    fact = asked.of(b"/home/alice/.config/gh", FileType.FILE)
    assert fact is not None
    assert fact.advice[0] == Advice(AdviceKind.PERSIST_DIRECTORY, "/home/alice/.config")
    assert len(fact.advice) == 2
    fact = asked.of(b"/c/x", FileType.FILE)
    assert fact is not None and fact.advice == ()
    fact = asked.of(b"/etc/f", FileType.FILE)
    assert fact is not None and fact.advice == (Advice(AdviceKind("persist-file"), "/etc/f"),)


# What a path costs


@given(
    st.text(alphabet="ab?*.é", min_size=1, max_size=8).filter(lambda text: "**" not in text),
    st.text(alphabet="ab.é", max_size=10),
)
@settings(max_examples=400)
def test_a_wildcard_matches_as_its_regular_expression_does(pattern: str, name: str) -> None:
    escaped = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    hidden = name.startswith(".") and not pattern.startswith(".")
    expected = not hidden and re.fullmatch(escaped, name) is not None
    assert Glob(pattern).matches(name.encode()) is expected


@given(
    st.lists(
        st.text("ab*?.", min_size=1, max_size=6).filter(lambda text: "*" in text or "?" in text), max_size=12
    ),
    st.text("ab.", min_size=1, max_size=6),
)
def test_of_many_wildcards_those_are_found_that_match_by_themselves(patterns: list[str], name: str) -> None:
    globs = [(Glob(pattern), pattern) for pattern in patterns]
    alone = sorted(pattern for glob, pattern in globs if glob.matches(name.encode()))
    assert sorted(Index(globs).of(name.encode())) == alone


def test_a_hostile_pattern_and_name_cost_no_more_than_their_product() -> None:
    """The pattern that makes a regular expression with the same stars take years."""
    pattern = "*" + "a" * 60 + "*" + "a" * 60 + "*" + "a" * 60 + "b"
    name = b"a" * 255
    glob = Glob(pattern)
    assert not glob.matches(name)
    assert work(lambda: glob.matches(name)) < 4 * len(pattern) * len(name)


def test_a_path_through_many_trees_costs_its_depth_times_the_patterns() -> None:
    patterns = [f'"/**/a/**/a/x{number}"' for number in range(100)]
    asked = knowledge(f'application = "x"\npaths = [{", ".join(patterns)}]')
    asked.of(b"/a/a/warm", FileType.FILE)

    def cost(depth: int) -> int:
        fresh = knowledge(f'application = "x"\npaths = [{", ".join(patterns)}]')
        fresh.of(b"/a" * 30 + b"/y", FileType.FILE)  # what is below a node is made once
        return work(lambda: fresh.of(b"/b" + b"/a" * depth + b"/y", FileType.FILE))

    assert cost(200) < 2.5 * cost(100)
    assert cost(200) < 200 * 100


def test_what_directories_say_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impermanenced.report.knowledge.lookup.MAX_STATES", 50)
    asked = load([DATA])
    first = asked.of(b"/home/alice/.config/fish/functions/a.fish", FileType.FILE)
    second = asked.of(b"/home/alice/.config/fish/functions/b.fish", FileType.FILE)
    assert first is second
    for number in range(1000):
        fact = asked.of(b"/var/lib/thing%d/x" % number, FileType.FILE)
        assert fact is not None and fact.root == b"/var/lib/thing%d" % number
    assert len(asked._states) < 60


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("etc/x", "begins with"),
        ("~alice/x", "begins with"),
        ("", "begins with"),
        ("/a//b", "doubled"),
        ("/a/../b", '".."'),
        ("/a/[b]", "wildcards are"),
        ("/a/{b,c}", "wildcards are"),
        ("/a/b\x1b", "wildcards are"),
        ("/a/x**", "by itself"),
        ("/a/**", "leave out"),
        ("/a/**/**/b", "in a row"),
        ("/**/a/**/b/**/c", "more than 2 times"),
        ("/" + "*a" * 5, "stars"),
        ("/a" * 30, "components"),
        ("/" + "a" * MAX_PATTERN, "longer than"),
        ("/home/alice/x", 'write "~/"'),
        ("/root/x", 'write "~/"'),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(text: str, why: str) -> None:
    with pytest.raises(PatternError, match=re.escape(why)):
        check(text)


# What the package knows


@pytest.mark.parametrize(
    ("path", "type", "loss", "root"),
    [
        # The declarations of the article that this project starts from.
        ("/etc/nixos", "directory", "config", "/etc/nixos"),
        ("/var/log", "directory", "log", "/var/log"),
        ("/var/lib/bluetooth", "directory", "secret", "/var/lib/bluetooth"),
        ("/var/lib/nixos", "directory", "service-state", "/var/lib/nixos"),
        ("/var/lib/systemd/coredump", "directory", "log", "/var/lib/systemd/coredump"),
        (
            "/etc/NetworkManager/system-connections",
            "directory",
            "secret",
            "/etc/NetworkManager/system-connections",
        ),
        ("/var/lib/colord", "directory", "service-state", "/var/lib/colord"),
        ("/etc/machine-id", "file", "service-state", "/etc/machine-id"),
        ("/var/keys/secret_file", "file", "secret", "/var/keys"),
        ("/home/alice/Downloads", "directory", "document", "/home/alice/Downloads"),
        ("/home/alice/Music", "directory", "document", "/home/alice/Music"),
        ("/home/alice/Pictures", "directory", "document", "/home/alice/Pictures"),
        ("/home/alice/Documents", "directory", "document", "/home/alice/Documents"),
        ("/home/alice/Videos", "directory", "document", "/home/alice/Videos"),
        ("/home/alice/VirtualBox VMs", "directory", "document", "/home/alice/VirtualBox VMs"),
        ("/home/alice/.gnupg", "directory", "secret", "/home/alice/.gnupg"),
        ("/home/alice/.ssh", "directory", "config", "/home/alice/.ssh"),
        ("/home/alice/.nixops", "directory", "secret", "/home/alice/.nixops"),
        ("/home/alice/.local/share/keyrings", "directory", "secret", "/home/alice/.local/share/keyrings"),
        ("/home/alice/.local/share/direnv", "directory", "config", "/home/alice/.local/share/direnv"),
        ("/home/alice/.local/share/Steam", "directory", "service-state", "/home/alice/.local/share/Steam"),
        ("/home/alice/.screenrc", "file", "config", "/home/alice/.screenrc"),
    ],
)
def test_what_people_declare_is_known_as_a_loss(
    packaged: Knowledge, path: str, type: str, loss: str, root: str
) -> None:
    fact = packaged.of(path.encode(), FileType(type))
    assert fact is not None and not fact.default
    assert (fact.verdict_hint, fact.loss, fact.root) == ("crud", loss, root.encode())


@pytest.mark.parametrize(
    "path",
    [
        "/home/alice/.config/systemd/user/thing.socket",  # a unit
        "/etc/systemd/system/thing.socket",
        "/home/alice/.config/nixos/flake.lock",  # chosen versions
        "/var/www/site/composer.lock",
        "/home/alice/.config/thing/Local Storage/leveldb/000003.log",  # the newest data
        "/var/lib/kafka/topic-0/00000000000000000000.log",
        "/var/lib/thing/dumps/monday.sql",
        "/opt/oracle/export.dmp",
        "/home/alice/.config/mpv/shaders/sharpen.glsl",  # gathered by a person
        "/home/alice/.purple/logs/jabber/bob/2024.txt",  # what was said
        "/home/alice/code/.git/logs/HEAD",
        "/home/alice/.local/share/Trash/files/cache/photo.jpg",
        "/home/alice/code/cache/plan.lock",
        "/home/alice/.msal_token_cache.json",
        "/var/mail/cache",
        "/var/backups/site/tmp/x",
        "/var/lib/systemd/timers/stamp-thing.timer",
        "/etc/thing/thing.conf.bak",
    ],
)
def test_what_its_name_alone_would_have_hidden_is_a_loss(packaged: Knowledge, path: str) -> None:
    fact = packaged.of(path.encode(), FileType.FILE)
    assert fact is None or fact.verdict_hint == "crud", fact


def test_the_package_knows_many_applications(packaged: Knowledge) -> None:
    applications = {rule.application for rule in packaged.rules if not rule.default}
    assert len(applications) >= 150


# Content


@pytest.mark.parametrize(
    ("head", "loss"),
    [
        (b"SQLite format 3\0\x10\0", "database"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb", "secret"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "secret"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "secret"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "secret"),
        (b"-----BEGIN CERTIFICATE-----\n", None),
        (b"-----BEGIN PUBLIC KEY-----\n", None),
        (b"From alice@example.org Mon Jan  1 00:00:00 2024\n", "document"),
        (b"From here on we go Monday\n", None),
        (b"LUKS\xba\xbe\0\x02", "secret"),
        (b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\0\x04\0", "secret"),
        (b"\x85\x02\x0c\x03" + b"\x11" * 8 + b"\x01\x10\0", "secret"),
        (b"\x84\x5e\x03" + b"\x11" * 8 + b"\x12\x01", "secret"),
        (b"# created: 2024-01-01T00:00:00Z\n# public key: age1abcdefghijkl", "secret"),
        (b"PACK\0\0\0\x02\0\0\0\x05", "document"),
        (b"#!/bin/sh\n", None),
        (b"\x7fELF\x02\x01\x01", None),
        (b"", None),
        (b"\0" * 64, None),
        (b" " * 64 + b"SQLite format 3\0", None),
    ],
)
def test_first_bytes_give_away_what_is_dear(head: bytes, loss: str | None) -> None:
    assert sniff(head) == loss
    content = recognise(head)
    assert (content is None) is (loss is None)
    assert content is None or content.score >= 60


def test_no_more_than_64_bytes_count() -> None:
    assert sniff(b"# created: 2024-01-01T00:00:00Z" + b" " * 40 + b"\n# public key: age1") is None


@given(st.binary(max_size=100))
def test_any_bytes_can_be_looked_at(head: bytes) -> None:
    assert sniff(head) == sniff(head[:64])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a key")
def test_a_real_key_and_a_real_database_are_recognised(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("create table t (x)")
        database.commit()
    assert sniff((tmp_path / "x.db").read_bytes()) == "database"
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True)
    assert sniff(key.stdout) == "secret"
