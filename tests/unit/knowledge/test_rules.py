"""Which rule decides, and what it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from impermanenced.model import Advice, AdviceKind, FileType
from impermanenced.report.knowledge import DATA, Knowledge, load, parse

if TYPE_CHECKING:
    pass
from .asked import application, knowledge


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
    # Everything lies in ~/.config, so nobody is told to persist all of it.
    assert fact.advice[0] == Advice(AdviceKind.PERSIST_FILE, "/home/alice/.config/gh")
    assert len(fact.advice) == 2
    fact = asked.of(b"/c/x", FileType.FILE)
    assert fact is not None and fact.advice == ()
    fact = asked.of(b"/etc/f", FileType.FILE)
    assert fact is not None and fact.advice == (Advice(AdviceKind("persist-file"), "/etc/f"),)
