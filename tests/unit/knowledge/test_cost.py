"""What a path costs: no pattern and no name takes the time that it should not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impermanenced.model import FileType
from impermanenced.report.knowledge import DATA, load
from impermanenced.report.knowledge.globs import Glob, Index
from impermanenced.report.knowledge.trie import MAX_PATTERN, PatternError, check

if TYPE_CHECKING:
    pass
from .asked import knowledge, work


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
    monkeypatch.setattr("impermanenced.paths.MOST", 50)
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
