"""The source of the report: the daemon, if one runs with this configuration, or else the filesystem.

Either is loaded only when it is needed: the bus is not touched on a machine that has none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..config.load import DEFAULT, Config, load
from ..errors import ImpermanenceError, NotPermitted, ServiceError
from ..model import Report
from ..text import file_to_text
from . import output

if TYPE_CHECKING:
    from ..keep.state import Declared
    from ..keep.strays import Found

BUS_SOCKET = "/run/dbus/system_bus_socket"


def fetch(config: bytes | None) -> Report:
    """Return the whole report, or what the caller may see of it."""
    found = _from_daemon(config)
    if isinstance(found, Report):
        return found
    return _from_machine(config)._replace(unheard=found)


def declarations(config: bytes | None) -> list[Declared]:
    """Return the state of every declaration, or of those that the caller may see."""
    if os.geteuid() == 0:  # who may look needs nobody who has looked
        from ..keep.examine import states
        from ..report.report import Manager

        with Manager(config, writable=False) as manager:
            return states(manager)
    found: list[Declared] | None = None
    if _has_bus():
        from ..bus import client

        path = config if config is not None else DEFAULT
        try:
            found = client.fetch_declarations(path, output.wait_for_start)
        finally:
            output.wait(None)
    if found is None:
        raise NotPermitted(
            "looking at every declaration needs root", "run it as root, or start impermanenced.service"
        )
    return found


def strays(config: bytes | None) -> Found | None:
    """Return what nothing declares in the persist volumes, or None for a user who may not look."""
    if os.geteuid() != 0:
        return None
    from ..keep.strays import find
    from ..report.report import Manager
    from ..volumes.machine import system_root

    with Manager(config, writable=False) as manager:
        return find(manager) if system_root(manager.volumes) is not None else None


def settings(config: bytes | None) -> Config | None:
    """Return the configuration, or None if it cannot be read: the daemon answers such a caller
    nevertheless.
    """
    try:
        return load(config)
    except ImpermanenceError:
        return None


def _from_daemon(config: bytes | None) -> Report | str | None:
    """Return the daemon's report, why a daemon that runs gives none, or None if none runs."""
    if not _has_bus():
        return None
    try:
        from ..bus import client
    except ImportError:  # the package works without the libraries of the bus
        return None
    try:
        report = client.fetch_report(
            config if config is not None else DEFAULT, output.wait, starting=output.wait_for_start
        )
    except ServiceError as error:
        if os.geteuid() != 0:
            raise
        output.complain(f"{error.message}; reading the filesystem instead", error.hint)
        return "impermanenced runs, and gave no report" if client.is_running() else None
    finally:
        output.wait(None)
    if report is None and client.answers():
        return "impermanenced runs with another configuration"
    return report


def _has_bus() -> bool:
    return "DBUS_SYSTEM_BUS_ADDRESS" in os.environ or os.path.exists(BUS_SOCKET)


def _from_machine(config: bytes | None) -> Report:
    from ..report.report import Manager

    try:
        with Manager(config) as manager:
            return manager.status()
    except PermissionError as error:
        where = f"{file_to_text(error.filename)}: " if error.filename is not None else ""
        raise NotPermitted(
            f"{where}reading the filesystem's trees is not permitted",
            "run it as root, or start impermanenced.service",
        ) from None
