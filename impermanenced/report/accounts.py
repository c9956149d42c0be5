"""The users and groups of the volumes' system, and its files: no link is followed, and nothing is changed."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

from ..config.values import OWNER
from ..kernel import openat2
from ..lazy import NamedTuple

# The uids that systemd takes for DynamicUser= (systemd.exec(5)): such an owner changes at each start.
DYNAMIC = range(61184, 65520)
PEOPLE = range(1000, 60001)  # as in login.defs(5); later ones are for containers and systemd
_LARGEST = 1 << 20  # bytes of a passwd


class User(NamedTuple):
    """A user of the volumes' system."""

    name: str
    uid: int
    gid: int
    home: bytes


class System:
    """The system that the volumes belong to.  Close it, or use it in a `with`.

    `locate` returns where in the running system a path of that system is; `native` says that both are one.
    """

    def __init__(self, locate: Callable[[bytes], bytes], *, native: bool) -> None:
        self._locate = locate
        self._native = native
        self._root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._users: dict[bytes, User] = {}
        self._names: Mapping[int, str] = {}
        self._groups: Mapping[int, str] = {}
        if native:
            users = [
                User(one.pw_name, one.pw_uid, one.pw_gid, os.fsencode(one.pw_dir)) for one in pwd.getpwall()
            ]
        else:
            users = list(self._passwd())
            self._names = {user.uid: user.name for user in reversed(users)}
            self._groups = dict(self._group())
        for user in reversed(users):  # if two have one home, the first counts, as in getpwuid(3)
            home = os.path.normpath(user.home)
            person = user.uid == 0 or user.uid in PEOPLE
            if person and OWNER.fullmatch(user.name) and home.startswith(b"/") and home != b"/":
                self._users[home] = user

    def close(self) -> None:
        os.close(self._root)

    def __enter__(self) -> System:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def facts(self, path: bytes) -> os.stat_result | None:
        """Return the lstat(2) of a path, or None if it does not exist, may not be seen, or leads through a
        link.
        """
        try:
            return openat2.facts(self._root, self._locate(path))
        except OSError:
            return None

    def link(self, path: bytes) -> bytes | None:
        """Return where a symbolic link leads, or None if it cannot be read."""
        directory, name = os.path.split(self._locate(path))
        try:
            fd = openat2.open_directory(self._root, directory)
            try:
                return os.readlink(name, dir_fd=fd)
            finally:
                os.close(fd)
        except OSError:
            return None

    def people(self) -> Iterator[tuple[User, bytes]]:
        """Yield the users that are persons, each with the home."""
        for home, user in self._users.items():
            if user.uid in PEOPLE:
                yield user, home

    def user(self, path: bytes) -> tuple[User, bytes] | None:
        """Return the user whose home the path is or lies in, and that home, or None."""
        end = len(path)
        while end > 0:
            found = self._users.get(path[:end])
            if found is not None:
                return found, path[:end]
            end = path.rfind(b"/", 0, end)
        return None

    def owner(self, uid: int) -> str:
        """Return the name of a user, or the number if there is no usable name."""
        return self._name(uid, self._names, lambda: pwd.getpwuid(uid).pw_name)

    def uid(self, name: str) -> int | None:
        """Return the uid of a user, or None if there is none of this name."""
        if not self._native:
            found = (uid for uid, one in self._names.items() if one == name)
            return 0 if name == "root" else next(found, None)
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            return None

    def group(self, gid: int) -> str:
        """Return the name of a group, or the number if there is no usable name."""
        return self._name(gid, self._groups, lambda: grp.getgrgid(gid).gr_name)

    def _name(self, number: int, names: Mapping[int, str], ask: Callable[[], str]) -> str:
        if not self._native:
            name = "root" if number == 0 else names.get(number, "")
        else:
            try:
                name = ask()
            except (KeyError, OverflowError):
                name = ""
        return name if OWNER.fullmatch(name) else str(number)

    def _lines(self, file: bytes, words: int) -> Iterator[list[bytes]]:
        try:
            content = openat2.read(self._root, self._locate(file), _LARGEST)
        except OSError:
            return
        for line in content.split(b"\n"):
            found = line.split(b":")
            if len(found) == words and found[0] and found[2].isdigit():
                yield found

    def _passwd(self) -> Iterator[User]:
        for words in self._lines(b"/etc/passwd", 7):
            if words[3].isdigit():
                yield User(os.fsdecode(words[0]), int(words[2]), int(words[3]), words[5])

    def _group(self) -> Iterator[tuple[int, str]]:
        for words in self._lines(b"/etc/group", 4):
            yield int(words[2]), os.fsdecode(words[0])
