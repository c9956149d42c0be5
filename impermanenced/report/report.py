"""The manager: it makes reports, and knows no bus and no terminal."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from ..boots.unreviewed import unreviewed
from ..config.load import Config
from ..drift import Drift, Whole, nested_volume
from ..drift.whole import LISTED
from ..errors import TooMany
from ..kernel import mounts
from ..kernel.mounts import Mount
from ..model import Advice, Difference, Entry, Forecast, Mounted, Report, Volume
from ..paths import DEEPEST, PATH_MAX, within
from ..system.systemd import Systemctl, Systemd
from ..text import first_of
from ..volumes import links, placement
from ..volumes.configured import open_configured
from ..volumes.machine import Machine, system_root
from ..volumes.mounted import changed, faults, mounted_inside
from ..volumes.placement import Misplaced
from ..volumes.started import started_from
from ..watch.attribution import Attribution, Writers
from . import booted
from .appraisal import Judged
from .context import Context
from .covered import Covered
from .forecast import REPEATED, Remembered
from .fulfilment import Fulfilment
from .rules import Rules, Ruling
from .standing import difference_of
from .synced import Copies

NAMED = 3  # nested subvolumes that a note names
MOST_NAMED = 5  # mounts that are named

LENGTH = 256  # bytes of the average path in a report that is to be small


class _Cut:
    """What a report did not look at."""

    def __init__(self) -> None:
        self.boxes: list[bytes] = []  # the paths of nested subvolumes
        self.deeper = 0  # directories in too deep ones

    def words(self) -> Iterator[str]:
        """Yield a note on each kind."""
        if self.boxes:
            named = first_of([path[:PATH_MAX] for path in self.boxes], NAMED)
            bound = f"of nested subvolumes {LISTED:,} paths of each user are looked at"
            yield f"more is in {named} than is listed: {bound}"
        if self.deeper:
            what = "directory" if self.deeper == 1 else "directories"
            yield f"not listed: what is in {self.deeper:,} {what} with a path of more than {DEEPEST:,} bytes"


class Manager:
    """One configuration and the machine that it describes.  Close it, or use it in a `with`.

    Its methods raise ConfigError, NotSetUp, NotPermitted, or OSError where the filesystem itself fails.
    """

    def __init__(
        self,
        source: bytes | Config | None = None,
        read_mounts: Callable[[], list[Mount]] = mounts.read,
        systemd: Systemd | None = None,
        *,
        writable: bool = True,
        opened: tuple[Config, Machine] | None = None,
    ) -> None:
        """Read the configuration and open the machine, unless it is `opened` already.

        `source` is the file to read, or a configuration.  A caller with mounts of its own passes
        `read_mounts`, which returns those of the system; a caller with a bus passes `systemd`.
        The machine is opened as `writable` says.
        """
        self._source = source
        self._writable = writable
        self._read_mounts = read_mounts
        self._systemd = systemd or Systemctl()
        self.config, self.machine = opened or open_configured(source, writable=writable)
        self._context = Context(self.config, self.machine, self._systemd)
        self._forecast = Remembered(time.monotonic, REPEATED)

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
        fresh = open_configured(self._source, writable=self._writable)
        self.close()
        self.config, self.machine = fresh
        self._context = Context(self.config, self.machine, self._systemd)
        self._forecast.forget()

    def root_ids(self) -> frozenset[int]:
        """Return the ids of the subvolumes whose files the next boot takes away: the volumes and those nested
        in them.
        """
        found: set[int] = set()
        for volume in self.volumes:
            found |= {volume.root_id} | self.machine.nested(volume.root_id)
        return frozenset(found)

    def forecast(self) -> Forecast:
        """Return what the next boot does."""
        return self._forecast.of(self.config, self.machine)

    def status(self, writers: Writers | None = None, most: int | None = None) -> Report:
        """Return the report of all volumes.

        Raises TooMany if one volume has more than about `most` differences or changed inodes, or longer paths
        than these may have.
        """
        self.machine.sync()
        self._context.renew()
        forecast = self.forecast()
        misplaced = placement.misplaced(self.config.persist, self.volumes)
        seen = self._mounted()
        entries, complete, cut = self._entries(seen, misplaced, forecast, writers, most)
        came_and_went = changed(seen, self._mounted())
        if came_and_went:
            # What is no longer there keeps nothing, and what has just come may go again.
            stable = {
                name: [one for one in found if one.path not in came_and_went] for name, found in seen.items()
            }
            entries, complete, cut = self._entries(stable, misplaced, forecast, writers, most)
        span = self._context.span()
        return Report(
            complete=complete,
            watching_since=writers.since if writers else None,
            overflows=writers.overflows if writers else 0,
            curtailed=writers.curtailed if writers else 0,
            volumes=self.volumes,
            entries=tuple(entries),
            gaps=writers.gaps if writers else (),
            settled=span.settled if span else None,
            notes=(
                *self._context.notes,
                *_fleeting(came_and_went),
                *cut.words(),
                *_unreviewed(self.config, self.machine),
            ),
            faults=(*(one.words for one in misplaced), *faults(self.config.declarations, seen)),
            forecast=forecast,
        )

    def _entries(
        self,
        mounted: Mapping[str, list[Mounted]],
        misplaced: Sequence[Misplaced],
        forecast: Forecast,
        writers: Writers | None,
        most: int | None,
    ) -> tuple[list[Entry], bool, _Cut]:
        """Return the entries, whether they are complete, and what was not looked at."""
        entries: list[Entry] = []
        complete, cut = True, _Cut()
        for volume in self.volumes:
            began = started_from(self.machine, volume)
            drift = Whole(self.machine.top, began, self.machine.baseline(began), most)
            differences = _at_most(most, drift.differences())
            judged = self._judge(began, differences, mounted[volume.name], misplaced, writers)
            found = self._context.appraise(began, judged)
            entries.extend(booted.spare(found, self.config, self.machine, volume, forecast))
            complete = complete and drift.complete
            cut.boxes += drift.cut
            cut.deeper += drift.deeper
        return entries, complete, cut

    def entries_of(
        self, root_id: int, inodes: Iterable[int], writers: Writers | None = None, most: int | None = None
    ) -> list[Entry]:
        """Return what became of some inodes of a volume, or of a subvolume nested in one, sorted by path; an
        inode that is as in the blank gives nothing.  Raises TooMany as `status` does.

        It sees what was written before the last `machine.sync`.
        """
        if (found := self.tree_of(root_id)) is None:
            return []
        volume, tree = found
        # Single inodes need no baseline.
        drift = Drift(self.machine.top, tree, None, nested=tree is not volume)
        differences = (difference for inode in inodes for difference in drift.of_inode(inode))
        misplaced = placement.misplaced(self.config.persist, self.volumes)
        mounted = self._mounted()[volume.name]
        judged = self._judge(volume, _at_most(most, differences), mounted, misplaced, writers)
        return self._context.appraise(volume, judged)

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

    def _mounted(self) -> dict[str, list[Mounted]]:
        """Return what is mounted in each volume's tree now, by the name of the volume."""
        table = self.mounts()
        return {volume.name: mounted_inside(volume, self.volumes, table) for volume in self.volumes}

    def mounts(self) -> list[Mount]:
        """Return the mounts of the system that the volumes are mounted in."""
        table = self._read_mounts()
        there = {mount.path for mount in table}
        return table if all(volume.mountpoint in there for volume in self.volumes) else mounts.read()

    def _judge(
        self,
        volume: Volume,
        differences: Iterable[Difference],
        mounted: Sequence[Mounted],
        misplaced: Sequence[Misplaced],
        writers: Writers | None,
    ) -> Iterator[Judged]:
        attribution = Attribution(self.machine.top, volume, writers) if writers is not None else None
        with Covered(self.machine, volume) as covered, self._copies() as copies:
            rules = self._rules(volume, mounted, misplaced, covered)
            fulfilment = Fulfilment(self.config.placements, covered.root, volume)
            for difference in differences:
                ruling, hidden = covered.judge(difference, rules.judge(difference))
                ruling = copies.judge(difference, ruling)
                writer = attribution.of(difference) if attribution is not None else None
                advice = fulfilment.advice(ruling.declaration)
                place = ruling.mount is not None
                yield Judged(difference, ruling.verdict, ruling.words, writer, hidden, advice, place)

    def _copies(self) -> Copies:
        return Copies(self.config.placements, self.config.given, system_root(self.volumes))

    def _rules(
        self, volume: Volume, mounted: Sequence[Mounted], misplaced: Sequence[Misplaced], covered: Covered
    ) -> Rules:
        config = self.config
        wiped = {one.persist for one in misplaced}
        follow = functools.partial(links.end, covered.root, volume.path)
        persist = [path for path in config.persist if path not in wiped]
        return Rules(config.declarations, mounted, config.ignore, persist, follow, volume.path)

    def rulings(self, paths: Iterable[bytes]) -> Iterator[tuple[Difference, Ruling, tuple[Advice, ...]]]:
        """Yield what is at each path in the volumes now, differing from the blank or not, what the rules say
        of it, and what makes a declaration so.
        """
        misplaced = placement.misplaced(self.config.persist, self.volumes)
        mounted = self._mounted()
        # The volume that a path belongs to is the one with the longest path.
        waiting = sorted(set(paths))
        for volume in sorted(self.volumes, key=lambda one: len(one.path), reverse=True):
            mine = [path for path in waiting if within(path, volume.path)]
            waiting = [path for path in waiting if path not in mine]
            with Covered(self.machine, volume) as covered, self._copies() as copies:
                rules = self._rules(volume, mounted[volume.name], misplaced, covered)
                fulfilment = Fulfilment(self.config.placements, covered.root, volume)
                for path in mine:
                    standing = difference_of(covered.root, volume, path)
                    ruling = copies.judge(standing, rules.judge(standing))
                    yield standing, ruling, fulfilment.advice(ruling.declaration)


def _unreviewed(config: Config, machine: Machine) -> Iterator[str]:
    """Yield a note on the boots whose losses nobody has looked at."""
    found = unreviewed(machine, config.archive.directory, config.archive.keep_unreviewed)
    if found:
        few = ", ".join(map(str, found[:MOST_NAMED])) + (" and others" if len(found) > MOST_NAMED else "")
        many = "boots" if len(found) > 1 else "boot"
        yield f"not reviewed: what {many} {few} lost (impermanence boots)"


def _fleeting(came_and_went: Collection[bytes]) -> Iterator[str]:
    if came_and_went:
        named = first_of(sorted(came_and_went), MOST_NAMED)
        yield f"what is mounted changed while this was made, and does not count: {named}"


def _at_most(most: int | None, differences: Iterable[Difference]) -> Iterator[Difference]:
    if most is None:
        yield from differences
        return
    length = 0
    for number, difference in enumerate(differences):
        length += len(difference.path)
        if number >= most or length > most * LENGTH:
            raise TooMany(f"more than {most} differences, or {most * LENGTH} bytes of paths")
        yield difference
