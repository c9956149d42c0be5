"""The labelled corpus is well formed and argued.  Whether rules agree is not asked here."""

import re
from collections import Counter
from pathlib import Path

import pytest

from impermanenced.losses import LossClass
from impermanenced.model import Change, FileType
from impermanenced.text import to_text
from tests.corpus.reader import HELD_OUT, PATHS, Row, fields, parse, rows

COLUMNS = [
    "path", "type", "change", "system", "expected", "class", "importance", "facts",
    "argument", "source",
]  # fmt: skip
SYSTEMS = {"any", "debian", "nixos", "arch", "fedora"}
EXPECTED = {"crud", "regenerated", "cache", "managed"}
CLASSES = set(LossClass) - {LossClass.CACHE}  # a cache is expected by that word
# A page, a manual page, or what a package of a distribution holds.
SOURCE = re.compile(r"https://\S+|[\w@.:+-]+\(\d\w*\)|Debian 12 package \S+ \(.+\)")
FACTS = {"target", "package", "conffile", "tmpfiles", "empty", "head", "same-as"}


@pytest.fixture(scope="module", params=[PATHS, HELD_OUT], ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="module")
def corpus(file: Path) -> list[Row]:
    return rows(file)


def test_every_row_has_the_columns_and_none_is_empty(file: Path) -> None:
    for written in fields(file):
        assert list(written) == COLUMNS
        assert all(text and text == text.strip() for text in written.values()), written["path"]


def test_it_is_large_and_names_no_path_twice(corpus: list[Row]) -> None:
    paths = [row.path for row in corpus]
    assert len(paths) >= 450
    assert paths == sorted(set(paths))


def test_what_is_held_out_is_not_in_the_other_part() -> None:
    assert not {row.path for row in rows(PATHS)} & {row.path for row in rows(HELD_OUT)}


def test_paths_are_absolute_and_normal(corpus: list[Row]) -> None:
    for row in corpus:
        parts = row.path.split(b"/")
        assert parts[0] == b"" and not {b"", b".", b".."} & set(parts[1:]), row.path


def test_values_are_of_the_allowed(corpus: list[Row]) -> None:
    for row in corpus:
        assert row.system in SYSTEMS, row.path
        assert row.expected in EXPECTED, row.path
        assert row.facts.keys() <= FACTS, row.path
        link = row.type is FileType.SYMLINK and row.change is not Change.DELETED
        assert ("target" in row.facts) is link, row.path


def test_crud_has_a_class_and_an_importance_and_nothing_else_has(corpus: list[Row]) -> None:
    for row in corpus:
        if row.crud:
            assert row.loss in CLASSES and row.importance in (1, 2, 3), row.path
        else:
            assert row.loss is None and row.importance is None, row.path


def test_every_label_is_argued_and_sourced(corpus: list[Row]) -> None:
    for row in corpus:
        assert len(row.argument.split()) >= 5, row.path
        assert SOURCE.fullmatch(row.source), (row.path, row.source)


def test_every_kind_of_label_is_there() -> None:
    corpus = rows(PATHS)
    assert {row.expected for row in corpus} == EXPECTED
    assert {row.loss for row in corpus if row.crud} == CLASSES
    assert {row.system for row in corpus} == SYSTEMS
    assert {"created", "modified", "deleted"} <= {row.change for row in corpus}
    assert any(b" " in row.path for row in corpus)
    assert any(not row.path.isascii() for row in corpus)


def test_there_is_enough_that_is_no_loss(corpus: list[Row]) -> None:
    """Precision needs what is not crud."""
    assert 0.2 < Counter(row.crud for row in corpus)[False] / len(corpus) < 0.6


def test_a_row_of_another_width_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "paths.tsv"
    file.write_text(PATHS.read_text("utf-8") + "/one\tfield\n", "utf-8")
    with pytest.raises(ValueError, match="shorter"):
        rows(file)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="door"):
        parse(fields()[0] | {"type": "door"})


def test_no_path_would_be_shown_other_than_it_is(corpus: list[Row]) -> None:
    """A control character in a path of the corpus would be a slip of the pen, not a case."""
    assert [row.path for row in corpus if "\\x" in to_text(row.path)] == []
