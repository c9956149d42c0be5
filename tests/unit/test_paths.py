"""What a directory has from the one above it: worked out once, from the top, and within bounds."""

from __future__ import annotations

import pytest

from impermanenced import paths
from impermanenced.paths import MOST_BYTES, Inherited, ancestors, within


def test_what_lies_where() -> None:
    assert within(b"/a/b", b"/a/b") and within(b"/a/b/c", b"/a/b") and within(b"/a", b"/")
    assert not within(b"/a/bc", b"/a/b") and not within(b"/a", b"/a/b")
    assert ancestors(b"/a/b/c") == [b"/a/b", b"/a"] and ancestors(b"/a") == []


def test_each_directory_is_worked_out_once_from_the_one_above() -> None:
    asked: list[tuple[str, bytes]] = []

    def below(found: str, path: bytes) -> str:
        asked.append((found, path))
        return found + path[path.rfind(b"/") + 1 :].decode()

    names = Inherited("^", below)
    assert [names[path] for path in (b"/a/b/c", b"/a/b/d", b"", b"/a")] == ["^abc", "^abd", "^", "^a"]
    assert asked == [("^", b"/a"), ("^a", b"/a/b"), ("^ab", b"/a/b/c"), ("^ab", b"/a/b/d")]
    names.forget()
    assert names[b"/a"] == "^a" and len(asked) == 5


def test_none_is_an_answer_like_any_other() -> None:
    asked: list[bytes] = []
    found: Inherited[None] = Inherited(None, lambda _, path: asked.append(path))
    assert found[b"/a"] is found[b"/a"] is None
    assert asked == [b"/a"]


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MOST", 10)
    depths = Inherited(0, lambda depth, _: depth + 1)
    for number in range(100):
        assert depths[b"/a/b/%d" % number] == 3
        assert len(depths) <= 10 + 4


def test_what_is_inherited_by_long_paths_is_bounded_by_their_bytes() -> None:
    found = Inherited(0, lambda depth, _: depth + 1)
    for number in range(200):
        path = b"/" + str(number).encode() + b"/" + b"x" * 5000 + b"/" + b"y" * 5000
        assert found[path] == 3
        assert sum(map(len, found)) <= MOST_BYTES + 20_000
    found.forget()
    assert found[b"/a"] == 1 and len(found) == 2
