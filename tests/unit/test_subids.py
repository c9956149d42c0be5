"""Whose share a uid takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.system.subids import SubordinateIds

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
alice:x:1000:1000::/home/alice:/bin/sh
bob:x:1001:1001::/home/bob:/bin/sh
late:x:165540:165540::/:/bin/false
"""
SUBUID = """\
alice:100000:65536
1001:165536:65536
gone:300000:10
root:400000:10
"""


def ids(directory: Path, subuid: str | bytes = SUBUID, passwd: str = PASSWD) -> SubordinateIds:
    (directory / "passwd").write_text(passwd)
    (directory / "subuid").write_bytes(subuid if isinstance(subuid, bytes) else subuid.encode())
    return SubordinateIds(os.fspath(directory))


@pytest.mark.parametrize(
    ("uid", "owner"),
    [
        (0, 0),
        (1000, 1000),
        (99_999, 99_999),
        (100_000, 1000),
        (165_535, 1000),
        (165_536, 1001),  # by number in subuid
        (165_540, 165_540),  # an account is nobody's
        (300_009, 300_000),  # of a user who is not in passwd
        (300_010, 300_010),
        (400_005, 400_000),  # root's containers are not root
        (65_534, 65_534),
    ],
)
def test_a_subordinate_uid_is_its_users(tmp_path: Path, uid: int, owner: int) -> None:
    assert ids(tmp_path).owner(uid) == owner


@pytest.mark.parametrize(
    "line",
    [
        b"", b"alice", b"alice:100000", b"alice:100000:65536:1", b"alice:x:65536", b"alice:100000:-1",
        b"alice:100000:99999999999", b"alice:0:4000000000", b"alice:100000:0", b"\xff\0:1:\xff",
        b"alice:\xc2\xb2:1",
    ],
)  # fmt: skip
def test_a_line_that_is_none_gives_nobody_anything(tmp_path: Path, line: bytes) -> None:
    found = ids(tmp_path, line)
    assert [found.owner(uid) for uid in (0, 1000, 100_001)] == [0, 1000, 100_001]


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    found = ids(tmp_path, "")
    assert found.owner(100_001) == 100_001
    (tmp_path / "subuid").write_text(SUBUID)
    assert found.owner(100_001) == 1000
    (tmp_path / "passwd").unlink()
    assert found.owner(100_001) == 100_000
    (tmp_path / "subuid").unlink()
    assert found.owner(100_001) == 100_001
