"""Whose state a directory is, as unit files say."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.system import unit_files
from impermanenced.system.unit_files import Owner, Units


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


def put(tmp_path: Path, path: str, text: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)


def test_what_unit_files_say(root: int, tmp_path: Path) -> None:
    put(
        tmp_path,
        "usr/lib/systemd/system/a.service",
        "[Service]\nStateDirectory=a a/sub \\\n  more\nLogsDirectory=a\n",
    )
    put(tmp_path, "usr/lib/systemd/system/b.service", "[Service]\nDynamicUser=yes\nCacheDirectory=%p\n")
    put(tmp_path, "usr/lib/systemd/system/c.service", "[Service]\nStateDirectory=old\n")
    put(
        tmp_path,
        "etc/systemd/system/c.service.d/x.conf",
        "[Service]\nStateDirectory=\nStateDirectory=new:link\n",
    )
    put(tmp_path, "usr/lib/systemd/system/d.service", "[Service]\nStateDirectory=d\n")
    put(
        tmp_path, "etc/systemd/system/d.service", "[Service]\nConfigurationDirectory=d\n# StateDirectory=no\n"
    )
    put(tmp_path, "usr/lib/systemd/system/t@.service", "[Service]\nStateDirectory=t/%i\n")
    put(tmp_path, "usr/lib/systemd/system/evil.service", "[Service]\nStateDirectory=../../etc / .\n")
    (tmp_path / "usr/lib/systemd/system/masked.service").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "usr/lib/systemd/system/fifo.service")
    found = unit_files.from_files(root)
    assert found.of(b"/var/lib/a") == (b"/var/lib/a", Owner("a.service", "state"))
    assert found.of(b"/var/lib/a/x/y") == (b"/var/lib/a", Owner("a.service", "state"))
    assert found.of(b"/var/lib/a/sub/y") == (b"/var/lib/a/sub", Owner("a.service", "state"))
    assert found.of(b"/var/lib/more/y") == (b"/var/lib/more", Owner("a.service", "state"))
    assert found.of(b"/var/log/a/1") == (b"/var/log/a", Owner("a.service", "logs"))
    assert found.of(b"/var/cache/b/1") == (b"/var/cache/b", Owner("b.service", "cache"))
    assert found.of(b"/var/cache/private/b/1") == (b"/var/cache/private/b", Owner("b.service", "cache"))
    assert found.of(b"/var/lib/new") == (b"/var/lib/new", Owner("c.service", "state"))
    assert found.of(b"/var/lib/old") is None
    assert found.of(b"/var/lib/d") is None
    assert found.of(b"/etc/d/x") == (b"/etc/d", Owner("d.service", "configuration"))
    assert found.of(b"/var/lib/t/x") is None
    assert found.of(b"/etc/passwd") is None
    assert found.of(b"/") is None


def test_a_link_out_of_the_volume_is_not_followed(root: int, tmp_path: Path) -> None:
    (tmp_path / "etc/systemd").mkdir(parents=True)
    (tmp_path / "etc/systemd/system").symlink_to("/usr/lib/systemd/system")
    assert unit_files.from_files(root).of(b"/var/lib/private") is None


def test_no_units() -> None:
    assert Units({}).of(b"/var/lib/a/b") is None
