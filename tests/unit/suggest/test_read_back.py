"""What is written is read back the same by the programs that it is for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.cli.formats import modules, nix, tmpfiles, toml
from impermanenced.cli.formats.writing import Task
from impermanenced.config import load
from impermanenced.config.placement import Ownership
from impermanenced.report.suggest import Suggestion, System, Wanted, choose
from tests.conftest import sh

from .system import PERSIST, evaluated

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
