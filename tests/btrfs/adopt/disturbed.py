"""A job in a process of its own that is killed right before its n-th call that changes something."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

from impermanenced.kernel import libc

CALLS = (
    *((libc, name) for name in ("syncfs", "renameat2", "move_mount", "umount2")),
    *((os, name) for name in ("rename", "unlink", "mkdir", "rmdir")),
)
DONE, FAILED = 0, 1


def killed_at(turn: int, act: Callable[[], object]) -> bool:
    """Whether the process was killed, because it came to that many calls."""
    child = os.fork()
    if child == 0:
        left = turn

        def guarded(call: Callable[..., object]) -> Callable[..., object]:
            def instead(*arguments: object, **named: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **named)

            return instead

        for module, name in CALLS:
            setattr(module, name, guarded(getattr(module, name)))
        try:
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(FAILED)
        os._exit(DONE)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (DONE, -signal.SIGKILL), "the job failed by itself"
    return os.WIFSIGNALED(status)
