"""What counts more: a rule, a name, a place, or the content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.model import Change, Difference, FileType
from impermanenced.paths import ancestors
from impermanenced.report.knowledge import DATA, Knowledge, lint
from tests.corpus.appraised import appraised, made, said

SQLITE = b"SQLite format 3\0" + bytes(100)
TEXT = b"words and word \n" * 7
KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"x" * 100


def test_no_content_changes_what_a_rule_says_of_its_example(packaged: Knowledge, tmp_path: Path) -> None:
    """A history of 20 is no database of 88, and a document of 90 none of 78."""
    rules, _ = lint.examine(DATA)
    examples = [
        path
        for rule in rules
        if not rule.default and not rule.names and rule.verdict == "crud"
        for path, type in map(lint.example_of, rule.examples)
        if type is FileType.FILE
    ]
    assert len(examples) > 500
    # An example may be a directory of another one, so not all can be files of one tree.
    inner = {above for path in examples for above in ancestors(path)}
    trees = {"outer": set(examples) - inner, "inner": set(examples) & inner}
    for name, tree in trees.items():
        (tmp_path / f"{name}-text").mkdir()
        (tmp_path / f"{name}-sqlite").mkdir()
        before = said(tmp_path / f"{name}-text", packaged, dict.fromkeys(tree, TEXT))
        after = said(tmp_path / f"{name}-sqlite", packaged, dict.fromkeys(tree, SQLITE))
        for path in tree:
            assert (before[path].loss, before[path].score) == (after[path].loss, after[path].score), path


def test_content_decides_where_only_a_place_is_known(packaged: Knowledge, tmp_path: Path) -> None:
    paths = (
        b"/var/lib/unheard-of/thing",
        b"/home/alice/.config/unheard-of/thing",
        b"/home/alice/.unheard-of/thing",
    )
    for path, entry in said(tmp_path, packaged, dict.fromkeys(paths, SQLITE)).items():
        assert (entry.loss, entry.score) == ("database", 86), path


def test_a_secret_in_the_content_counts_everywhere(packaged: Knowledge, tmp_path: Path) -> None:
    paths = b"/home/alice/Documents/x", b"/home/alice/.local/share/task/x", b"/etc/hosts"
    assert {entry.loss for entry in said(tmp_path, packaged, dict.fromkeys(paths, KEY)).values()} == {
        "secret"
    }


def test_tokens_count_if_only_the_owner_may_read_them(packaged: Knowledge, tmp_path: Path) -> None:
    path = b"/home/alice/.config/github-copilot/apps.json"
    content = b'{"x": {' + b" " * 3000 + b'"oauth_token": "gho_abcdefghijk"}}'
    secret = said(tmp_path / "private", packaged, {path: content}, 0o600)[path]
    assert secret.loss == "secret"
    assert secret.because[-1] == "only its owner may read it, and it has a value for oauth_token"
    assert said(tmp_path / "public", packaged, {path: content}, 0o644)[path].loss != "secret"


@pytest.mark.parametrize("what", ["link", "another user's"])
def test_no_link_is_followed_and_nothing_of_another_user_is_read(
    packaged: Knowledge, tmp_path: Path, what: str
) -> None:
    path = b"/home/alice/.config/unheard-of/x"
    place = made(tmp_path, path, KEY)
    if what == "link":
        place.rename(tmp_path / "key")
        place.symlink_to(tmp_path / "key")
    else:
        os.chown(place, 1000, 1000)
    found = Difference(path, FileType.FILE, Change.CREATED, "+......", 300, len(KEY), 0, 0, 0o600, 0)
    assert appraised(tmp_path, packaged, [found])[path].loss == "config"


def test_names_raise_what_a_rule_says_to_a_secret_and_to_nothing_else(packaged: Knowledge) -> None:
    """Of a person's tasks, a document of 82: neither a database nor a history."""
    for name, loss in ((b"x.db", "document"), (b"x_history", "document"), (b"api.key", "secret")):
        fact = packaged.of(b"/home/alice/.local/share/task/" + name, FileType.FILE)
        assert fact is not None and fact.loss == loss, name


def test_histories_and_dumps_come_through_where_caches_are(packaged: Knowledge) -> None:
    for path, loss in (
        (b"/home/alice/.cache/python/repl_history", "history"),
        (b"/var/cache/postgresql_backups/all.sql.zst", "database"),
    ):
        fact = packaged.of(path, FileType.FILE)
        assert fact is not None and (fact.verdict_hint, fact.loss, fact.root) == ("crud", loss, path)
    for path in (b"/home/alice/.cache/mozilla/firefox/x/cache2/a_history", b"/home/alice/.cache/python/x"):
        fact = packaged.of(path, FileType.FILE)
        assert fact is not None and fact.verdict_hint == "ignored"
