"""What nothing declares in the persist volumes: `status --persist` lists it, `tidy` moves it, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from impermanenced.keep import trash
from impermanenced.keep.strays import find
from impermanenced.report.report import Manager
from tests.conftest import sh
from tests.schema import checked

from ..keep_machine import bind, persist_volume
from .machine import System

DECLARED = (
    '[persist."/persist"]\ndirectories = ["/var/log", "/home/alice/docs"]\nfiles = ["/etc/machine-id"]\n'
)


@pytest.fixture
def persist(system: System) -> Path:
    """Declared places with content, and strays beside them at every depth."""
    system.configure(DECLARED)
    persist = persist_volume(system)
    for directory in ("var/log", "var/lib/old", "home/alice/docs", "home/bob", "etc"):
        (persist / directory).mkdir(parents=True)
    (persist / "var/log/kept").write_text("kept")
    (persist / "home/alice/docs/kept").write_text("kept")
    (persist / "etc/machine-id").write_text("0\n")
    (persist / "var/lib/old/data").write_bytes(b"x" * 1_000_000)
    (persist / "var/lib/old/more").write_bytes(b"x" * 50_000)
    (persist / "home/alice/draft").write_text("mine")
    (persist / "etc/link").symlink_to("/nowhere")
    (persist / os.fsdecode(b"a\nb\xff")).write_text("hostile")
    system.filesystem.sync()
    return persist


STRAYS = [
    "/persist/a\\x0ab\\xff",
    "/persist/etc/link",
    "/persist/home/alice/draft",
    "/persist/home/bob",
    "/persist/var/lib",
]


def strays(system: System) -> dict[str, Any]:
    document = system.document("status", "--persist")
    assert document["strays_complete"]
    return {one["path"]: one for one in document["strays"]}


def tidy(system: System, *argv: str) -> Any:
    result = system.run("tidy", "--json", "--yes", *argv)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return checked("tidy", result.stdout)


def tree(place: Path) -> str:
    return sh("find", place, "-printf", "%P %y %i %m %U %G %s %T@ %l\\n")


def test_they_are_listed_as_a_whole_with_sizes(system: System, persist: Path) -> None:
    found = strays(system)
    assert list(found) == STRAYS
    lib = found["/persist/var/lib"]
    assert (lib["type"], lib["files"], lib["complete"]) == ("directory", 4, True)
    assert 1_050_000 <= lib["bytes"] < 1_200_000
    assert all(one["used"] is None for one in found.values())
    said = system.run("status", "--persist").stdout
    assert "nothing declares, in the persist volumes (5 things, 1.0 MiB):" in said
    assert "/persist/var/lib/  4 files" in said
    assert "/persist/a\\x0ab\\xff" in said and said.endswith("impermanence tidy\n")


def test_a_budget_of_files_and_what_is_beyond_it(system: System, persist: Path) -> None:
    with Manager(os.fsencode(system.config)) as manager:
        found = find(manager, measured=2)
    assert [one.complete for one in found.strays if one.path.endswith(b"/lib")] == [False]


def test_they_go_and_come_back_as_they_were(system: System, persist: Path) -> None:
    before = tree(persist)
    assert [one["path"] for one in tidy(system, "--dry-run")["move"]] == STRAYS
    assert tree(persist) == before
    done = tidy(system)
    assert [one["path"] for one in done["moved"]] == STRAYS and done["failed"] == []
    assert strays(system) == {}
    assert (persist / "var/log/kept").exists() and (persist / "home/alice/docs/kept").exists()
    mine = persist / trash.NAME.decode()
    assert (mine.stat().st_mode & 0o777, mine.stat().st_uid) == (0o700, 0)
    plan = tidy(system)
    assert (plan["move"], plan["moved"]) == ([], []) and len(plan["waiting"]) == 5
    assert len(tidy(system, "--back")["back"]) == 5
    mine.rmdir()
    times = [line.rsplit(" ", 2)[0] for line in tree(persist).splitlines() if line.split()[1:2] == ["f"]]
    assert times == [line.rsplit(" ", 2)[0] for line in before.splitlines() if line.split()[1:2] == ["f"]]


def test_only_some_of_them(system: System, persist: Path) -> None:
    done = tidy(system, "/persist/home")
    assert [one["path"] for one in done["moved"]] == ["/persist/home/alice/draft", "/persist/home/bob"]
    tidy(system, "/persist/var/lib")
    (back,) = tidy(system, "--back", "/persist/home/bob")["back"]
    assert back["path"] == "/persist/home/bob"
    assert (persist / "home/bob").is_dir() and not (persist / "var/lib").exists()
    for argv, why in (
        (("/persist/var/log",), "/persist/var/log is no stray"),
        (("--back", "/persist/home/bob"), "/persist/home/bob is not in the trash"),
        (("--back", "--dry-run"), "--back does not go with --dry-run"),
    ):
        assert why in system.refused(2, "tidy", "--yes", *argv)


def test_nothing_is_replaced_on_the_way_back(system: System, persist: Path) -> None:
    tidy(system, "/persist/home")
    (persist / "home/bob").write_text("new")
    result = system.run("tidy", "--back")
    assert result.returncode == 1
    assert "impermanence: /persist/home/bob: File exists" in result.stderr
    assert (persist / "home/bob").read_text() == "new" and (persist / "home/alice/draft").exists()
    (persist / "home/bob").unlink()
    assert len(tidy(system, "--back")["back"]) == 1


def test_what_is_in_use_stays(system: System, persist: Path) -> None:
    bind(system, persist / "var/lib/old", "srv/old")
    (system.root / "etc/fstab").write_text("/persist/home/bob /home/bob none bind 0 0\n")
    with open(persist / "home/alice/draft", "a"):
        found = tidy(system)
    assert {one["path"]: one["used"] for one in found["used"]} == {
        "/persist/home/alice/draft": f"process {os.getpid()} has open for writing",
        "/persist/home/bob": "named in /etc/fstab",
        "/persist/var/lib": f"mounted at {system.root}/srv/old",
    }
    assert [one["path"] for one in found["moved"]] == [STRAYS[0], "/persist/etc/link"]
    assert tree(persist / "var/lib").count("\n") == 4


def test_after_the_grace_it_goes_for_good(system: System, persist: Path) -> None:
    tidy(system, "/persist/home/bob")
    tidy(system, "/persist/etc/link")
    mine = persist / trash.NAME.decode()
    (old,) = [path for path in mine.iterdir() if b"bob" in (path / "record").read_bytes()]
    record = (old / "record").read_text()
    past = record.replace(record.partition("TIME=")[2].strip(), "1000000000")
    (old / "record").write_text(past)
    assert "for longer than 30 days" in system.run("tidy", "--dry-run").stdout
    assert tidy(system, "/persist/var/lib")["deleted"] == [], "only where nothing is named"
    found = tidy(system)
    assert [one["path"] for one in found["deleted"]] == ["/persist/home/bob"]
    assert not old.exists() and "/persist/etc/link" in [one["path"] for one in found["waiting"]]


def test_another_subvolume_a_foreign_trash_and_nobody_to_ask(system: System, persist: Path) -> None:
    sh("btrfs", "subvolume", "create", persist / "var/log2")
    (persist / "etc/link").unlink()
    sh("btrfs", "subvolume", "create", persist / "home/alice/sub")
    system.configure(DECLARED.replace("/home/alice/docs", "/home/alice/sub/docs"))
    (persist / "home/alice/sub/x").touch()
    result = system.run("tidy", "--yes")
    assert result.returncode == 1
    assert "impermanence: /persist/home/alice/sub/x: Invalid cross-device link" in result.stderr
    assert not (persist / "var/log2").exists(), "a subvolume goes as a whole"
    assert "nobody to ask whether that may be done" in system.run("tidy").stderr
    mine = persist / trash.NAME.decode()
    mine.chmod(0o755)
    assert "is not root's alone" in system.run("tidy", "--yes").stderr
    assert (persist / "home/alice/sub/x").exists()


def test_a_run_that_was_cut_leaves_nothing_half_done(system: System, persist: Path) -> None:
    """Between the record and the content: the next run takes the record away."""
    tidy(system, "/persist/home/bob")
    mine = persist / trash.NAME.decode()
    cut = mine / "1700000000-0123456789abcdef"
    cut.mkdir(mode=0o700)
    (cut / "record").write_text("VERSION=1\nPATH=/home/alice/draft\nTIME=1700000000\n")
    hostile = mine / "1700000001-0123456789abcdef"
    hostile.mkdir()
    (hostile / "record").write_text("VERSION=1\nPATH=/../../etc\nTIME=1\n")
    (hostile / "content").write_text("what nobody knows")
    assert [one["path"] for one in tidy(system, "--dry-run")["waiting"]] == ["/persist/home/bob"]
    tidy(system)
    assert not cut.exists() and (hostile / "content").exists()
    assert (persist / "home/alice").is_dir()
