"""The comparison of a copy with its source finds whatever differs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ...conftest import sh
from . import trees
from .conftest import Pair


def rewrite(path: Path) -> None:
    """Another content, with the times of before."""
    info = path.stat()
    with open(path, "r+b") as stream:
        stream.seek(info.st_size // 2)
        stream.write(b"?")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def replace(path: Path) -> None:
    """The same, as another file."""
    sh("cp", "-a", path, path.with_name("new"))
    path.with_name("new").rename(path)
    os.utime(path.parent, ns=(trees.LONG_AGO,) * 2)


def become_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, tuple[str, Callable[[Path], object], set[str]]] = {
    "byte": ("small", rewrite, {"content"}),
    "byte-of-many": ("large", rewrite, {"content"}),
    "length": ("large", lambda path: os.truncate(path, 5), {"content", "times"}),
    "mode": ("small", lambda path: path.chmod(0o611), {"mode"}),
    "owner": ("small", lambda path: os.chown(path, 7, 0), {"owner"}),
    "owner-of-link": ("link", lambda path: os.lchown(path, 7, 7), {"owner"}),
    "times": ("fifo", lambda path: os.utime(path, (1, 1)), {"times"}),
    "attribute": ("small", lambda path: os.setxattr(path, "user.a", b"1"), {"attributes"}),
    "acl": ("owned/suid", lambda path: sh("setfacl", "-m", "u:5:r", path), {"attributes", "mode"}),
    "flags": ("small", lambda path: trees.set_flags(path, 0x40), {"flags"}),
    "gone": ("owned/suid", lambda path: path.unlink(), {"absent", "times"}),
    "more": ("owned", lambda path: (path / "more").touch(), {"other", "times"}),
    "target": ("dangling", lambda path: sh("ln", "-sfn", "x", path), {"target", "times", "attributes"}),
    "type": ("small", become_a_directory, {"type", "times"}),
    "link": ("hard/one", replace, {"links", "times"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_is_found(pair: Pair, change: str) -> None:
    name, make, wanted = CHANGES[change]
    trees.torture(pair.source / "tree", many=5)
    pair.copy()
    assert pair.verify() == ()
    make(pair.target / "tree" / name)
    found = {one.what for one in pair.verify()}
    assert found & wanted == found != set()


def test_what_is_mounted_over_the_copy_is_a_difference(pair: Pair) -> None:
    (pair.source / "tree/below").mkdir(parents=True)
    pair.copy()
    pair.filesystem.mounts.append(pair.target / "tree/below")
    sh("mount", "-t", "tmpfs", "none", pair.target / "tree/below")
    assert [(one.path, one.what) for one in pair.verify()] == [(b"below", "mount")]
