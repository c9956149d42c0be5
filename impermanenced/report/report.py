"""The manager: it makes reports, and knows no bus and no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..config.load import Config
from ..config.values import PATH_MAX
from ..drift import Drift, Whole, nested_volume
from ..drift.whole import LISTED
from ..errors import TooMany
from ..kernel import mounts
from ..kernel.mounts import Mount
from ..model import Difference, Entry, Report, Volume
from ..system.systemd import Systemctl, Systemd
from ..text import to_text
from ..volumes import placement
from ..volumes.configured import open_configured
from ..volumes.machine import mounted_inside
from ..watch.attribution import Attribution, Writers
from .appraisal import Judged
from .context import Context
from .rules import Rules

NAMED = 3  # nested subvolumes that a note names


class Manager:
    """One configuration and the machine that it describes.  Close it, or use it in a `with`.

    Its methods raise ConfigError, NotSetUp, NotPermitted, or OSError where the filesystem itself fails.
    """

    def __init__(
        self,
        source: bytes | Config | None = None,
        read_mounts: Callable[[], list[Mount]] = mounts.read,
        systemd: Systemd | None = None,
    ) -> None:
        """Read the configuration and open the machine.

        `source` is the file to read, or a configuration.  A caller with mounts of its own passes
        `read_mounts`, which returns those of the system; a caller with a bus passes `systemd`.
        """
        self._source = source
        self._read_mounts = read_mounts
        self._systemd = systemd or Systemctl()
        self.config, self.machine = open_configured(self._source)
        self._context = Context(self.config, self.machine, self._systemd)

    @property
    def volumes(self) -> tuple[Volume, ...]:
        return self.machine.volumes

    @property
    def device(self) -> bytes:
        return self.machine.device

    def close(self) -> None:
        self._context.close()
        self.machine.close()

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reload(self) -> None:
        """Read the configuration again; if it cannot be used, everything stays as it was."""
        fresh = open_configured(self._source)
        self.close()
        self.config, self.machine = fresh
        self._context = Context(self.config, self.machine, self._systemd)

    def root_ids(self) -> frozenset[int]:
        """Return the ids of the subvolumes whose files the next boot takes away: the volumes and those nested
        in them.
        """
        found: set[int] = set()
        for volume in self.volumes:
            found |= {volume.root_id} | self.machine.nested(volume.root_id)
        return frozenset(found)

    def status(self, writers: Writers | None = None, most: int | None = None) -> Report:
        """Return the report of all volumes.

        Raises TooMany if one volume has more than about `most` differences or changed inodes.
        """
        self.machine.sync()
        self._context.renew()
        entries: list[Entry] = []
        complete = True
        cut: list[bytes] = []
        for volume in self.volumes:
            drift = Whole(self.machine.top, volume, self.machine.baseline(volume), most)
            judged = self._judge(volume, _at_most(most, drift.differences()), writers)
            entries.extend(self._context.appraise(volume, judged))
            complete = complete and drift.complete
            cut += drift.cut
        span = self._context.span()
        return Report(
            complete=complete,
            watching_since=writers.since if writers else None,
            overflows=writers.overflows if writers else 0,
            volumes=self.volumes,
            entries=tuple(entries),
            gaps=writers.gaps if writers else (),
            settled=span.settled if span else None,
            notes=(*self._context.notes, *_cut(cut)),
            faults=tuple(one.words for one in placement.misplaced(self.config.persist, self.volumes)),
        )

    def entries_of(self, root_id: int, inodes: Iterable[int], writers: Writers | None = None) -> list[Entry]:
        """Return what became of some inodes of a volume, or of a subvolume nested in one, sorted by path; an
        inode that is as in the blank gives nothing.
        """
        self.machine.sync()
        if (found := self.tree_of(root_id)) is None:
            return []
        volume, tree = found
        # Single inodes need no baseline.
        drift = Drift(self.machine.top, tree, None, nested=tree is not volume)
        differences = (difference for inode in inodes for difference in drift.of_inode(inode))
        return self._context.appraise(volume, self._judge(volume, differences, writers))

    def tree_of(self, root_id: int) -> tuple[Volume, Volume] | None:
        """Return the volume with this subvolume, and the same once more; of a nested subvolume the volume
        that holds it, and itself as a volume without a blank.  None: no volume has it.
        """
        try:
            found = self.machine.holder(root_id)
        except OSError:  # it has gone, or a directory above it
            return None
        if found is None:
            return None
        volume, path = found
        if not path:
            return volume, volume
        return volume, nested_volume(volume, volume.path.rstrip(b"/") + path, root_id)

    def _mounts_around(self, volume: Volume) -> list[Mount]:
        table = self._read_mounts()
        return table if any(mount.path == volume.mountpoint for mount in table) else mounts.read()

    def _judge(
        self, volume: Volume, differences: Iterable[Difference], writers: Writers | None
    ) -> Iterator[Judged]:
        mounted = mounted_inside(volume, self._mounts_around(volume))
        rules = Rules(self.config.declarations, mounted, self.config.ignore, self.config.persist)
        attribution = Attribution(self.machine.top, volume, writers) if writers is not None else None
        for difference in differences:
            ruling = rules.judge(difference)
            writer = attribution.of(difference) if attribution is not None else None
            yield Judged(difference, ruling.verdict, ruling.words, writer, ruling.hidden)


def _cut(paths: list[bytes]) -> list[str]:
    """Return a note on the nested subvolumes that were not listed as a whole."""
    if not paths:
        return []
    named = ", ".join(to_text(path[:PATH_MAX]) for path in paths[:NAMED])
    more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    bound = f"of nested subvolumes {LISTED:,} paths of each user are looked at"
    return [f"more is in {named}{more} than is listed: {bound}"]


def _at_most(most: int | None, differences: Iterable[Difference]) -> Iterator[Difference]:
    for number, difference in enumerate(differences):
        if most is not None and number >= most:
            raise TooMany(f"more than {most} differences")
        yield difference
