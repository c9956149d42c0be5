"""What the appraisal needs of a configuration and its machine, kept while it probably still holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from ..boots import history
from ..config.load import Config
from ..errors import ImpermanenceError
from ..model import Entry, Volume
from ..system.systemd import NoSystemd, Span, Systemd
from ..volumes.machine import Machine
from . import appraisal
from .appraisal import Judged, VolumeFacts
from .appraisal.old_roots import OldRootTree
from .knowledge import Knowledge
from .knowledge import load as load_knowledge

KEPT = 30.0  # seconds for which single entries are judged by what was asked before


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
        self._kept: dict[str, tuple[float, VolumeFacts]] = {}
        self.notes: list[str] = []  # sources that could not be used, in words, since `renew`

    def close(self) -> None:
        for _, facts in self._kept.values():
            facts.close()
        self._kept.clear()

    def span(self) -> Span | None:
        """Return when this boot began and when it had settled, or None if that is not known."""
        for _, facts in self._kept.values():
            return facts.span
        return self._systemd.span()

    def renew(self) -> None:
        """Forget what was asked, so that it is asked again."""
        self.close()
        self.notes = []

    def appraise(self, volume: Volume, judged: Iterable[Judged]) -> list[Entry]:
        """Return the entries of one volume's differences, sorted by path."""
        now = self._clock()
        made, facts = self._kept.get(volume.name, (0.0, None))
        if facts is None or not 0 <= now - made < KEPT:
            if facts is not None:
                facts.close()
            facts = self._facts(volume)
            self._kept[volume.name] = now, facts
        facts.ask_again()
        entries = appraisal.appraise(facts, judged, now)
        self.notes = list(dict.fromkeys([*self.notes, *facts.faults()]))
        return entries

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
        first = volume.name == self._machine.volumes[0].name
        return [
            OldRootTree(boot.number, self._machine.at(root.path), boot.boot_id or "")
            for boot in found.boots
            for root in boot.old_roots
            if root.there and (root.volume == volume.name or (root.volume is None and first))
        ]
