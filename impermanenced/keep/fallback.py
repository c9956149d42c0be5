"""What a boot without the hook mounts: the units of what persists, and the configuration, in the blank.

The hook hands the compiled set to systemd, so such a boot (another initrd, impermanence=off) would start
services on what the blank has, while their data lies in the persist volume.  So a new declaration makes a
release of the blank, with the units where the running system has them before it is set up; what the hook
hands over goes before these.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .. import copying
from ..config.load import DEFAULT, Config
from ..errors import ImpermanenceError
from ..kernel import openat2
from ..model import Volume
from ..paths import ancestors, within
from ..releases import change, promotion
from ..releases.listing import Known, Place, place_of
from ..releases.record import Maker
from ..text import first_of, to_text
from ..volumes.machine import Machine
from . import places, store, units
from .plan import Kind, Made, Plan
from .store import LOCAL, Host

CONFIGURATION = os.path.dirname(DEFAULT)
MOST = 3  # paths that the record of the release names

_UNITS = b"/etc/systemd/system"  # every system that systemd boots has it; a blank without a system has not


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the blank lacks."""

    volume: Volume
    files: Mapping[str, bytes]  # the units and lines, by their names in a compiled set
    places: tuple[Made, ...]  # where something is mounted, and the directories on the way
    words: str  # which declarations come or go


def volume_with_systemd(machine: Machine) -> Volume | None:
    """Return the volume of the root, if its blank is a system that systemd boots."""
    for volume in machine.volumes:
        if volume.path == b"/" and volume.blank is not None:
            place = place_of(machine, volume.blank)
            if place is not None:
                with promotion.opened(machine, place) as blank, contextlib.suppress(OSError):
                    if stat.S_ISDIR(openat2.facts(blank, _UNITS).st_mode):
                        return volume
    return None


def look(machine: Machine, volume: Volume, files: Mapping[str, bytes], plan: Plan) -> Wanted | None:
    """Return what the volume's blank lacks of these units and of the configuration, or None."""
    blank = machine.at(volume.blank or b"")
    here = _host(blank)
    same = not store.differs(here, files) and (_is_kept() or _is_same(blank + CONFIGURATION))
    return None if same else Wanted(volume, files, tuple(_places(plan)), _words(here, files))


def bring(config: Config, machine: Machine, wanted: Wanted) -> Known | None:
    """Make a release of the blank with what it lacks, and return it.

    Raises ImpermanenceError, Unsafe and OSError if it cannot be made: the blank is as it was.
    """

    def edit(place: Place) -> Iterable[bytes]:
        with promotion.opened(machine, place) as release, openat2.root(wanted.volume.mountpoint) as live:
            for path in (LOCAL.units, LOCAL.lines, CONFIGURATION):
                _refuse_links(release, path)
            _configuration(live, release)
            store.install(_host(machine.at(place.path)), wanted.files)
            for made in wanted.places:
                if places.exists(release, made.path) is None:
                    places.create(release, made, made.content)
        return ()

    return change.change(config, machine, wanted.volume, Maker.KEEP, wanted.words, edit).release


def _host(root: bytes) -> Host:
    return Host(root + LOCAL.units, root + LOCAL.lines)


def _places(plan: Plan) -> Iterator[Made]:
    """Yield what is created in the root, and is neither a link nor a copy of something kept."""
    persist = {one.placement.declaration.persist for one in plan.kept}
    for made in plan.made:
        inside = any(within(made.path, one) for one in persist)
        if made.kind in (Kind.DIRECTORY, Kind.FILE) and not inside:
            yield made


def _words(here: Host, files: Mapping[str, bytes]) -> str:
    """Return which paths are mounted from now on, and which no longer."""
    before, after = units.mounts_of(store.installed(here)), units.mounts_of(files)
    new, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    parts = [f"{first_of(new, MOST)} persists"] if new else []
    parts += [f"{first_of(gone, MOST)} no longer persists"] if gone else []
    return "; ".join(parts) or "the configuration"


def _is_kept() -> bool:
    """Return whether the configuration is kept, so that it needs no place in the blank."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(CONFIGURATION).st_dev != os.stat(b"/").st_dev
    return True


def _is_same(copy: bytes) -> bool:
    return dict(_contents(CONFIGURATION)) == dict(_contents(copy))


def _contents(directory: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the files of a configuration, which nobody but root writes, with their content."""
    for above, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(above, name)
            with contextlib.suppress(OSError), open(path, "rb") as stream:
                if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    yield path[len(directory) :], stream.read()


def _configuration(live: int, release: int) -> None:
    """Make the configuration in a release what it is here, from wherever it is mounted."""
    try:
        names = openat2.names(live, CONFIGURATION)
    except FileNotFoundError:
        return
    os.makedirs(b"/proc/self/fd/%d%s" % (release, CONFIGURATION), mode=0o755, exist_ok=True)
    with (
        openat2.directory(live, CONFIGURATION) as source,
        openat2.directory(release, CONFIGURATION) as target,
    ):
        for name in set(openat2.names(release, CONFIGURATION)).difference(names):
            copying.remove(target, name)
        for name in names:
            copying.copy(source, name, target, name)


def _refuse_links(root: int, path: bytes) -> None:
    """Raise ImpermanenceError if a link is on the way to a path: it might lead out of the release."""
    for place in (*reversed(ancestors(path)), path):
        try:
            facts = openat2.facts(root, place)
        except FileNotFoundError:
            return
        except OSError:
            facts = None
        if facts is None or not stat.S_ISDIR(facts.st_mode):
            raise ImpermanenceError(f"{to_text(place)} in the blank is no directory", "make it one")
