"""Calls with another directory as `/`, for libraries that want path names.

Hard facts

  * unshare(CLONE_FS) gives a thread a root and a working directory of its own; the other threads keep theirs.
  * Below a mount that is attached nowhere nothing has a path name, but for who has its root there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from . import libc

CLONE_FS = 0x200  # linux/sched.h

T = TypeVar("T")


def call(directory_fd: int, work: Callable[[], T]) -> T:
    """Run `work` in a thread with this directory as its root, and return or raise what it does.

    Needs CAP_SYS_CHROOT.  `work` must not use files of the system: no import, no log.
    """

    def there() -> T:
        libc.unshare(CLONE_FS)
        os.fchdir(directory_fd)
        os.chroot(b".")
        return work()

    with ThreadPoolExecutor(1, "chroot") as executor:
        return executor.submit(there).result()
