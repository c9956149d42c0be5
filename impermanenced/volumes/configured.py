"""A configuration, and the machine that it describes: what most commands need, without a report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..config.load import Config, load
from ..config.symlinks import check_paths
from .machine import Machine, system_root


def open_configured(source: bytes | Config | None = None, *, writable: bool = True) -> tuple[Config, Machine]:
    """Return the configuration and its machine, which the caller closes.

    `source` is the file to read, or a configuration.  Unless the machine is `writable`, nothing but the state
    directory can be changed through it.  Raises ConfigError, NotSetUp, NotPermitted, or OSError where the
    filesystem itself fails.
    """
    config = source if isinstance(source, Config) else load(source)
    machine = Machine(config.volumes, writable=writable)
    try:
        if (root := system_root(machine.volumes)) is not None:
            check_paths(config, root)
    except BaseException:
        machine.close()
        raise
    return config, machine


@contextlib.contextmanager
def configured(
    source: bytes | Config | None = None, *, writable: bool = True
) -> Iterator[tuple[Config, Machine]]:
    """Open the configuration and its machine for a while."""
    config, machine = open_configured(source, writable=writable)
    with machine:
        yield config, machine
