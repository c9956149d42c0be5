"""The helper: it sees what btrfs sees, says how far it came, and the hook does without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Filesystem, sh
from tests.shell.hook import HOOK, Initrd, System


def take(helper: Path, *words: str | Path) -> tuple[int, list[str]]:
    result = subprocess.run([helper, *words], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout.splitlines()


def chained(*steps: tuple[str | Path, ...]) -> list[str | Path]:
    first, *others = steps
    return [*first, *(word for step in others for word in (",", *step))]


def shown(path: Path) -> str:
    """The line of the helper, from what `btrfs subvolume show` tells."""
    lines = [line.partition(":") for line in sh("btrfs", "subvolume", "show", path).splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in lines}
    mode = "readonly" if "readonly" in fields.get("Flags", "") else "writable"
    words = (fields["UUID"], fields["Subvolume ID"], fields["Generation"], fields["Gen at creation"], mode)
    return f"subvolume {' '.join(words)}"


def test_sees_what_btrfs_sees(filesystem: Filesystem, helper: Path) -> None:
    top = filesystem.top
    filesystem.subvolume("plain")
    filesystem.snapshot("plain", "written")
    (top / "written/file").write_text("five\n")
    filesystem.snapshot("plain", "with a space", readonly=True)
    shutil.move(top / "with a space", top / "moved with a space")
    filesystem.sync()
    subvolumes = [top / name for name in ("plain", "written", "moved with a space")]
    (top / "directory").mkdir()
    (top / "link").symlink_to("plain")
    (top / "file").write_text("five\n")
    os.mkfifo(top / "fifo")
    others = {"directory": "other", "link": "other", "file": "file 5", "fifo": "other", "missing": "nothing"}
    status, (clock, *lines) = take(helper, "look", *subvolumes, *(top / name for name in others))
    assert status == 0
    assert abs(int(clock.removeprefix("time ")) - time.time()) < 60
    fsid = sh("blkid", "-p", "-s", "UUID", "-o", "value", filesystem.image).strip()
    assert lines == [*(f"{shown(path)} {fsid}" for path in subvolumes), *others.values()]
    written, moved = (line.split()[3] != line.split()[4] for line in lines[1:3])
    assert (written, moved) == (True, False), "a life, and a name that is another one"


def test_directory_that_only_has_the_number_of_a_subvolume(tmp_path: Path, helper: Path) -> None:
    """Inode 256 is a subvolume on BTRFS alone."""
    for number in range(1, 2000):
        path = tmp_path / str(number)
        path.mkdir()
        if path.stat().st_ino == 256:
            break
    assert take(helper, "look", path, "/proc/self")[1][1:] == ["other", "other"]


def test_makes_and_moves(filesystem: Filesystem, helper: Path) -> None:
    top = filesystem.top
    steps = [
        ("directory", top / "d"),
        ("create", top / "a"),
        ("snapshot", top / "a", top / "b"),
        ("move", top / "b", top / "c"),
        ("exchange", top / "a", top / "c"),
        ("sync", top),
    ]
    assert take(helper, *chained(*steps)) == (0, [])
    assert "Parent UUID: \t\t-" in sh("btrfs", "subvolume", "show", top / "c"), "the one that was created"
    assert take(helper, "move", top / "a", top / "c")[0] == 1, "what is there is neither replaced nor entered"
    assert sorted(path.name for path in top.iterdir()) == ["a", "c", "d"]
    assert take(helper, "directory", top / "d")[0] == 1
    assert take(helper, "directory", top / "e/f")[0] == 16, "mkdir -p makes those on the way"
    assert (top / "a").stat().st_mode & 0o7777 == 0o755


def test_says_how_far_it_came(filesystem: Filesystem, tmp_path: Path, helper: Path) -> None:
    """Nothing was printed, so that the program that goes on prints all of it."""
    top = filesystem.top
    other = tmp_path / "not-btrfs"
    other.mkdir()
    sh("mount", "-t", "tmpfs", "tmpfs", other)
    try:
        assert take(helper, "sync", other) == (16, [])
        words = chained(("create", top / "a"), ("look", top / "a"), ("sync", other), ("create", top / "b"))
        assert take(helper, *words) == (18, [])
    finally:
        sh("umount", other)
    assert [path.name for path in top.iterdir()] == ["a"]
    assert take(helper, *chained(("create", top / "a"), ("create", top / "b"))) == (1, [])
    assert not (top / "b").exists(), "the first that fails is the last"


@pytest.mark.parametrize("words", ["", "look", "sync", "sync a b", "delete a", "look / ,"])
def test_what_is_no_step(helper: Path, words: str) -> None:
    assert take(helper, *words.split()) == (2, [])


@pytest.mark.parametrize("content", ["", "\x7fELF of another machine", "#!/no/such/interpreter\n"])
def test_helper_that_does_not_run(filesystem: Filesystem, tmp_path: Path, content: str) -> None:
    """Built for another machine, say, or without its libraries in the initrd."""
    system = System(filesystem)
    stand_in(system.initrd, tmp_path / "lib", content)
    boot = system.initrd.boot()
    assert boot.result.action == "wiped", boot.said


STEPS = ["directory", "ready", "mount", "remount", "look", "snapshot", "sync", "move", "exchange", "umount"]
# It takes what comes before the step, and leaves the rest to others.
LACKING = """#!/bin/sh
before= taken=0
for word; do
    [ "$word" != {step} ] || {{
        [ $taken -eq 0 ] || {helper} ${{before% ,}} >/dev/null || exit 1
        exit $((16 + taken))
    }}
    [ "$word" != , ] || taken=$((taken + 1))
    before="$before $word"
done
exec {helper} "$@"
"""


@pytest.mark.parametrize("step", STEPS)
def test_step_that_the_kernel_does_not_know(
    filesystem: Filesystem, tmp_path: Path, helper: Path, step: str
) -> None:
    """The programs go on where the helper could not, and nothing is done twice."""
    system = System(filesystem)
    stand_in(system.initrd, tmp_path / "lib", LACKING.format(step=step, helper=helper))
    for number in (1, 2):
        boot = system.initrd.boot()
        assert (boot.result.action, boot.result.number) == ("wiped", number), boot.said
        assert "could not" not in boot.said
        assert not os.path.ismount(boot.run / "impermanence/top")
        system.dirty("crud")
    assert len(system.archive()) == 2


def stand_in(initrd: Initrd, directory: Path, content: str) -> None:
    """Another helper beside the hook."""
    directory.mkdir()
    shutil.copy(HOOK, directory)
    (directory / "volumes").write_text(content)
    (directory / "volumes").chmod(0o755)
    initrd.hook = directory / HOOK.name
