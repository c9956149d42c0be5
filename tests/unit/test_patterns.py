"""gitignore patterns: git itself is asked whether we are right."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from impermanenced.config.ignore import Pattern, Patterns


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        (["/tmp/"], b"/tmp/a", True),
        (["/tmp/"], b"/var/tmp/a", False),
        (["tmp/"], b"/var/tmp/a", True),
        (["tmp/"], b"/var/tmp", False),  # a file of that name
        (["tmp"], b"/var/tmp", True),
        (["*.log", "!keep.log"], b"/a/keep.log", False),
        (["*.log", "!keep"], b"/keep/a.log", True),  # only the directory was had back
        (["/a/", "!/a/b"], b"/a/b", True),  # below an ignored directory nothing is had back
        (["/a/*", "!/a/b"], b"/a/b", False),
        (["/a/*", "!/a/b"], b"/a/b/c", False),
        (["/a/**", "!/a/b"], b"/a/b", False),
        (["a/b"], b"/a/b", True),
        (["a/b"], b"/x/a/b", False),
        (["**/b"], b"/x/a/b", True),
        (["a/**/z"], b"/a/b/c/z", True),
        (["[ab].txt"], b"/b.txt", True),
        (["[!ab].txt"], b"/b.txt", False),
        ([r"\#x"], b"/#x", True),
        ([r"\!x"], b"/!x", True),
        (["caf\u00e9"], "/café".encode(), True),
        (["*"], b"/\xff\xfe", True),
        (["a/**"], b"/a/b/c", True),
        (["a/**"], b"/a", False),
        (["a/**/"], b"/a/b", False),  # a file; the directories below a are meant
        (["a/**/"], b"/a/b/c", True),
        (["**/"], b"/a/b/c", True),
        (["**/"], b"/a", False),
        (["**", "!/a/"], b"/a/b", True),
        (["*.swp"], b"/x.swp\n", False),
        (["b"], b"/\n/b", True),
        ([], b"/a", False),
    ],
)
def test_patterns_decide_as_git_does(lines: list[str], path: bytes, ignored: bool) -> None:
    assert (Patterns(lines).decide(path, False) is not None) is ignored


@pytest.mark.parametrize("text", ["", "  ", "#comment", "/", "!", "a\nb", "\x00"])
def test_patterns_that_match_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Pattern(text)


PARTS = [
    "a", "b", "*", "**", "a*", "?", "[ab]", "foo", "*.o", "x.o", "*b*a*", "a**b", "[!a]*", "[^a-c]?",
    "[]-]", "[a-]b", "[[:alpha:]]*", "[[:digit:][:punct:]]", "[[:foo]b", "\\a", "\\*", "*\\?", "[\\]a]",
    "[a/b]", "a ", "b\\ ", "{a,b}", "[%-+]b", "é*", "?é",
]  # fmt: skip
NAMES = [
    "a",
    "b",
    "ab",
    "x.o",
    "foo",
    "!k",
    "#c",
    "aab",
    "*",
    "]b",
    "-b",
    "a ",
    "b ",
    ".o",
    "{a,b}",
    "bba",
    "é",
    "aé",
]


def some_patterns(chance: random.Random) -> list[str]:
    found = []
    for _ in range(chance.randint(1, 4)):
        parts = "/".join(chance.choice(PARTS) for _ in range(chance.randint(1, 3)))
        found.append(
            chance.choice(["", "", "!"]) + chance.choice(["", "/"]) + parts + chance.choice(["", "", "/"])
        )
    return found


def asked_of_git(repository: Path, lines: list[str], paths: list[str]) -> dict[str, bool]:
    (repository / ".git/info/exclude").write_text("\n".join(lines) + "\n")
    argv = [
        "git",
        "-C",
        os.fspath(repository),
        "check-ignore",
        "--no-index",
        "-z",
        "--stdin",
        "--verbose",
        "--non-matching",
    ]
    answer = subprocess.run(argv, input="\0".join(paths).encode(), capture_output=True, check=False).stdout
    fields = answer.decode().split("\0")
    found = zip(fields[2::4], fields[3::4], strict=False)
    return {path: bool(pattern) and not pattern.startswith("!") for pattern, path in found}


def can_match(line: str) -> bool:
    """git takes a pattern that matches nothing; a configuration is told."""
    try:
        Pattern(line)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("seed", range(20))
def test_git_agrees(tmp_path: Path, seed: int) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git: apt-get install git")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True, capture_output=True)
    chance = random.Random(seed)
    for _ in range(10):
        lines = some_patterns(chance)
        paths = ["/".join(chance.choice(NAMES) for _ in range(chance.randint(1, 4))) for _ in range(40)]
        wanted = asked_of_git(tmp_path, lines, paths)
        assert wanted.keys() == set(paths)
        patterns = Patterns([line for line in lines if can_match(line)])
        got = {path: patterns.decide(b"/" + path.encode(), False) is not None for path in wanted}
        assert got == wanted, lines


@pytest.mark.parametrize(
    ("text", "name", "end"),
    [
        ("*a" * 40 + "*b", b"a" * 250, b"b"),
        ("*[ab]?" * 40 + "c", b"a" * 250, b"c"),
        ("/" + "**/a/" * 40 + "b", b"a/" * 1000 + b"a", b"/b"),
        ("/" + "**/*a*/" * 20 + "b", b"aa/" * 1000 + b"a", b"/b"),
        ("*" * 200 + "b", b"a" * 250, b"b"),
    ],
)
def test_a_pattern_that_could_be_tried_in_every_way_is_not(text: str, name: bytes, end: bytes) -> None:
    """Going back over the stars would take longer than the universe has: that this ends is the test."""
    assert not Pattern(text).matches(name, False)
    assert Pattern(text).matches(name + end, False)
