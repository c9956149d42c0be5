"""An automount point as systemd makes it: whoever enters it is kept waiting, and nobody mounts anything."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path


def automount(where: Path) -> Callable[[], None]:
    """Make one, and return what asserts at the end that nobody entered it."""
    # Members of this process group would not be kept waiting: it is one that nobody is in but a sleeper.
    keeper = subprocess.Popen(["sleep", "infinity"], process_group=0)
    reading, writing = os.pipe()
    options = f"fd={writing},pgrp={keeper.pid},minproto=5,maxproto=5,direct".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.mount(b"auto", os.fsencode(where), b"autofs", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "mount of an autofs")
    finally:
        os.close(writing)

    def nobody_entered() -> None:
        said = select.select([reading], [], [], 0)[0]
        entered = bool(said) and os.read(reading, 1) != b""  # nothing: it was unmounted
        os.close(reading)  # whoever waits goes on
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
        assert not entered, "somebody looked into the automount"

    return nobody_entered
