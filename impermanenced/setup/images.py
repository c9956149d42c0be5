"""The initrds: each kernel's gets the hook, and is looked into."""

from __future__ import annotations

import os
import shlex

from ..boots import initrds
from ..boots.kernels import Kernel
from ..errors import ImpermanenceError
from ..system import command
from ..text import to_text
from .facts import Files, Initrd

TIMEOUT = 3600.0  # seconds that a slow machine may take for one
CONFIGURATION = b"/etc/mkinitcpio.conf.d/impermanence.conf"

# mkinitcpio calls no hook that nobody named; the main file is a shell's, as is this.
_HOOKS = b"""\
# Written by impermanence setup: the hook, behind all that makes the root's device appear.
case " ${HOOKS[*]} " in
    *impermanence*) ;;
    *" systemd "*) HOOKS=(${HOOKS[*]/#filesystems/sd-impermanence filesystems}) ;;
    *) HOOKS=(${HOOKS[*]/#filesystems/impermanence filesystems}) ;;
esac
"""


def bring(files: Files) -> None:
    """Build the initrds that lack the hook, or are older than it.  Raises ImpermanenceError if one has no
    hook then.
    """
    waiting = [kernel for kernel in files.kernels if not is_fresh(kernel)]
    if waiting and files.initrd is Initrd.MKINITCPIO and not os.path.lexists(CONFIGURATION):
        os.makedirs(os.path.dirname(CONFIGURATION), exist_ok=True)
        with open(CONFIGURATION, "wb") as stream:
            stream.write(_HOOKS)
    built = set()
    for kernel in waiting:
        for words in initrds.rebuild(kernel.release, kernel.initrd):
            if words not in built:
                built.add(words)
                command.run(shlex.split(words), timeout=TIMEOUT)
    for kernel in waiting:
        if kernel.initrd is None or not initrds.look(kernel.initrd).hook:
            raise ImpermanenceError(
                f"the initrd of kernel {to_text(kernel.release)} was built anew, and has no hook",
                "is the package's hook of this kind of initrd installed?",
            )


def is_fresh(kernel: Kernel) -> bool:
    """Return whether a kernel's initrd has the hook, and was built after that was installed."""
    if kernel.initrd is None or not initrds.look(kernel.initrd).hook:
        return False
    return not initrds.is_outdated(kernel.initrd)
