"""A user who owns the directories on the way exchanges them while `apply` works there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.keep import places
from impermanenced.keep.approach import Unsafe
from impermanenced.keep.live import Live
from impermanenced.keep.ownership import Owner
from impermanenced.keep.plan import Kind, Made, Mounting
from impermanenced.kernel import libc, mounts

from ..races import tries

TRIES = tries(1500)
PATIENCE = 50  # times as many, on a machine on which the attacker or we have hardly had a turn
USER = 1000

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has users to fear: run make test as root"
)


class Home:
    """A home whose owner never rests, beside what must not change."""

    def __init__(self, directory: Path) -> None:
        directory.chmod(0o755)
        self.victim = directory / "victim"
        (self.victim / "share").mkdir(parents=True)
        (self.victim / "share/secret").write_text("secret")
        self.home = directory / "home"
        self.home.mkdir()
        # What root left in the home, as sudo does; its owner may rename it.
        (self.home / "of-root").mkdir(mode=0o700)
        (self.home / "of-root/share").mkdir(mode=0o700)
        (self.home / "way/share").mkdir(parents=True)
        (self.home / "link").symlink_to(self.victim)
        for path in (self.home, self.home / "way", self.home / "way/share"):
            os.chown(path, USER, USER)
        self.foreign: frozenset[int] = frozenset()
        self.before = self.facts()
        self.foreign = frozenset(self.before)

    def facts(self) -> dict[int, tuple[int, int, int]]:
        """Owner and mode of all that is not the user's, by inode."""
        found = {}
        for top in (self.victim, self.home):
            for place, directories, files in os.walk(top):
                for name in [*directories, *files]:
                    facts = os.lstat(os.path.join(place, name))
                    if facts.st_ino in self.foreign or facts.st_uid != USER:
                        found[facts.st_ino] = (facts.st_uid, facts.st_gid, facts.st_mode)
        return found

    def attack(self) -> int:
        """Start a process of the user's that exchanges what the way leads over, until it is ended."""
        home = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY)  # no other user gets to the tests' directory
        pid = os.fork()
        if pid:
            os.close(home)
            return pid
        try:
            os.setgroups([])
            os.setresgid(USER, USER, USER)
            os.setresuid(USER, USER, USER)
            while True:
                for other in ("link", "of-root"):
                    os.rename("way", "mine", src_dir_fd=home, dst_dir_fd=home)
                    os.rename(other, "way", src_dir_fd=home, dst_dir_fd=home)
                    os.rename("way", other, src_dir_fd=home, dst_dir_fd=home)
                    os.rename("mine", "way", src_dir_fd=home, dst_dir_fd=home)
        finally:
            os._exit(1)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    found = Home(tmp_path)
    pid = found.attack()
    try:
        yield found
    finally:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the attacker was at work to the end"
    assert found.facts() == found.before


def test_nothing_is_made_elsewhere_and_nothing_foreign_changes_hands(home: Home) -> None:
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    owner = Owner(USER, USER, 0o700)
    made = refused = 0
    path = os.fsencode(home.home) + b"/way/share/new"
    try:
        for attempt in range(TRIES * PATIENCE):
            if attempt >= TRIES and made and refused:
                break
            kind = Kind.DIRECTORY if attempt % 2 else Kind.LINK
            try:
                made += places.create(root, Made(path, kind, owner, b"/nowhere"))
            except (OSError, Unsafe):
                refused += 1
            for way in (b"way", b"mine"):
                there = os.path.join(os.fsencode(home.home), way, b"share/new")
                try:
                    os.unlink(there) if kind is Kind.LINK else os.rmdir(there)
                except OSError:
                    continue
    finally:
        os.close(root)
    assert made and refused, (made, refused)
    assert sorted(os.listdir(home.victim / "share")) == ["secret"]
    assert os.listdir(home.victim) == ["share"]


def test_no_mount_lands_elsewhere(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    path = os.fsencode(home.home) + b"/way/share"
    wanted = Mounting(os.fsencode(source), path, path, True, (), b"/persist", "")
    done = 0
    try:
        with Live(root) as live:
            for attempt in range(TRIES // 10 * PATIENCE):
                if attempt >= TRIES // 10 and 0 < done < attempt:
                    break
                outcome = live.mount(wanted, dry_run=False)
                done += outcome is not None and outcome.done
                _unmount(home)
    finally:
        os.close(root)
    assert done, "some came about"


def _unmount(home: Home) -> None:
    """Take every mount of the source away; none may lie outside the home."""
    while mine := [mount for mount in mounts.read() if mount.root.endswith(b"/source")]:
        for mount in mine:
            assert mount.path.startswith(os.fsencode(home.home) + b"/"), mount.path
        # What the mount is on is exchanged meanwhile, so it is looked for under each of its names.
        for way in ("way", "mine", "of-root"):
            try:
                fd = os.open(home.home / way / "share", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                if mounts.mount_id(fd) in {mount.id for mount in mine}:
                    libc.umount2(b"/proc/self/fd/%d" % fd, 2)  # MNT_DETACH
            finally:
                os.close(fd)
