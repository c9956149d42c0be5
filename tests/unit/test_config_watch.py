from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gi.repository import GLib

from impermanenced.config.fingerprint import fingerprint
from impermanenced.daemon.config_watch import ConfigWatch


class Watched:
    """A watch, and how often it has told of a change."""

    def __init__(self, file: Path, drop_ins: bool) -> None:
        self.told = 0
        self.watch = ConfigWatch(os.fsencode(file), drop_ins, self._tell)

    def _tell(self) -> None:
        self.told += 1

    def turn(self) -> None:
        """Serve what the kernel has told by now; it has queued an event when the call that causes it ends."""
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass

    def expect(self, act: Callable[[], object]) -> None:
        self.turn()
        before = self.told
        act()
        self.turn()
        assert self.told > before
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
    tmp_path.chmod(0o711)
    watched.turn()
    assert not watched.told
    watched.expect(lambda: (tmp_path / "config.toml").write_text("1"))


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


def test_a_directory_that_goes_and_comes_again_is_watched_again(
    tmp_path: Path, opened: list[Watched]
) -> None:
    directory = tmp_path / "impermanence"
    directory.mkdir()
    watched = Watched(directory / "config.toml", False)
    opened.append(watched)
    for go in (directory.rmdir, lambda: directory.rename(tmp_path / "aside")):
        watched.expect(go)
        watched.expect(directory.mkdir)
        watched.expect(lambda: (directory / "config.toml").write_text("1"))
        (directory / "config.toml").unlink()
    (tmp_path / "aside/config.toml").write_text("1")
    watched.turn()
    before = watched.told
    (tmp_path / "aside/config.toml").unlink()
    watched.turn()
    assert watched.told == before, "what was put aside is watched no more"


def test_events_that_were_dropped_may_have_been_about_the_file(
    tmp_path: Path, opened: list[Watched]
) -> None:
    watched = Watched(tmp_path / "config.toml", False)
    opened.append(watched)
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(most // 2 + 1):  # two events each, and no two neighbours alike
        os.close(os.open(tmp_path / f"other{number % 2}", os.O_CREAT | os.O_WRONLY))
        os.utime(tmp_path / f"other{number % 2}")
    watched.turn()
    assert watched.told == 1


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
