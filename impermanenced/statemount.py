"""A path name for the state directory, which SQLite needs, and which nobody but this process has.

The daemon's mount of the top level is attached nowhere.  The state directory alone gets a second one, which
is attached in a mount namespace of its own: it goes with the process, however that ends.
"""

from __future__ import annotations

import os

import structlog

from .errors import NotSetUp
from .kernel import mounts
from .model import STATE
from .volumes import Machine

WHERE = b"/run/impermanenced"  # the service's RuntimeDirectory=

log = structlog.get_logger()


def leave() -> bool:
    """Get a namespace of its own for this process, which has no other thread yet; whether it has one."""
    try:
        mounts.leave_namespace()
    except OSError:
        # Forbidden by the unit, which gave it one before.
        try:
            return not mounts.is_shared_with(1)
        except OSError:
            return False
    return True


def attach(machine: Machine, where: bytes = WHERE) -> bytes | None:
    """The path, None where there is none; why is said.  Only after `leave` was true."""
    try:
        if not machine.has_state():
            log.info("there is no state directory: after a restart writers are not known")
            return None
        os.makedirs(where, 0o700, exist_ok=True)
        mounts.attach(machine.device, STATE, where)
    except NotSetUp as error:
        log.warning("the state directory cannot be used", error=error.message)
    except OSError as error:
        log.warning("the state directory cannot be mounted", error=error.strerror)
    else:
        return where
    return None
