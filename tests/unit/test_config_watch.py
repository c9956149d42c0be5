from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from impermanenced.config.fingerprint import fingerprint
from impermanenced.daemon.config_watch import ConfigWatch
from tests.isolation import PATIENCE


class Watched:
    def __init__(self, file: Path, drop_ins: bool) -> None:
        self.changed = threading.Event()
        self.watch = ConfigWatch(os.fsencode(file), drop_ins, self.changed.set)

    def expect(self, act: Callable[[], object]) -> None:
        self.changed.clear()
        act()
        assert self.changed.wait(PATIENCE)
        self.watch.look_again()


@pytest.fixture
def opened() -> Iterator[list[Watched]]:
    opened: list[Watched] = []
    yield opened
    for watched in opened:
        watched.watch.stop()


def test_edits_and_replacements_are_noticed(tmp_path: Path, opened: list[Watched]) -> None:
    file = tmp_path / "config.toml"
    watched = Watched(file, False)
    opened.append(watched)
    watched.expect(lambda: file.write_text("1"))
    (tmp_path / "other").write_text("2")
    watched.expect(lambda: (tmp_path / "other").rename(file))
    watched.expect(file.unlink)


def test_other_files_are_not(tmp_path: Path, opened: list[Watched]) -> None:
    watched = Watched(tmp_path / "config.toml", True)
    opened.append(watched)
    (tmp_path / "other").write_text("1")
    (tmp_path / "config.toml.swp").write_text("1")
    assert not watched.changed.wait(1.5), "watchdog hands events on after half a second"


def test_directories_may_come_later(tmp_path: Path, opened: list[Watched]) -> None:
    file = tmp_path / "etc/impermanence/config.toml"
    watched = Watched(file, True)
    opened.append(watched)
    watched.expect(lambda: (tmp_path / "etc").mkdir())
    watched.expect(lambda: (tmp_path / "etc/impermanence").mkdir())
    watched.expect(lambda: file.write_text("1"))
    watched.expect(lambda: (file.parent / "config.d").mkdir())
    watched.expect(lambda: (file.parent / "config.d/10-more.toml").write_text("1"))
    watched.expect(lambda: (file.parent / "config.d/10-more.toml").unlink())


def test_an_edit_before_the_watch_began_is_seen_by_the_files(tmp_path: Path) -> None:
    file, drop_ins = tmp_path / "config.toml", tmp_path / "config.d"
    path = os.fsencode(file)
    seen = [fingerprint(path, True)]
    file.write_text("a")
    seen.append(fingerprint(path, True))
    drop_ins.mkdir()
    (drop_ins / "one.toml").write_text("b")
    assert fingerprint(path, False) == seen[-1]
    seen.append(fingerprint(path, True))
    (tmp_path / "new").write_text("c")
    (tmp_path / "new").rename(drop_ins / "one.toml")
    seen.append(fingerprint(path, True))
    assert len(set(seen)) == 4
    assert fingerprint(path, True) == seen[-1]
