"""The sources of declarations: the files and directories of the persist volumes, as this system shows them.

Hard facts
    mountinfo has the device and the directory of the filesystem that is mounted, so where a mount comes from
    is known without looking anything up.
    Looking a name up below an automount point has it mounted, and a server's filesystem may never answer.
    Neither is looked into.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from ..kernel import openat2
from ..kernel.mounts import Mount
from ..paths import ancestors
from ..report.covered import SERVED
from ..volumes.mounted import AUTOMOUNT
from .aside import left_aside

Origin = tuple[bytes, bytes]  # device, and directory of its filesystem, as mountinfo has them


class Sources:
    """The files of one system, found below `root`, where its "/" is mounted.  Close it, or use it in a
    `with`.
    """

    def __init__(self, root: bytes, table: Sequence[Mount]) -> None:
        self._root = root.rstrip(b"/")
        self._by_path = {mount.path: mount for mount in table}  # of several at one place the last
        self._fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def origin(self, path: bytes) -> Origin | None:
        """Return where a mount of this path would come from, or None if no mount shows the path."""
        mount = self._mount(path)
        if mount is None:
            return None
        below = (self._root + path)[len(mount.path.rstrip(b"/")) :]
        return mount.device, mount.root.rstrip(b"/") + below or b"/"

    def is_mounted(self, path: bytes) -> bool:
        """Return whether something is mounted at this very path."""
        mount = self._mount(path)
        return mount is not None and mount.path == self._root + path

    def left_aside(self, path: bytes, mounted: os.stat_result) -> bytes | None:
        """Return the path of a younger version beside a mounted file that nobody could put there, or None."""
        name = left_aside(self._fd, path, mounted)
        return None if name is None else path[: path.rfind(b"/") + 1] + name

    def facts(self, path: bytes) -> os.stat_result | None:
        """Return the lstat(2) of a path, or None if that cannot be told.

        Raises FileNotFoundError if there is nothing, and OSError if a link is on the way.
        """
        mount = self._mount(path)
        if mount is None or mount.fstype == AUTOMOUNT.encode() or mount.fstype.decode().startswith(SERVED):
            return None
        try:
            return openat2.facts(self._fd, path)
        except OSError as error:
            if error.errno == errno.ENOTDIR:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
            raise

    def _mount(self, path: bytes) -> Mount | None:
        """Return the mount that shows a path: the deepest one above it."""
        place = self._root + path
        found = (self._by_path.get(above) for above in (place, *ancestors(place), b"/"))
        return next((mount for mount in found if mount is not None), None)
