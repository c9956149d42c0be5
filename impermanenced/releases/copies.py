"""Paths that are brought from one root to another: from the system that runs into the next
release, or back.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable

from .. import copying
from ..errors import ImpermanenceError
from ..kernel import openat2
from ..model import Volume
from ..paths import within
from ..text import to_text
from ..volumes.machine import Machine
from .listing import Place


def bring(machine: Machine, volume: Volume, paths: Iterable[bytes]) -> Callable[[Place], Iterable[bytes]]:
    """Return an edit that makes these paths in a release what they are in the running volume.

    What the volume does not have goes.  The edit raises ImpermanenceError for a path outside the volume, and
    for one that a link or a mount is on the way to.
    """

    def edit(place: Place) -> Iterable[bytes]:
        with openat2.root(volume.mountpoint) as source, openat2.root(machine.at(place.path)) as target:
            for path in paths:
                if not within(path, volume.path) or path == volume.path:
                    what = f"{to_text(path)} is nothing inside volume {volume.name}"
                    raise ImpermanenceError(what, f"absolute paths below {to_text(volume.path)}")
                one(source, target, path[len(volume.path.rstrip(b"/")) :])
        return ()

    return edit


def one(source: int, target: int, path: bytes) -> copying.Result | None:
    """Make a path below one root what it is below another; return None if it is gone there, and so here.

    Directories above it are made as they are there.  No link is followed, and no mount entered.
    """
    above, _, name = path.strip(b"/").rpartition(b"/")
    try:
        with openat2.directory(source, above) as there:
            facts = os.stat(name, dir_fd=there, follow_symlinks=False)
            if facts.st_dev != os.fstat(source).st_dev:
                raise OSError(errno.EXDEV, "something is mounted there", path)
            make_above(source, target, above)
            with openat2.directory(target, above) as here:
                return copying.copy(there, name, here, name)
    except FileNotFoundError:
        with contextlib.suppress(FileNotFoundError), openat2.directory(target, above) as here:
            copying.remove(here, name)
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EXDEV, errno.ENOTDIR):
            raise
        what = f"{to_text(path)}: a link or a mount is on the way, or there"
        raise ImpermanenceError(what, "name the place itself (realpath)") from None


def make_above(source: int, target: int, path: bytes) -> None:
    """Make the directories that are missing on the way to a path, each with the owner and mode of the one in
    the source.
    """
    done = b""
    for name in filter(None, path.split(b"/")):
        with openat2.directory(target, done) as here:
            made = False
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=here)
                made = True
            done = done + b"/" + name
            if made:
                facts = openat2.facts(source, done)
                with openat2.directory(target, done) as new:
                    os.chown(new, facts.st_uid, facts.st_gid)
                    os.chmod(new, facts.st_mode & 0o7777)


def write(release: int, path: bytes, content: bytes) -> None:
    """Replace the content of a file in a release, which nobody else writes to."""
    found = openat2.open_path(release, path)
    try:
        with open(b"/proc/self/fd/%d" % found, "wb") as stream:
            stream.write(content)
    finally:
        os.close(found)
