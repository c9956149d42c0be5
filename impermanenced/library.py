"""What other programs may ask: the drift of a volume, the report of what would be lost, and the boots.

`open` and what it gives are public, with the values and errors that `impermanenced.__all__` lists.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .boots import listing
from .boots.history import Boot
from .drift import Whole
from .errors import UsageError
from .model import Difference, Report, Volume
from .report.report import Manager


class System:
    """Hold a configuration and the filesystem of its volumes open, until `close` or the end of `with`.

    One thread at a time may use it.  A change of the configuration is seen by the next `open`.
    """

    def __init__(self, manager: Manager, *, ours: bool) -> None:
        """Hold what the manager holds open; `ours` says that it is this machine's own configuration."""
        self._manager = manager
        self._ours = ours

    def __enter__(self) -> System:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the filesystem; nothing can be asked after that."""
        self._manager.close()

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """Return the volumes that the configuration names, in its order."""
        return self._manager.volumes

    def drift(self, volume: str) -> Iterator[Difference]:
        """Compare a volume with its blank and yield each name that differs, once and in no order.

        `volume` is the name of one of `volumes`.  Nothing is judged: what is declared comes too.  The
        filesystem is synced at once, and read while the iterator runs.  What cannot be read is left out.

        Raise UsageError where there is no such volume, and OSError where the filesystem fails.
        """
        machine = self._manager.machine
        found = next((one for one in machine.volumes if one.name == volume), None)
        if found is None:
            names = ", ".join(one.name for one in machine.volumes)
            raise UsageError(f"there is no volume {volume!r}", f"the configuration has {names}")
        machine.sync()
        return Whole(machine.top, found, machine.baseline(found)).differences()

    def report(self) -> Report:
        """Compare all volumes with their blanks, judge each difference, and return what the next boot loses.

        Entries are sorted by volume and path, and all verdicts are among them: what is lost has one of the
        verdicts in `LOSSES`, and `forecast` says whether the next boot takes it away.  Sizes are in
        bytes.  The daemon alone knows writers, so `writer` and `watching_since` are None.  `complete` is
        False where something could not be read.

        Raise OSError where the filesystem fails.
        """
        return self._manager.status()

    def boots(self) -> tuple[Boot, ...]:
        """Return the boots that have a record or an old root, the newest first.

        Times are in seconds since 1970.  The journal is asked how each boot ended: where it does not know,
        `last_entry` and `shutdown` are None.

        Raise NotSetUp where there is neither a record nor an old root, and OSError where they cannot be read.
        """
        manager = self._manager
        return listing.read(manager.config, manager.machine, ours=self._ours).history.boots


def open(config: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None = None) -> System:
    """Read the configuration, open the filesystem of its volumes, and return what answers about them.

    `config` is a file that is read alone.  None stands for `/etc/impermanence/config.toml` and its drop-ins,
    which need not exist.  Nothing is changed on the machine, now or later.

    Raise ConfigError where a file cannot be used, NotPermitted where it is not root that asks, NotSetUp where
    a volume or its blank is not there, and OSError where the kernel refuses something else.  All but the last
    are an ImpermanenceError, with a `message` for a person, and a `hint` or None.
    """
    return System(Manager(None if config is None else os.fsencode(config)), ours=config is None)
