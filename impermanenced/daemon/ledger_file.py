"""The ledger's file, in the state directory."""

from __future__ import annotations

import os
import time

from ..boots import history
from ..errors import NotSetUp
from ..kernel import chroot
from ..system import logger
from ..volumes.machine import Machine
from ..watch.ledger import Ledger

log = logger.get()


class LedgerFile:
    """`ledger`, which is in memory where there is no state directory.

    The directory has no path that SQLite could use, so it is `/` for the thread that opens the file.
    """

    def __init__(self, machine: Machine) -> None:
        boot_id = history.this_boot_id()
        self._state = -1
        if not _has_state(machine):
            log.info("without a state directory, writers are forgotten at a restart")
            self.ledger = Ledger(None, boot_id, time.time)
            return
        # Its own: a new configuration closes the machine, and the ledger stays open.
        self._state = os.dup(machine.state())
        self.ledger = Ledger(b"/", boot_id, time.time, inside=lambda work: chroot.call(self._state, work))

    def close(self) -> None:
        self.ledger.close()
        if self._state >= 0:
            os.close(self._state)


def _has_state(machine: Machine) -> bool:
    try:
        return machine.has_state()
    except NotSetUp as error:
        log.warning("the state directory cannot be used", error=error.message)
        return False
