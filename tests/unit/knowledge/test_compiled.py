"""The compiled form of the rules decides as they do, and is believed as a whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.model import FileType
from impermanenced.report.knowledge import DATA, Knowledge, files, lint, load
from impermanenced.report.knowledge.compiled import FIELDS, Rules
from impermanenced.report.knowledge.facts import Rule

PLACES = (b"/opt/x", b"/var/lib/thing", b"/home/alice/.config/thing")


def plain(rules: list[Rule]) -> list[Rule]:
    """The rules without what a linter needs alone, which the compiled form leaves out."""
    return [Rule(*one[:1], 0, *one[2:FIELDS]) for one in rules]  # type: ignore[arg-type]


def paths(rules: list[Rule]) -> list[bytes]:
    """What the rules are about: their examples, names that their wildcards match, and neighbours of both."""
    found = {lint.example_of(example)[0] for rule in rules for example in rule.examples}
    for rule in rules:
        for text in (*rule.paths, *(f"/etc/{name}" for name in rule.names)):
            plain = re.sub(r"\*\*/", "", text).replace("*", "some").replace("?", "x").rstrip("/")
            found.add(plain.replace("~", "/home/alice", 1).encode())
    found |= {path + (b"~" if len(path) % 2 else b"/inside.db") for path in found}
    names = {path[path.rfind(b"/") + 1 :] for path in found}
    found |= {PLACES[len(name) % len(PLACES)] + b"/" + name for name in names}
    return sorted(found | {b"/a/\xff\xfe", b"/etc/*.conf", b"/home/alice/**"})


def test_it_decides_as_the_rules_do() -> None:
    rules, _ = lint.examine(DATA)
    slow, fast = Knowledge(plain(rules)), load([DATA])
    assert fast.problems == () and list(fast.rules) == list(slow.rules)
    every = paths(rules)
    assert len(every) > 5000
    for number, path in enumerate(every[::2]):
        type = (FileType.FILE, FileType.DIRECTORY, FileType.FILE, FileType.SYMLINK)[number % 4]
        assert fast.of(path, type) == slow.of(path, type), path
        name = path[path.rfind(b"/") + 1 :]
        assert fast.named(name) is slow.named(name), path


def test_rules_of_an_administrator_go_into_the_same_tries(tmp_path: Path) -> None:
    """Below a place that the compiled form has, with a wildcard, and at the very pattern of the package."""
    rules, _ = lint.examine(DATA)
    (tmp_path / "10-mine.toml").write_text("".join(
        f"[[rule]]\napplication = 'Mine'\nwhat = 'it'\npaths = ['{path}']\nclass = 'database'\n"
        for path in ("/var/lib/postgresql/", "/var/lib/postgresql/*/mine/", "~/.config/mine*", "/srv/**/mine")
    ))  # fmt: skip
    (tmp_path / "10-mine.toml").chmod(0o644)
    mine = files.read(os.fsencode(tmp_path / "10-mine.toml"), trusted=True)
    slow, fast = Knowledge([*plain(rules), *mine]), load([DATA, os.fsencode(tmp_path)])
    assert fast.problems == ()
    for path in (
        *(b"/var/lib/postgresql/15/mine/x", b"/var/lib/postgresql/15/main/x", b"/var/lib/postgresql/x"),
        *(b"/home/alice/.config/mine.db", b"/home/alice/.config/discord/x", b"/srv/a/b/mine/x", b"/srv/mine"),
    ):
        assert fast.of(path, FileType.FILE) == slow.of(path, FileType.FILE), path
        assert fast.rules_of(path, FileType.FILE) == slow.rules_of(path, FileType.FILE), path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's rules that a test may change."""
    copy = tmp_path / "data"
    shutil.copytree(os.fsdecode(DATA), copy)
    monkeypatch.setattr(files, "DATA", os.fsencode(copy))
    return copy


def sealed(path: Path, before: bytes, after: bytes) -> None:
    """Change the compiled form, with a checksum that fits."""
    header, _, rest = path.read_bytes().replace(before, after, 1).partition(b"\n")
    header = re.sub(rb'"crc32":\d+', b'"crc32":%d' % zlib.crc32(rest), header)
    path.write_bytes(header + b"\n" + rest)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda form: form.write_bytes(form.read_bytes()[:-100]), "not as it was written"),
        (lambda form: form.write_bytes(form.read_bytes().replace(b"cache", b"CACHE")), "not as it was"),
        (lambda form: form.write_bytes(b""), "not a compiled form"),
        (lambda form: form.write_bytes(b"[]\n" * 9), "not a compiled form"),
        (lambda form: form.write_bytes(b"\xff" * 9999), "not a compiled form"),
        (lambda form: sealed(form, b'"format":1', b'"format":0'), "of format 0"),
        (lambda form: sealed(form, b'"format":1', b'"format":[2]'), "of format [2]"),
        (lambda form: form.chmod(0o666), "somebody else can change it"),
        (lambda form: os.chown(form, 4711, 4711), "somebody else can change it"),
        (lambda form: form.unlink(), "No such file"),
        (lambda form: (form.unlink(), form.mkdir()), "Is a directory"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_not_believed(data: Path, change: Callable[[Path], object], why: str) -> None:
    """The rules are then read from their files, and the report says so."""
    change(data / os.fsdecode(files.COMPILED))
    found = load([files.DATA])
    assert len(found.problems) == 1 and why in found.problems[0], found.problems
    fact = found.of(b"/var/lib/postgresql/15/main/x", FileType.FILE)
    assert fact is not None and fact.loss == "database"


@pytest.mark.parametrize("change", ["longer", "another", "fewer"])
def test_what_was_made_from_other_files_is_not_believed(data: Path, change: str) -> None:
    databases = data / "databases.toml"
    match change:
        case "longer":
            databases.write_text(databases.read_text().replace('"/var/lib/postgresql/"', '"/var/lib/pg/"'))
        case "another":
            shutil.copy(databases, data / "new.toml")
        case "fewer":
            databases.unlink()
    found = load([files.DATA])
    assert len(found.problems) == 1 and "other rule files" in found.problems[0]
    fact = found.of(b"/var/lib/postgresql/15/main/x", FileType.FILE)
    assert fact is not None and ("PostgreSQL" in fact.application) == (change == "another")


def test_a_report_parses_few_of_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load([DATA])
    for path in (b"/var/lib/postgresql/15/x", b"/home/alice/.config/discord/x", b"/etc/ssh/x"):
        assert found.of(path, FileType.FILE) is not None
    assert isinstance(found.rules, Rules)
    assert 0 < found.rules.made < len(found.rules) // 10
