"""What each command says of an old root that is being pruned, and of one of which a part has gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import sh
from tests.schema import checked

from .lives import live, writes
from .machine import Machine


def has_nested(root: Path) -> None:
    """A life with a file in a nested subvolume, and one beside it."""
    sh("btrfs", "subvolume", "create", root / "srv")
    (root / "srv/file").write_text("nested\n")
    (root / "etc/file").write_text("one\n")


@pytest.fixture
def lived(machine: Machine) -> Machine:
    live(machine, [has_nested, writes(file="two\n"), writes()])
    return machine


def old_root(machine: Machine, number: int) -> Path:
    (root,) = machine.filesystem.top.glob(f"old_roots/{number}-*")
    return root


@contextlib.contextmanager
def being_pruned(root: Path) -> Iterator[None]:
    """As `prune` holds it while it deletes what is nested in it."""
    fd = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    "argv",
    [
        ("diff", "-b", "1..2"),
        ("diff", "-b", "blank..1", "/etc"),
        ("restore", "-b", "1", "/etc/file"),
        ("browse", "1"),
        ("boots", "send", "1", "."),
    ],
    ids=" ".join,
)
def test_who_needs_it_is_told(
    lived: Machine, argv: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = old_root(lived, 1)
    before = sorted(os.listdir(tmp_path))
    with being_pruned(root):
        assert f"old_roots/{root.name} is being pruned" in lived.refused(1, *argv)
    assert not (lived.root / "etc/file").exists()
    assert sorted(os.listdir(tmp_path)) == before


def test_a_history_goes_on_without_it(lived: Machine) -> None:
    with being_pruned(old_root(lived, 1)):
        document = checked("path_history", lived.say("history", "--json", "/etc/file"))
        said = lived.say("history", "/etc/file")
    found = {one["moment"]["boot"]: (one["there"], one["fault"]) for one in document["sightings"]}
    assert found[2] == (True, None)
    assert "is being pruned" in found[1][1]
    assert "is being pruned" in " ".join(said.split())  # a line breaks after a word


def test_what_a_cut_prune_has_left(lived: Machine) -> None:
    """What was nested went first; the rest can be had as long as it is there."""
    root = old_root(lived, 1)
    sh("btrfs", "subvolume", "delete", root / "srv")
    (root / "srv").mkdir(exist_ok=True)
    assert "it was not there then" in lived.refused(1, "restore", "-b", "1", "/srv/file")
    lived.say("restore", "-b", "1", "/etc/file")
    assert (lived.root / "etc/file").read_text() == "one\n"
    document = checked("path_history", lived.say("history", "--json", "/etc/file"))
    assert [one["there"] for one in document["sightings"]] == [True, True, True, False, False]


def test_a_path_that_was_a_directory_then_and_is_a_file_now(machine: Machine) -> None:
    def directory(root: Path) -> None:
        (root / "etc/thing").mkdir()
        (root / "etc/thing/in").write_text("in\n")

    live(machine, [directory, writes(thing="a file\n"), writes(thing="now\n")])
    said = machine.say("diff", "-b", "1..2").splitlines()[2:]
    assert said == ["t...... /etc/thing", "-...... /etc/thing/in"]
    for view in ("--stat", "--tree", "-u"):
        assert "/etc/thing" in machine.say("diff", "-b", "1..2", "--stat"), view
    document = checked("path_history", machine.say("history", "--json", "/etc/thing"))
    assert [(one["type"], one["changed"]) for one in document["sightings"][:3]] == [
        ("file", True),
        ("file", True),
        ("directory", None),
    ]
    document = checked("path_history", machine.say("history", "--json", "/etc/thing/in"))
    assert [one["there"] for one in document["sightings"]] == [False, False, True, False, False]
    assert "--keep" in machine.refused(1, "restore", "-b", "1", "/etc/thing")
    assert (machine.root / "etc/thing").read_text() == "now\n"
