"""The move of one path to the persist volume, and back: copied, compared, and mounted while the system runs.

The original stays where it is, under the mount.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator

from .. import copying
from ..copying import Difference, Progress
from ..copying import Kind as Loss
from ..errors import ImpermanenceError
from ..kernel import mounts, openat2
from ..kernel.mounts import Mount
from ..paths import ancestors, within
from ..system import command
from ..text import to_text

TRIES = 3  # copies of something that is written to meanwhile

Tell = Callable[[Progress], None]


def mounted_at(path: bytes) -> Mount | None:
    """Return what is mounted at a path, the last one of several."""
    return next((one for one in reversed(mounts.read()) if one.path == path), None)


def is_kept(path: bytes, persist: bytes) -> bool:
    """Return whether what is at a path is mounted from the subvolume `persist`."""
    mount = mounted_at(path)
    return mount is not None and mount.fstype == b"btrfs" and mount.root == b"/" + persist + path


def make_way(source: int, target: int, path: bytes) -> None:
    """Make the directories above a path below `target`, with owner and mode as they have below `source`."""
    for above in reversed(ancestors(path)):
        relative = openat2.relative(above)
        facts = openat2.facts(source, above)
        with contextlib.suppress(FileExistsError):
            os.mkdir(relative, 0o700, dir_fd=target)
            fd = openat2.open_directory(target, above, os.O_RDONLY)
            try:
                os.fchown(fd, facts.st_uid, facts.st_gid)
                os.fchmod(fd, stat.S_IMODE(facts.st_mode))
            finally:
                os.close(fd)


def copy(
    source: int, target: int, path: bytes, tell: Tell, *, as_name: bytes | None = None
) -> tuple[bytes, ...]:
    """Copy a path from below one directory to the same path below another one, or to another name beside
    that, and compare both.

    Returns the places in it, relative to it, where something is mounted that the copy does not have.  Raises
    ImpermanenceError if they still differ after some tries.
    """
    make_way(source, target, path)
    directory, name = os.path.split(path)
    copied = as_name or name
    with openat2.directory(source, directory) as above, openat2.directory(target, directory) as below:
        for _ in range(TRIES):
            result = copying.copy(above, name, below, copied, progress=tell)
            places = tuple(one.path for one in result.lost if one.kind is Loss.MOUNT)
            differs = [
                one
                for one in copying.verify(above, name, below, copied, progress=tell)
                if one.what != Loss.MOUNT and not any(within(one.path, place) for place in places)
            ]
            if not differs:
                return places
    raise _differs(path, differs[0])


def refill(source: int, target: int, path: bytes) -> None:
    """Give a file that something is mounted over the content that it has below another directory, and
    compare both.

    Raises ImpermanenceError if they still differ after some tries.
    """
    directory, name = os.path.split(path)
    with openat2.directory(source, directory) as above, openat2.directory(target, directory) as below:
        for _ in range(TRIES):
            copying.refill(above, name, below, name)
            differs = copying.verify(above, name, below, name)
            if not differs:
                return
    raise _differs(path, differs[0])


def _differs(path: bytes, one: Difference) -> ImpermanenceError:
    return ImpermanenceError(
        f"{to_text(path)}: the copy still differs from the original after {TRIES} tries "
        f"({to_text(os.path.normpath(os.path.join(path, one.path)))}: {one.what})",
        "something writes there: stop it, and run the command again, which goes on",
    )


def make_places(under: int, target: int, path: bytes, places: tuple[bytes, ...]) -> None:
    """Make in a copy what is to be mounted over; `under` is the root without its mounts."""
    for place in places:
        one = os.path.join(path, place)
        with contextlib.suppress(OSError):
            make_way(under, target, one)
            if stat.S_ISDIR(openat2.facts(under, one).st_mode):
                make_way(under, target, one + b"/.")


def mount_over(source: bytes, path: bytes) -> None:
    """Mount `source` at a path, and again on top of it what is mounted below it."""
    with _held(path) as held:
        command.run(["mount", "--bind", source, path])
        _mount_again(held)


def unmount(path: bytes) -> None:
    """Take a mount away, but not what is mounted below it; who still uses it keeps it until it ends."""
    with _held(path) as held:
        command.run(["umount", "--lazy", path])
        _mount_again(held)


@contextlib.contextmanager
def _held(path: bytes) -> Iterator[list[tuple[bytes, int]]]:
    """Yield the places of what is mounted below a path, each with a descriptor on it."""
    inside = [one.path for one in mounts.read() if within(one.path, path) and one.path != path]
    with contextlib.ExitStack() as stack:
        held = []
        for place in dict.fromkeys(inside):
            with contextlib.suppress(OSError):  # it is covered by another mount
                fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
                stack.callback(os.close, fd)
                held.append((place, fd))
        yield held


def _mount_again(held: list[tuple[bytes, int]]) -> None:
    for place, fd in held:
        command.run(["mount", "--bind", b"/proc/%d/fd/%d" % (os.getpid(), fd), place])
