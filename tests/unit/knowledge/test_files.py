"""The rule files: the package's own are examined, and a bad one is named with its line and left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.model import FileType
from impermanenced.report.knowledge import DATA, files, lint, load, parse

GOOD = """\
[[rule]]
application = "Thing"
what = "the things"
paths = ["/var/lib/thing/"]
class = "database"
score = 77
documented = "thing(1)"
examples = ["/var/lib/thing/db"]
"""


@pytest.fixture
def extensions(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("the files must be root's: run make test as root")
    directory = tmp_path / "knowledge.d"
    directory.mkdir(mode=0o755)
    return directory


def write(directory: Path, name: str, text: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o644)
    return path


def loaded(directory: Path) -> tuple[list[str], tuple[str, ...]]:
    """The applications of an extension directory, and its problems."""
    found = load([os.fsencode(directory)])
    prefix = f"{directory}/"
    problems = tuple(line.replace(prefix, "") for line in found.problems)
    return [rule.application for rule in found.rules], problems


# The package's own


def test_the_rules_of_the_package_pass_the_linter() -> None:
    """Every example is decided by its own rule, none is shadowed, each says where it is documented."""
    rules, problems = lint.examine(DATA)
    assert not problems
    assert len(rules) > 500


def test_the_compiled_form_is_that_of_the_files() -> None:
    rules, _ = lint.examine(DATA)
    with open(os.path.join(DATA, files.COMPILED), encoding="utf-8") as stream:
        assert stream.read() == files.compile(rules), "run tools/compile-knowledge"


def test_no_file_of_the_package_is_beyond_the_limits_for_others() -> None:
    for name in os.listdir(DATA):
        assert os.path.getsize(os.path.join(DATA, name)) < files.MAX_BYTES


NO_LOSS = """
[[rule]]
application = "*"
what = "databases that nobody needs"
names = ["d?"]
class = "cache"
documented = "thing(1)"
examples = ["/var/lib/thing/dx"]
"""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('examples = ["/var/lib/thing/db"]', ""), "examples are missing"),
        (('documented = "thing(1)"', ""), "documented is missing"),
        (('"/var/lib/thing/db"', '"/var/lib/other"'), "no rule matches this example"),
        (("score = 77", "part = true"), "a part of nothing"),
        (("[[rule]]", GOOD + GOOD.replace("Thing", "Twin") + "[[rule]]"), "is shadowed by"),
        (("[[rule]]", GOOD.replace("thing/", "thing/d*") + "[[rule]]"), "another rule decides"),
        (("[[rule]]", NO_LOSS + "[[rule]]"), "no loss by its name"),
    ],
)
def test_the_linter_finds(change: tuple[str, str], problem: str) -> None:
    text = GOOD.replace(*change)
    found = lint.examine_rules(parse.parse(text.encode(), "x.toml"))
    assert any(problem in line for line in found), found


# An administrator's


def test_rules_of_an_administrator_come_after_those_of_the_package(extensions: Path) -> None:
    write(extensions, "10-mine.toml", GOOD.replace("/var/lib/thing/", "/var/lib/postgresql/"))
    write(extensions, "20-mine.toml", GOOD.replace("/var/lib/thing/", "/var/lib/redis/"))
    found = load([DATA, os.fsencode(extensions)])
    fact = found.of(b"/var/lib/postgresql/15/main/PG_VERSION", FileType.FILE)
    assert fact is not None and (fact.application, fact.source) == ("Thing", "10-mine.toml: the things")
    assert found.problems == ()


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("[[rule]\n", 1, "Expected"),
        (GOOD + "\n\nclas = 'x'\n", 11, 'did you mean "class"?'),
        (GOOD.replace("score = 77", "scores = 77"), 6, 'did you mean "score"?'),
        (GOOD.replace("score = 77", 'score = "high"'), 6, "not a whole number"),
        (GOOD.replace("score = 77", "score = true"), 6, "not a whole number"),
        (GOOD.replace("score = 77", "score = 101"), 6, "from 0 to 100"),
        (GOOD.replace('"database"', '"databse"'), 5, 'did you mean "database"?'),
        (GOOD.replace("score = 77", 'verdict = "maybe"'), 6, "it can be: crud, regenerated, ignored"),
        (GOOD.replace('["/var/lib/thing/"]', '"/var/lib/thing/"'), 4, "not a list of strings"),
        (GOOD.replace('["/var/lib/thing/"]', "[1]"), 4, "not a list of strings"),
        (GOOD.replace('["/var/lib/thing/"]', '["var/lib"]'), 4, "a pattern begins with"),
        (GOOD.replace("/var/lib/thing/", "/a/[bc]"), 4, "the wildcards are"),
        (GOOD.replace("score = 77", 'advice = ["persist"]'), 6, 'did you mean "persist-'),
        (GOOD.replace("score = 77", 'advice = ["home-manager"]'), 6, "wants a name"),
        (GOOD.replace("score = 77", 'advice = ["persist-file x"]'), 6, "a path that begins with"),
        (GOOD.replace('what = "the things"\n', ""), 1, "a rule needs what"),
        (GOOD.replace('paths = ["/var/lib/thing/"]\n', ""), 1, "paths, or names in their place"),
        (GOOD.replace("score = 77", 'names = ["x"]'), 1, "paths, or names in their place"),
        (GOOD.replace('paths = ["/var/lib/thing/"]', 'names = ["a/b"]'), 4, "a name is one component"),
        (GOOD.replace('paths = ["/var/lib/thing/"]', 'names = ["**"]'), 4, "a name is one component"),
        (GOOD.replace('paths = ["/var/lib/thing/"]', 'names = ["*a*b*c*d*e"]'), 4, "more than 4 stars"),
        (GOOD.replace("the things", "the\\u001bthings"), 3, "control characters"),
        (GOOD + "[other]\nx = 1\n", 9, "a file has [[rule]] tables and nothing else"),
        (GOOD + GOOD.replace("score = 77", "scores = 1"), 14, "there is no such key"),
    ],
)
def test_a_malformed_file_is_named_with_the_line_and_the_rest_works(
    extensions: Path, text: str, line: int, why: str
) -> None:
    write(extensions, "10-bad.toml", text)
    write(extensions, "20-good.toml", GOOD)
    applications, problems = loaded(extensions)
    assert applications == ["Thing"]
    assert len(problems) == 1 and problems[0].startswith("10-bad.toml: "), problems
    assert f"line {line}" in problems[0] and why in problems[0], problems


def test_every_mistake_of_a_file_is_told_up_to_a_limit(extensions: Path) -> None:
    write(extensions, "bad.toml", GOOD.replace("score = 77", "score = 300") * 50)
    _, problems = loaded(extensions)
    assert len(problems) == parse.MAX_PROBLEMS + 1
    assert problems[-1] == "bad.toml: and 30 more"


def test_what_a_key_is_called_cannot_reach_a_terminal(extensions: Path) -> None:
    write(extensions, "bad.toml", GOOD + '"\\u001b[2J" = 1\n')
    _, problems = loaded(extensions)
    assert "\x1b" not in problems[0] and "\\x1b" in problems[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "line 1: byte 0xff is not UTF-8"),
        (b"x = " + b"[" * 100_000, "nested too deeply"),
        (b"#" * (files.MAX_BYTES + 1), "larger than 1 MiB"),
        (b"rule = 1\n", "write [[rule]]"),
        (b"rule = [1]\n", "not a table"),
        (b"x = " + b"9" * 10_000, "Exceeds the limit"),
    ],
)
def test_what_is_no_rule_file_at_all_is_left_out(extensions: Path, content: bytes, why: str) -> None:
    write(extensions, "bad.toml", content)
    write(extensions, "good.toml", GOOD)
    applications, problems = loaded(extensions)
    assert applications == ["Thing"]
    assert any(why in line for line in problems), problems


def test_a_file_that_others_can_change_is_left_out(extensions: Path) -> None:
    write(extensions, "a.toml", GOOD).chmod(0o646)
    os.chown(write(extensions, "b.toml", GOOD), 1000, 1000)
    write(extensions, "c.toml", GOOD)
    applications, problems = loaded(extensions)
    assert applications == ["Thing"]
    assert [line.partition(";")[0] for line in problems] == [
        "a.toml: anybody can change it",
        "b.toml: user 1000 can change it",
    ]


def test_a_directory_that_others_can_change_is_left_out(extensions: Path) -> None:
    write(extensions, "a.toml", GOOD)
    extensions.chmod(0o777)
    applications, problems = loaded(extensions)
    assert applications == [] and "anybody can change it" in problems[0]


def test_what_is_no_file_is_left_out_and_a_link_to_one_is_read(extensions: Path, tmp_path: Path) -> None:
    os.mkfifo(extensions / "a.toml")
    (extensions / "b.toml").mkdir()
    (extensions / "c.toml").symlink_to("c.toml")
    (extensions / "d.toml").symlink_to(write(tmp_path, "elsewhere", GOOD))
    write(extensions, ".hidden.toml", GOOD)
    write(extensions, "README", GOOD)
    applications, problems = loaded(extensions)
    assert applications == ["Thing"]
    assert [line.partition(":")[0] for line in problems] == ["a.toml", "b.toml", "c.toml"]


def test_how_many_files_and_wildcards_there_are_is_bounded(extensions: Path) -> None:
    for number in range(files.MAX_FILES + 1):
        write(extensions, f"{number:03}.toml", GOOD)
    applications, problems = loaded(extensions)
    assert len(applications) == files.MAX_FILES and len(problems) == 1
    many = ", ".join(f'"/a/{number}*"' for number in range(parse.MAX_WILD))
    for number in range(5):
        write(extensions, f"{number:03}.toml", GOOD.replace('"/var/lib/thing/"', many))
    applications, problems = loaded(extensions)
    assert len(applications) == 4
    assert any("004.toml" in line and "wildcards" in line for line in problems), problems
    write(extensions, "000.toml", GOOD.replace('"/var/lib/thing/"', many + ', "/a/x*"'))
    _, problems = loaded(extensions)
    assert any("000.toml" in line and "with a wildcard" in line for line in problems), problems


def test_a_directory_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path / "missing") == ([], ())
