"""The processes that use a path: by what they have open, and by where they are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from . import proc


def uses() -> Iterator[tuple[int, bytes]]:
    """Yield (pid, path) of each open file, current directory and root directory of all processes."""
    for name in filter(str.isdecimal, os.listdir("/proc")):
        links = [f"/proc/{name}/cwd", f"/proc/{name}/root"]
        with contextlib.suppress(OSError):
            links += [f"/proc/{name}/fd/{fd}" for fd in os.listdir(f"/proc/{name}/fd")]
        for link in links:
            with contextlib.suppress(OSError):
                yield int(name), os.fsencode(os.readlink(link))


def shown(pid: int) -> str:
    """Return a process for a person: its name and number."""
    name = proc.comm(pid).decode("utf-8", "replace") or "?"
    return f"{name if name.isprintable() else '?'} ({pid})"
