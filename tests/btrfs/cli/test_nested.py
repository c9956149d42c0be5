"""Nested subvolumes are boxes with contents: whatever judges looks into them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sh

from ..nesting import nest
from .machine import System
from .test_gate import KEY, gate


@pytest.fixture
def system(system: System) -> System:
    system.set_up()
    return system


def make(path: Path) -> Path:
    sh("btrfs", "subvolume", "create", path)
    return path


def entries(system: System, *argv: str) -> dict[str, Any]:
    return {entry["path"]: entry for entry in system.document("status", *argv)["entries"]}


def home(system: System) -> Path:
    """A subvolume in place of /home, with a private key in it."""
    sh("rm", "-r", system.root / "home")
    place = make(system.root / "home")
    (place / "alice/.ssh").mkdir(parents=True)
    (place / "alice/.ssh/id_ed25519").write_text(KEY)
    (place / "alice/stuff").write_text(KEY)  # that it is a key, only its content says
    return place


def test_a_key_in_a_nested_home_blocks(system: System) -> None:
    """The gate let it pass with "0 B", while in a plain directory it blocked."""
    home(system)
    code, found = gate(system)
    assert (code, found["gate"]) == (3, "block")
    assert found["classes"]["secret"] == {"count": 2, "bytes": 2 * len(KEY)}
    shown = system.run("status").stdout
    rows = [line.split()[:4] for line in shown.splitlines() if "!!" in line]
    assert rows == [["!!", "secret", "/home/alice/.ssh/", "1"], ["!!", "secret", "/home/", "1"]]
    assert "subvolume" not in shown, "the box only leads to what is in it"
    result = system.run("explain", "/home/alice/stuff")
    assert result.returncode == 0 and "class secret" in result.stdout
    assert "begins as a" in result.stdout, "its content was looked at"
    assert "  lies in  /home, a nested subvolume, which goes with the volume\n" in result.stdout


def test_a_database_in_a_nested_subvolume_blocks(system: System) -> None:
    place = make(system.root / "var/lib/postgresql")
    (place / "15/main/base").mkdir(parents=True)
    (place / "15/main/PG_VERSION").write_text("15\n")
    (place / "15/main/base/1").write_bytes(os.urandom(40 << 20))
    code, found = gate(system)
    assert (code, found["gate"]) == (3, "block")
    assert found["classes"]["database"]["bytes"] >= 40 << 20
    assert found["bytes"] >= 40 << 20
    suggested = system.run("suggest", "--persist", "/persist").stdout
    assert "/var/lib/postgresql" in suggested


def test_nested_in_nested_and_what_is_declared_in_it(system: System) -> None:
    place = home(system)
    inner = make(place / "alice/deep")
    (inner / "notes.odt").write_bytes(os.urandom(5000))
    (inner / "x.swp").touch()
    system.configure(
        "[watch]\nignore = ['*.swp']\n[persist.'/persist']\ndirectories = ['/home/alice/.ssh']\n"
    )
    found = entries(system, "--all")
    assert found["/home/alice/deep"]["type"] == "subvolume"
    assert found["/home/alice/deep/notes.odt"]["verdict"] == "crud"
    assert found["/home/alice/deep/notes.odt"]["size"] == 5000
    assert found["/home/alice/deep/x.swp"]["verdict"] == "ignored"
    assert found["/home/alice/.ssh/id_ed25519"]["verdict"] != "crud"


def test_a_read_only_snapshot_of_what_is_there_is_one_row(system: System) -> None:
    make(system.root / ".snapshots")
    for number in (1, 2):
        (system.root / f".snapshots/{number}").mkdir()
        snapshot = system.root / f".snapshots/{number}/snapshot"
        sh("btrfs", "subvolume", "snapshot", "-r", system.root, snapshot)
    found = entries(system)
    below = [path for path in found if path.startswith("/.snapshots/1/")]
    assert below == ["/.snapshots/1/snapshot"]
    assert found["/.snapshots/1/snapshot"]["type"] == "subvolume"
    document = system.document("status")
    assert document["complete"] and not document["notes"]


def test_a_read_only_snapshot_of_what_is_gone_is_looked_into(system: System) -> None:
    """Nothing else has what is in it."""
    place = home(system)
    sh("btrfs", "subvolume", "snapshot", "-r", place, system.root / "kept")
    assert "/kept/alice/.ssh/id_ed25519" not in entries(system)
    sh("btrfs", "subvolume", "delete", place)
    assert entries(system)["/kept/alice/.ssh/id_ed25519"]["loss"] == "secret"


def test_many_in_one_another_are_looked_into(system: System) -> None:
    nest(system.root, "s", 300)
    deepest = system.root.joinpath(*["s"] * 300)
    (deepest / "key").write_text(KEY)
    code, found = gate(system)
    assert (code, found["gate"]) == (3, "block")


def test_a_path_without_end_is_cut(system: System) -> None:
    nest(system.root, "n" * 255, 300)
    document = system.document("status")
    assert document["complete"] is False
    assert any("path" in note for note in document["notes"])
    assert all(len(note) < 20_000 for note in document["notes"])
    assert gate(system)[1]["gate"] == "warn", "there may be anything"


def test_containers_are_judged_by_what_they_are(system: System) -> None:
    """Layers of images come back, a container's own files do not."""
    layers = system.root / "var/lib/docker/btrfs/subvolumes"
    layers.mkdir(parents=True)
    layer = make(layers / ("a" * 64))
    (layer / "etc").mkdir()
    (layer / "etc/snakeoil.key").write_text(KEY)
    sh("btrfs", "subvolume", "snapshot", layer, layers / ("b" * 64))
    machine = make(make(system.root / "var/lib/machines") / "web")
    (machine / "identity").write_text(KEY)
    (machine / "data.db").write_bytes(b"SQLite format 3\0" + b"x" * 500)
    found = entries(system, "--all")
    for name in ("a", "b"):
        key = found[f"/var/lib/docker/btrfs/subvolumes/{name * 64}/etc/snakeoil.key"]
        assert (key["verdict"], key["loss"]) == ("ignored", "cache")
        assert found[f"/var/lib/docker/btrfs/subvolumes/{name * 64}"]["loss"] == "subvolume"
    assert found["/var/lib/machines/web/data.db"]["loss"] == "database"
    assert found["/var/lib/machines/web/identity"]["loss"] == "secret"
    assert gate(system)[0] == 3
