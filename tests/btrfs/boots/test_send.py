"""Old roots that are sent elsewhere, and come back as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.boots.send import parse_manifest
from impermanenced.errors import ImpermanenceError
from tests.btrfs.copying import trees
from tests.conftest import Filesystem, sh

from .lives import live, writes
from .machine import Machine, boot_id_of

NAME = f"1-{boot_id_of(1)}"


@pytest.fixture
def lived(machine: Machine) -> Machine:
    def life(root: Path) -> None:
        trees.torture(root / "tree", many=20)
        sh("btrfs", "subvolume", "create", root / "srv")
        sh("btrfs", "subvolume", "create", root / "srv/in ner")
        (root / "srv/in ner/file").write_text("x")

    live(machine, [life, writes(a="two\n"), writes()])
    return machine


@pytest.fixture(params=["another BTRFS", "a directory", "over ssh", "streams over ssh"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    kind = str(request.param)
    if "ssh" in kind:  # the program that is called, and what the words become at the other end
        program = tmp_path / "bin/ssh"
        program.parent.mkdir()
        program.write_text(
            '#!/bin/sh\n[ "$1 $2 $3 $4" = "-o BatchMode=yes -- host" ] || exit 9\nexec sh -c "$5"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    prefix = "ssh:host:" if "ssh" in kind else ""
    if kind in ("a directory", "streams over ssh"):
        (tmp_path / "kept").mkdir()
        yield f"{prefix}{tmp_path}/kept"
        return
    (tmp_path / "other").mkdir()
    other = Filesystem(tmp_path / "other", "256M")
    try:
        yield f"{prefix}{other.top}"
    finally:
        other.close()


def seen(root: Path, *, nested: bool = True) -> trees.Seen:
    """Everything in a root, but the times of access and the flag that every stream leaves out."""
    found = trees.look(os.fsencode(root / "tree"), flags=False, atime=False)
    assert not nested or (root / "srv/in ner/file").read_text() == "x"
    return found


def test_there_and_back(lived: Machine, place: str) -> None:
    top = lived.filesystem.top
    before = seen(top / "old_roots" / NAME)
    said = lived.say("boots", "send", "1", place)
    assert "sending the blank root-blank\n" in said
    assert f"sent boot 1 to {place}/{NAME}, against the blank root-blank\n" in said
    assert f"back:  impermanence boots fetch {NAME} {place}" in said
    assert "sending the blank" not in lived.say("boots", "send", "2", place)  # it is there
    assert os.listdir(lived.state / "sending") == []
    message = lived.refused(1, "boots", "send", "1", place)
    assert "is there already" in message
    for path in (f"{NAME}/srv/in ner", f"{NAME}/srv", NAME):
        sh("btrfs", "subvolume", "delete", top / "old_roots" / path)
    assert f"fetched old_roots/{NAME}\n" in lived.say("boots", "fetch", NAME, place)
    assert trees.difference(seen(top / "old_roots" / NAME), before) == {}
    assert (top / "old_roots" / NAME / "srv/in ner").stat().st_ino == 256
    assert os.listdir(lived.state / "sending") == []
    assert "is there already" in lived.refused(1, "boots", "fetch", NAME, place)
    # It takes part in everything again.
    assert "/srv/in ner/file" in lived.say("diff", "-b", "blank..1")
    lived.say("restore", "-b", "1", "/srv")
    assert (lived.root / "srv/in ner/file").read_text() == "x"


def test_only_what_differs_from_the_blank_is_sent(machine: Machine, tmp_path: Path) -> None:
    blank = machine.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    (blank / "large").write_bytes(os.urandom(8 << 20))
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    assert machine.run("setup").returncode == 0  # the blank has changed
    live(machine, [writes(a="1"), writes()])
    machine.say("boots", "send", "-1", os.fspath(tmp_path))
    sizes = {path.name: path.stat().st_size for path in tmp_path.rglob("*.btrfs")}
    assert sizes.pop("root-blank.btrfs") > 8 << 20
    assert max(sizes.values()) < 100_000


def test_a_run_that_was_cut_is_made_anew(lived: Machine, tmp_path: Path) -> None:
    """What is there without its manifest is no more than a part, and so is what is left in `sending`."""
    kept = tmp_path / "kept"
    for name in (NAME, f"{NAME}.part"):
        (kept / name).mkdir(parents=True)
        (kept / name / f"{NAME}.btrfs").write_bytes(b"half")
    (lived.state / "sending").mkdir()
    sh(
        "btrfs",
        "subvolume",
        "snapshot",
        lived.filesystem.top / "old_roots" / NAME,
        lived.state / "sending" / NAME,
    )
    lived.say("boots", "send", "1", os.fspath(kept))
    assert (kept / NAME / "manifest").exists() and not (kept / f"{NAME}.part").exists()
    assert (kept / NAME / f"{NAME}.btrfs").stat().st_size > 1000
    assert os.listdir(lived.state / "sending") == []


def test_the_blank_is_gone_here(lived: Machine, tmp_path: Path) -> None:
    """Streams against a blank that the machine has no more bring it along."""
    lived.say("boots", "send", "1", os.fspath(tmp_path))
    top = lived.filesystem.top
    before = seen(top / "old_roots" / NAME)
    for path in (f"{NAME}/srv/in ner", f"{NAME}/srv", NAME):
        sh("btrfs", "subvolume", "delete", top / "old_roots" / path)
    sh("btrfs", "subvolume", "snapshot", "-r", top / "root-blank", top / "again")
    sh("btrfs", "subvolume", "delete", top / "root-blank")
    (top / "again").rename(top / "root-blank")
    lived.say("boots", "fetch", NAME, os.fspath(tmp_path))
    assert trees.difference(seen(top / "old_roots" / NAME), before) == {}


# Bad input


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("sned", "1", "/tmp"), 2, "there is no sned"),
        (("send", "1"), 2, "which old root, and where?"),
        (("send", "9", "/tmp"), 2, "there is no boot 9"),
        (("send", "now", "/tmp"), 1, "is no old root"),
        (("send", "1", "ssh:host"), 2, "is no place"),
        (("send", "1", "ssh:-oProxyCommand=x:/"), 2, "is no place"),
        (("send", "1", "/nowhere"), 1, "/nowhere"),
        (("fetch", "../x", "/tmp"), 2, "is not the name of an old root"),
        (("fetch", "7-x", "/tmp"), 1, "nothing whole was sent there"),
    ],
)
def test_what_makes_no_sense(lived: Machine, argv: tuple[str, ...], code: int, message: str) -> None:
    result = lived.run("boots", *argv)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr and result.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    "content",
    ["", "x\n", "-\n", "-\n../a -\n", "-\na 2f2e2e\n", "-\na zz\n", "-\na.nested-1 2f61\n", "-\n-a -\n"],
)
def test_a_manifest_that_nobody_wrote(content: str) -> None:
    with pytest.raises(ImpermanenceError, match="manifest"):
        parse_manifest(content)
