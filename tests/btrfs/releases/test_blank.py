"""The blank as a release: made, promoted, taken back, verified and compared, with the hook between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import records
from impermanenced.releases import listing
from tests.btrfs.boots.machine import Machine, mark
from tests.conftest import sh
from tests.schema import checked
from tests.shell.hook import uuid_of


def releases(machine: Machine) -> list[Any]:
    found: list[Any] = checked("releases", machine.say("blank", "list", "--json"))["releases"]
    return found


def create(machine: Machine, *words: str) -> Any:
    return checked("blank_change", machine.say("blank", "create", *words, "--json"))


def blank_of(machine: Machine) -> Any:
    record = records.parse_rollback((machine.state / "rollback.env").read_bytes())
    return record.volumes[0]


def doctor(machine: Machine) -> str:
    """All that is found, in words."""
    found = checked("doctor", machine.run("doctor", "--json").stdout)["findings"]
    return "\n".join(one["what"] for one in found)


def names(machine: Machine) -> str:
    return sh("find", machine.filesystem.top, "-printf", "%p %s\n")


def make_read_only(path: Path, *, value: bool) -> None:
    sh("btrfs", "property", "set", "-ts", path, "ro", str(value).lower())


def test_a_blank_that_nobody_has_counted(machine: Machine) -> None:
    (one,) = releases(machine)
    assert (one["number"], one["current"], one["manifest"]) == (None, True, None)
    assert "before releases were counted" in machine.say("blank")
    assert not list(machine.state.glob("releases/*"))


def test_a_file_is_brought_into_the_blank(machine: Machine) -> None:
    (machine.root / "etc/fstab").write_text("# as it has to be\n")
    (machine.root / "etc/fstab").chmod(0o600)
    first = uuid_of(machine.filesystem.top / "root-blank")
    done = create(machine, "/etc/fstab")
    assert (done["release"]["number"], done["release"]["base"], done["before"]["number"]) == (2, 1, 1)
    top = machine.filesystem.top
    assert (top / "root-blank/etc/fstab").read_text() == "# as it has to be\n"
    assert (top / "root-blank/etc/fstab").stat().st_mode & 0o777 == 0o600
    assert uuid_of(top / "root-blank@1") == first
    assert not (top / "root-blank@1/etc/fstab").exists()
    obeyed = blank_of(machine)
    assert (obeyed.blank_uuid, obeyed.before, obeyed.before_uuid) == (
        uuid_of(top / "root-blank"), b"root-blank@1", first,
    )  # fmt: skip
    assert machine.boot().result.action == "wiped"
    assert (machine.root / "etc/fstab").exists()
    assert list((machine.state / "staging").iterdir()) == []


def test_what_is_gone_goes_from_the_blank(machine: Machine) -> None:
    (machine.root / "etc/deep/er").mkdir(parents=True)
    (machine.root / "etc/deep/er/file").write_text("x")
    create(machine, "/etc/deep/er/file")
    (machine.root / "etc/deep/er/file").unlink()
    create(machine, "/etc/deep/er/file", "/etc/never")
    blank = machine.filesystem.top / "root-blank"
    assert (blank / "etc/deep/er").is_dir()
    assert not (blank / "etc/deep/er/file").exists()


def test_revert_and_back_again(machine: Machine) -> None:
    (machine.root / "etc/one").touch()
    create(machine, "/etc/one")
    uuids = {one["number"]: one["uuid"] for one in releases(machine)}
    assert "release 1 is what the next boot wipes to" in machine.say("blank", "revert", "-1")
    found = {one["number"]: one for one in releases(machine)}
    assert {number: one["uuid"] for number, one in found.items()} == uuids
    assert (found[1]["current"], found[2]["current"], found[2]["before"]) == (True, False, True)
    assert found[2]["path"] == "root-blank@2"
    machine.boot()
    assert not (machine.root / "etc/one").exists()
    machine.say("blank", "revert", "2")
    machine.boot()
    assert (machine.root / "etc/one").exists()
    assert [one["number"] for one in releases(machine)] == [2, 1]


def test_a_new_one_that_gives_way_is_settled(machine: Machine) -> None:
    mark(machine.boot())
    (machine.root / "etc/bad").touch()
    create(machine, "/etc/bad")
    for _ in range(3):
        machine.boot()
        assert (machine.root / "etc/bad").exists()
    machine.boot()
    assert not (machine.root / "etc/bad").exists()
    found = {one["number"]: one for one in releases(machine)}
    assert (found[1]["current"], found[2]["failed"]) == (True, True)
    assert "it gave way" in machine.say("blank", "show", "2")
    assert "it gave way to release 1" in doctor(machine)
    create(machine)
    assert {one["number"]: one["path"] for one in releases(machine)} == {
        3: "root-blank", 2: "root-blank@2", 1: "root-blank@1",
    }  # fmt: skip
    obeyed = blank_of(machine)
    assert (obeyed.blank_uuid, obeyed.before) == (releases(machine)[0]["uuid"], b"root-blank@1")
    assert "gave way" not in doctor(machine)


def test_setup_keeps_what_the_record_says_of_releases(machine: Machine) -> None:
    create(machine)
    before = (machine.state / "rollback.env").read_bytes()
    assert "already set up" in machine.say("setup")
    assert (machine.state / "rollback.env").read_bytes() == before


def test_verify(machine: Machine) -> None:
    create(machine)
    assert "is what it was" in machine.say("blank", "verify")
    assert "every file was read" in machine.say("blank", "verify", "-1", "--content")
    top = machine.filesystem.top
    make_read_only(top / "root-blank", value=False)
    (top / "root-blank/etc/evil").write_text("x")
    make_read_only(top / "root-blank", value=True)
    assert "somebody has written to the blank of volume root since release 2 was closed" in doctor(machine)
    said = machine.run("blank", "verify", "--json")
    assert said.returncode == 3, said.stderr
    found = checked("blank_verification", said.stdout)
    assert not found["whole"]
    assert "/etc/evil" in [path["path"] for path in found["paths"]]
    said = machine.run("blank", "verify", "--content")
    assert said.returncode == 3
    assert "does not hold what its manifest says" in said.stdout
    assert "/etc/evil" in said.stdout


def test_only_what_changed_is_read_again_and_the_manifest_is_the_same(machine: Machine) -> None:
    root = machine.root
    for number in range(50):
        (root / f"etc/{number}").write_text(f"{number}\n" * number)
    (root / "etc/link").symlink_to("0")
    os.setxattr(root / "etc/3", "user.note", b"x")
    create(machine, "/etc")
    (root / "etc/7").write_text("other\n")
    os.setxattr(root / "etc/3", "user.note", b"y")
    (root / "etc/8").unlink()
    (root / "etc/new\nline").write_text("hostile\n")
    create(machine, "/etc")
    assert "every file was read" in machine.say("blank", "verify", "--content")
    assert "every file was read" in machine.say("blank", "verify", "-1", "--content")
    one, two, _ = releases(machine)
    assert one["manifest"] != two["manifest"]


def test_diff(machine: Machine) -> None:
    dpkg = machine.root / "var/lib/dpkg"
    dpkg.mkdir(parents=True)
    stanza = "Package: {}\nStatus: install ok installed\nArchitecture: all\nVersion: {}\n"
    (dpkg / "status").write_text("\n".join([stanza.format("old", 1), stanza.format("gone", 1)]))
    create(machine, "/var/lib/dpkg")
    (dpkg / "status").write_text("\n".join([stanza.format("old", 2), stanza.format("new", 1)]))
    (machine.root / "etc/new\x1b").touch()
    create(machine, "/var/lib/dpkg", "/etc")
    found = checked("blank_diff", machine.say("blank", "diff", "--json"))
    assert found["packages"] == [
        {"name": "gone:all", "before": "1", "after": None},
        {"name": "new:all", "before": None, "after": "1"},
        {"name": "old:all", "before": "1", "after": "2"},
    ]
    assert [one["path"] for one in found["paths"]] == ["/etc/new\\x1b", "/var/lib/dpkg/status"]
    said = machine.say("blank", "diff", "3", "2")
    assert "- new:all 1" in said
    assert "old:all 2 -> 1" in said
    assert "hold the same" in machine.say("blank", "diff", "2", "2")


def test_a_dry_run_changes_nothing(machine: Machine) -> None:
    create(machine)
    (machine.root / "etc/x").touch()
    before = names(machine)
    assert "nothing was changed" in machine.say("blank", "create", "/etc/x", "--dry-run")
    assert "would make release 1" in machine.say("blank", "revert", "1", "--dry-run")
    assert names(machine) == before


@pytest.mark.parametrize(
    ("argv", "words", "code"),
    [
        (("blank", "shwo"), "there is no shwo", 2),
        (("blank", "revert"), "revert takes one number", 2),
        (("blank", "show", "9"), "there is no release 9", 2),
        (("blank", "show", "0"), "0 is not the number of a release", 2),
        (("blank", "diff", "-1"), "there is no such release", 2),
        (("blank", "revert", "1"), "there is no release 1", 2),
        (("blank", "show", "--content"), "--content with verify", 2),
        (("blank", "list", "--volume", "home"), "there is no volume home", 2),
        (("blank", "create", "--from", "nowhere"), "nowhere is no subvolume", 2),
    ],
)
def test_bad_input(machine: Machine, argv: tuple[str, ...], words: str, code: int) -> None:
    assert words in machine.refused(code, *argv)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/mnt/in", "a link or a mount is on the way"),
        ("/link/file", "a link or a mount is on the way"),
        ("/", "is nothing inside volume root"),
    ],
)
def test_paths_that_cannot_be_brought(machine: Machine, path: str, words: str, tmp_path: Path) -> None:
    (machine.root / "mnt/in").mkdir(parents=True)
    (machine.root / "real").mkdir()
    (machine.root / "real/file").touch()
    (machine.root / "link").symlink_to("real")
    create(machine)
    sh("mount", "-t", "tmpfs", "tmpfs", machine.root / "mnt/in")
    before = uuid_of(machine.filesystem.top / "root-blank")
    try:
        said = machine.run("blank", "create", path)
    finally:
        sh("umount", machine.root / "mnt/in")
    assert said.returncode == 1
    assert words in said.stderr
    assert uuid_of(machine.filesystem.top / "root-blank") == before
    assert list((machine.state / "staging").iterdir()) == []


def test_a_writable_blank_is_no_release(machine: Machine) -> None:
    make_read_only(machine.filesystem.top / "root-blank", value=False)
    said = machine.run("blank", "create")
    assert (said.returncode, "can be written to" in said.stderr) == (1, True)


def test_a_release_that_somebody_wrote_to_is_not_reverted_to(machine: Machine) -> None:
    create(machine)
    old = machine.filesystem.top / "root-blank@1"
    make_read_only(old, value=False)
    (old / "etc/evil").touch()
    make_read_only(old, value=True)
    said = machine.run("blank", "revert", "1")
    assert (said.returncode, "somebody has written to release 1" in said.stderr) == (1, True)


def test_what_has_the_name_of_a_release_and_is_none(machine: Machine) -> None:
    """Its number is left out, and it is left alone."""
    machine.filesystem.snapshot("root", "root-blank@1", readonly=True)
    assert create(machine)["before"]["number"] == 2
    assert "root-blank@1 has the name of a release, and is none" in machine.say("blank", "list")
    assert "root-blank@1 has the name of a release of volume root" in doctor(machine)
    assert [one["path"] for one in releases(machine)] == ["root-blank", "root-blank@2"]
    machine.filesystem.snapshot("root", "root-blank@next", readonly=True)
    said = machine.run("blank", "create")
    assert (said.returncode, "root-blank@next" in said.stderr) == (1, True)
    assert machine.boot().result.action == "wiped"


def test_the_record_of_an_initrd_that_fixes_the_blank(machine: Machine) -> None:
    (machine.root / "etc/impermanence").mkdir()
    record = (machine.state / "rollback.env").read_bytes()
    (machine.root / "etc/impermanence/rollback.env").write_bytes(record)
    said = machine.run("blank", "create")
    assert (said.returncode, "allows no blank but" in said.stderr) == (1, True)


def test_one_at_a_time(machine: Machine) -> None:
    create(machine)
    sh_lock = ["flock", "--exclusive", machine.state / "releases"]
    said = machine.run("blank", "create", wrap=tuple(map(str, sh_lock)))
    assert (said.returncode, "is at work" in said.stderr) == (1, True)


def test_a_damaged_record_is_said_and_its_number_is_not_used_again(machine: Machine) -> None:
    create(machine)
    (machine.state / "releases/root.2.env").write_bytes(b"VERSION=1\nNUMBER=2\n")
    found = checked("releases", machine.say("blank", "list", "--json"))
    assert "UUID is missing" in found["broken"][0]
    assert "UUID is missing" in doctor(machine)
    assert create(machine)["release"]["number"] == 4  # what was release 2 is counted anew


def test_names_do_not_count_as_writing(machine: Machine) -> None:
    """The generation that a record has is that of the tree, which renaming leaves alone."""
    create(machine)
    top = machine.filesystem.top
    (top / "root-blank").rename(top / "elsewhere")
    (top / "elsewhere").rename(top / "root-blank")
    machine.filesystem.sync()
    assert "is what it was" in machine.say("blank", "verify")
    assert listing.BAD_BOOTS == 3
