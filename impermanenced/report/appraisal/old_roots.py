"""The evidence of the old roots: what each boot makes anew, and what earlier boots lost.

An old root is the volume at the end of one boot.  A path that differed from the blank there was lost with
it.  If it is here again with the same content, it came back by itself, so nothing is lost with it.  If it
comes back each time with other content, it is an identity or a state that somebody will miss.

Hard facts
    A copy is no evidence: where an old root was booted again, its files are here because the volume is a
    snapshot of it.  Such a copy has the ctime that it has there, which nothing made anew can have.
    Names in an old root were laid by whoever ran in it: every one is looked up without following a link.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence

from ...kernel import openat2
from ...lazy import NamedTuple
from ...model import FORMATS, Change, Difference, FileType

MOST = 6  # old roots that are looked at
CANDIDATES = 20_000  # paths that are looked up in one report
LARGEST = 64 << 10  # bytes of a file that are compared
BUDGET = 32 << 20  # bytes that one report compares


@functools.cache
def _volatile() -> re.Pattern[bytes]:
    """Return a pattern of what may differ in a regenerated file: times, process ids, the hash of a store
    path.
    """
    return re.compile(
        rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +(?:[A-Z][a-z]{2} +\d{1,2}|\d{1,2} +[A-Z][a-z]{2}(?: +\d{4})?)"
        rb" +\d{2}:\d{2}:\d{2}(?:\.\d+)?(?: +(?:[AP]M))?(?: +[A-Z]{3,4}|[+-]\d{4}| +[+-]\d{4})?(?: +\d{4})?"
        rb"|\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?:Z| ?[+-]\d{2}:?\d{2})?"
        rb"|\b\d{2}:\d{2}:\d{2}(?:\.\d+)?\b"
        rb"|\b(?:pid|PID|Pid)\b[ =:]{1,3}\d+"
        rb"|\b1[5-9]\d{8}(?:\.\d+)?\b"
        rb"|(?<=/nix/store/)[0-9a-z]{32}-"
    )


@functools.cache
def _number() -> re.Pattern[bytes]:
    """Return a pattern of a number of at most six digits, perhaps with a fraction."""
    return re.compile(rb"(?<![0-9A-Za-z_.-])-?\d{1,6}(?:\.\d+)?(?![0-9A-Za-z_-])")


class OldRootTree(NamedTuple):
    """An old root that exists."""

    number: int | None  # the number of the boot that it was the root of
    path: bytes  # a path for open(2)
    boot_id: str = ""


class PathHistory(NamedTuple):
    """The evidence of the old roots on one path."""

    lost: int = 0  # old roots in a row, from the newest on, that had it
    same: int = 0  # old roots in a row that had it with its present content
    alike: int = 0  # old roots, if all of them had it, and only short numbers in it differ
    other: int = 0  # old roots in a row that had it, each with other content
    copied: bool = False  # whether it is here because an old root was booted again


NOTHING = PathHistory()


class OldRoots:
    """The old roots of one volume, newest first.  Close it, or use it in a `with`.

    `now` and `blank` are descriptors of the volume's root and the blank's (None if there is none).
    """

    def __init__(
        self, old_roots: Sequence[OldRootTree], now: int, blank: int | None, boot_id: str = ""
    ) -> None:
        self.complete = True  # False once a limit was reached
        self._stack = contextlib.ExitStack()
        self._roots: list[int] = []
        self._places: list[openat2.Directories] = []
        for root in old_roots[:MOST]:
            try:
                fd = os.open(root.path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue
            self._stack.callback(os.close, fd)
            self._roots.append(fd)
            self._places.append(self._directories(fd))
        self._now = now
        self._here = self._directories(now)
        self._before = self._directories(blank) if blank is not None else None
        self._left = CANDIDATES
        self._budget = BUDGET
        ids = [boot_id, *(root.boot_id for root in old_roots)]
        self._ids = [form for one in ids if one for form in (one.encode(), one.replace("-", "").encode())]

    def __len__(self) -> int:
        return len(self._roots)

    def __enter__(self) -> OldRoots:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def _directories(self, fd: int) -> openat2.Directories:
        found = openat2.Directories(fd)
        self._stack.callback(found.close)
        return found

    def of(self, difference: Difference, path: bytes) -> PathHistory:
        """Return the evidence on a path, which is relative to the volume's root.

        This is cheap if the paths come directory by directory.
        """
        if not self._roots or difference.change is Change.DELETED or difference.type is FileType.SUBVOLUME:
            return NOTHING
        if self._left <= 0:
            self.complete = False
            return NOTHING
        self._left -= 1
        # Most of what is new was never there before, and then nothing else has to be looked up.
        if _look(self._places[0], path) is None:
            return NOTHING
        now = _look(self._here, path)
        if now is None or stat.S_IFMT(now.st_mode) != FORMATS.get(difference.type):
            return NOTHING
        before = _look(self._before, path) if self._before is not None else None
        found = list(self._each(path, before))
        copied = any(one.st_ctime_ns == now.st_ctime_ns and one.st_ino == now.st_ino for one in found)
        if copied or not found:
            return PathHistory(lost=len(found), copied=copied)
        same = self._same(path, now, found)
        alike = len(found) if same < len(found) and self._only_numbers_differ(path, now, found) else 0
        other = len(found) if same == 0 and self._all_apart(path, now, found) else 0
        return PathHistory(len(found), same, alike, other)

    def _each(self, path: bytes, before: os.stat_result | None) -> Iterator[os.stat_result]:
        """Yield the path's status in each old root, until one did not have it, or had it as the blank has."""
        for places in self._places:
            found = _look(places, path)
            if found is None or (before is not None and _untouched(found, before)):
                return
            yield found

    def _same(self, path: bytes, now: os.stat_result, found: Sequence[os.stat_result]) -> int:
        content = None
        for number, (root, then) in enumerate(zip(self._roots, found, strict=False)):
            if stat.S_IFMT(then.st_mode) != stat.S_IFMT(now.st_mode) or then.st_uid != now.st_uid:
                return number
            if stat.S_ISREG(now.st_mode):
                if content is None:
                    content = self._content(self._now, path, now)
                before = self._content(root, path, then)
                if content is None or before is None:
                    return number
                # Most are equal byte by byte; only in the others the volatile parts are looked for.
                if content != before and self._lasting(content) != self._lasting(before):
                    return number
            elif stat.S_ISLNK(now.st_mode):
                if _target(self._here, path) != _target(self._places[number], path):
                    return number
            elif not stat.S_ISDIR(now.st_mode) and then.st_rdev != now.st_rdev:
                return number
        return len(found)

    def _all_apart(self, path: bytes, now: os.stat_result, found: Sequence[os.stat_result]) -> bool:
        """Return whether a small file had other content in each old root: it is made anew, and never the
        same.
        """
        if not stat.S_ISREG(now.st_mode) or not 0 < now.st_size <= LARGEST or len(found) < 2:
            return False
        contents = [self._content(self._now, path, now)]
        contents += [self._content(root, path, then) for root, then in zip(self._roots, found, strict=False)]
        lasting = {self._lasting(content) for content in contents if content is not None}
        return len(lasting) == len(contents)

    def _only_numbers_differ(self, path: bytes, now: os.stat_result, found: Sequence[os.stat_result]) -> bool:
        """Return whether each old root had a small text here that differs from the present one in durations,
        counts and the like only.  An identity has more digits, or letters.
        """
        if len(found) < max(len(self._roots), 2) or not stat.S_ISREG(now.st_mode) or not now.st_size:
            return False
        lasting = set()
        for root, then in ((self._now, now), *zip(self._roots, found, strict=True)):
            content = self._content(root, path, then)
            if content is None or then.st_uid != now.st_uid or b"\0" in content:
                return False
            lasting.add(_number().sub(b"#", self._lasting(content)))
        return len(lasting) == 1

    def _content(self, root: int, path: bytes, facts: os.stat_result) -> bytes | None:
        """Return the content of a regular file, or None if it is too large or cannot be read."""
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            return None
        if facts.st_size > self._budget:
            self.complete = False
            return None
        self._budget -= facts.st_size
        try:
            return openat2.read(root, path, LARGEST + 1)
        except OSError:
            return None

    def _lasting(self, content: bytes) -> bytes:
        """Return the content without the parts that may differ in a regenerated file."""
        if b"\0" not in content:
            for one in self._ids:
                content = content.replace(one, b"")
            content = _volatile().sub(b"", content)
        return content


def _look(places: openat2.Directories, path: bytes) -> os.stat_result | None:
    cut = path.rfind(b"/")
    directory = places.of(path[:cut] if cut > 0 else b"/")
    if directory is None:
        return None
    try:
        return os.stat(path[cut + 1 :] or b".", dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None


def _target(places: openat2.Directories, path: bytes) -> bytes | None:
    cut = path.rfind(b"/")
    directory = places.of(path[:cut] if cut > 0 else b"/")
    if directory is None:
        return None
    try:
        return _volatile().sub(b"", os.readlink(path[cut + 1 :], dir_fd=directory))
    except OSError:
        return None


def _untouched(found: os.stat_result, blank: os.stat_result) -> bool:
    """Return whether the file is the blank's: a snapshot keeps the inode, and any change sets the ctime."""
    return (found.st_ino, found.st_ctime_ns) == (blank.st_ino, blank.st_ctime_ns)


def by_directory(differences: Iterable[Difference]) -> list[Difference]:
    """Return the differences in an order in which looking them up is cheap."""
    return sorted(differences, key=lambda one: (one.path[: one.path.rfind(b"/")], one.path))
