"""Where a symbolic link of a volume leads: link by link, and never into what is mounted.

Hard facts
    Looking up a name below an automount point has it mounted, and waits for that.  So a path is followed one
    name at a time, in the volume's own tree, and not any further where something is mounted.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Container

from ..kernel import openat2
from ..paths import within

MOST = 40  # links that are followed, as the kernel does


def end(root: int, volume: bytes, link: bytes, target: bytes, stops: Container[bytes]) -> bytes | None:
    """Return the first of `stops` that the link leads to or through, or None if it leads to none of them.

    `root` is a descriptor of the volume, and `volume` the path that it has in its system; `link` and the
    stops are paths of that system.  A link that leads in a circle leads nowhere.
    """
    at = link[: link.rfind(b"/")]
    names = target.split(b"/")[::-1]
    if target.startswith(b"/"):
        at = b""
    followed = 0
    while names:
        name = names.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            at = at[: at.rfind(b"/")] if at else b""
            continue
        at = at + b"/" + name
        if at in stops:
            whole = os.path.normpath(b"/".join([at, *names[::-1]]))
            if within(whole, at):
                return at
            # It leads out again.  The names in between are taken as they stand: nobody looks into the mount.
            at, names = b"", whole.split(b"/")[::-1]
            continue
        onward = _read(root, volume, at)
        if onward is not None:
            followed += 1
            if followed > MOST:
                return None
            at = b"" if onward.startswith(b"/") else at[: at.rfind(b"/")]
            names += onward.split(b"/")[::-1]
    return None


def _read(root: int, volume: bytes, path: bytes) -> bytes | None:
    """Return the target of a link in the volume, or None for anything else, also if there is nothing."""
    if not within(path, volume):
        return None
    try:
        fd = openat2.open_path(root, path[len(volume.rstrip(b"/")) :])
    except OSError:
        return None
    try:
        return os.readlink(b"", dir_fd=fd)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise
        return None
    finally:
        os.close(fd)
