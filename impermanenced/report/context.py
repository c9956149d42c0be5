"""What the appraisal needs of a configuration and its machine, kept while it probably still holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from ..boots import history
from ..config.load import Config
from ..errors import ImpermanenceError, TooMany
from ..model import Entry, Volume
from ..system.systemd import NoSystemd, Span, Systemd
from ..volumes.machine import Machine
from . import appraisal
from .appraisal import Judged, VolumeFacts
from .appraisal.old_roots import OldRootTree
from .appraisal.volume_facts import Stamp
from .knowledge import Knowledge
from .knowledge import load as load_knowledge

# Seconds for which single entries are judged by what was asked before, unless a source of it has changed.
KEPT = 600.0


class Context:
    """The facts of all volumes.  Close it before the machine."""

    def __init__(
        self,
        config: Config,
        machine: Machine,
        systemd: Systemd,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._machine = machine
        self._running = all(volume.path == volume.mountpoint for volume in machine.volumes)
        self._systemd = systemd if self._running else NoSystemd()
        self._clock = clock
        self._knowledge: Knowledge | None = None
        self._kept: dict[str, tuple[float, Stamp, VolumeFacts]] = {}
        self._renew = False  # what is asked next is asked anew
        self.notes: list[str] = []  # sources that could not be used, in words, since `renew`

    def close(self) -> None:
        for _, _, facts in self._kept.values():
            facts.close()
        self._kept.clear()

    def span(self) -> Span | None:
        """Return when this boot began and when it had settled, or None if that is not known."""
        for _, _, facts in self._kept.values():
            return facts.span
        return self._systemd.span()

    def renew(self) -> None:
        """Have everything asked again for the entries that come next."""
        self._renew = True
        self.notes = []

    def appraise(self, volume: Volume, judged: Iterable[Judged]) -> list[Entry]:
        """Return the entries of one volume's differences, sorted by path."""
        try:
            found = list(judged)
        except TooMany:  # another process asks then, and what was asked here still holds
            self._renew = False
            raise
        if self._renew:
            self._renew = False
            self.close()
        now = self._clock()
        facts = self._fresh(volume, now)
        facts.ask_again()
        entries = appraisal.appraise(facts, found, now)
        self.notes = list(dict.fromkeys([*self.notes, *facts.faults()]))
        return entries

    def _fresh(self, volume: Volume, now: float) -> VolumeFacts:
        """Return the facts of a volume, from before where they still hold."""
        made, stamp, kept = self._kept.get(volume.name, (0.0, (), None))
        if kept is not None:
            if 0 <= now - made < KEPT and kept.stamp() == stamp:
                return kept
            kept.close()
        facts = self._facts(volume)
        # The stamp is older than what is read, so that a change in between is found at the next look.
        self._kept[volume.name] = now, facts.stamp(), facts
        return facts

    def _facts(self, volume: Volume) -> VolumeFacts:
        at = self._machine.at
        system = next((one.mountpoint for one in self._machine.volumes if one.path == b"/"), None)
        if system is None and self._running:
            system = b"/"
        return VolumeFacts(
            volume,
            at(volume.subvolume),
            at(volume.blank) if volume.blank is not None else None,
            system,
            self._systemd,
            self._load,
            lambda: self._old_roots(volume),
            history.this_boot_id() if self._running else "",
        )

    def _load(self, homes: Sequence[bytes]) -> Knowledge:
        if self._knowledge is None:
            self._knowledge = load_knowledge(homes=homes)
        return self._knowledge

    def _old_roots(self, volume: Volume) -> list[OldRootTree]:
        """Return the old roots of a volume that exist, the newest first."""
        try:
            found = history.read(self._machine, self._config.archive.directory, history.this_boot_id())
        except (ImpermanenceError, OSError):
            return []
        return [
            OldRootTree(boot.number, self._machine.at(root.path), boot.boot_id or "")
            for boot, root in history.old_roots_of(found, self._machine, volume)
        ]
