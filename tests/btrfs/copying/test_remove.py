"""The removal of a tree: all of it goes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...conftest import sh
from . import trees
from .conftest import Pair


def test_everything_goes_whatever_its_flags(pair: Pair) -> None:
    trees.torture(pair.source / "tree")
    pair.copy()
    (pair.target / "stays").write_text("s")
    (pair.target / "tree/away").symlink_to(pair.target)
    pair.remove()
    assert [path.name for path in pair.target.iterdir()] == ["stays"]


def test_what_is_not_there_is_no_fault(pair: Pair) -> None:
    pair.remove("absent")


@pytest.mark.parametrize("where", ["", "below"])
def test_what_is_mounted_in_it_stays(pair: Pair, tmp_path: Path, where: str) -> None:
    (pair.target / "tree/below").mkdir(parents=True)
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted/file").write_text("of elsewhere")
    pair.filesystem.mounts.append(pair.target / "tree" / where)
    sh("mount", "--bind", tmp_path / "mounted", pair.target / "tree" / where)
    with pytest.raises(OSError):
        pair.remove()
    assert (tmp_path / "mounted/file").read_text() == "of elsewhere"


def test_a_subvolume_with_others_nested_in_it_goes(pair: Pair) -> None:
    (pair.target / "tree").mkdir()
    for name in ("tree/one", "tree/one/two", "tree/one/two/three"):
        pair.filesystem.subvolume(f"target/{name}")
        (pair.target / name / "file").write_text("f")
    sh("btrfs", "property", "set", pair.target / "tree/one/two", "ro", "true")
    pair.remove()
    assert not (pair.target / "tree").exists()
