"""The declarations compiled for the next boots, and the running system made to match: `impermanence apply`.

Every fault of the configuration is found before anything changes.  After that each path stands for itself:
what cannot be done there now is said, and the next boot does it.  No data is deleted or hidden.
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from ..boots import good
from ..config.load import Config
from ..errors import CommandError, ImpermanenceError, NotSetUp, RecordError
from ..kernel import mounts
from ..state import COMPILED, ROLLBACK
from ..system import command
from ..system.services import is_booted
from ..text import failure_to_text, to_text
from ..volumes.machine import Machine, system_root
from . import facts, fallback, places, plan, seeds, store, units
from .approach import Unsafe
from .fallback import Wanted
from .live import Live
from .plan import Kind, Made, Plan


class StepKind(enum.StrEnum):
    """The kinds of what `apply` does."""

    MAKE = "make"
    COPY = "copy"
    COMPILE = "compile"
    INSTALL = "install"
    RELEASE = "release"
    MOUNT = "mount"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done, or that would be."""

    kind: StepKind
    path: bytes
    words: str  # for a person, in the infinitive


@dataclass(frozen=True, slots=True)
class Left:
    """A path at which something was not done."""

    path: bytes
    words: str
    hint: str = ""
    failed: bool = False  # whether that is an error, and not left for the next boot


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` came to."""

    steps: tuple[Step, ...]
    left: tuple[Left, ...]
    files: tuple[str, ...]  # of the compiled set
    handed: bool  # whether the hook hands it over at the next boot; otherwise its units lie in /usr/local
    lacks: Wanted | None = None  # what the blank is to get, for a boot without the hook: see `release`


def run(config: Config, machine: Machine, *, dry_run: bool) -> Applied:
    """Apply the declarations, or with `dry_run` only say how.

    Raises ConfigError and NotSetUp before anything has changed, and OSError if the compiled set cannot be
    written.
    """
    shown = system_root(machine.volumes)
    if shown is None:
        raise NotSetUp("the root of this system is not mounted", "mount it, and name its mount point")
    root = os.open(shown, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _Work(config, machine, root, shown, dry_run).apply()
    finally:
        os.close(root)


def release(config: Config, machine: Machine, applied: Applied) -> Applied:
    """Bring what the blank lacks of the declarations into it, and return all that was done."""
    lacks = applied.lacks
    if lacks is None:
        return applied
    path = lacks.volume.blank or b""
    try:
        known = fallback.bring(config, machine, lacks)
    except (ImpermanenceError, OSError, Unsafe) as error:
        words = f"the blank does not mount it in a boot without the hook: {failure_to_text(error)}"
        return replace(applied, left=(*applied.left, Left(path, words, "impermanence apply")), lacks=None)
    number = None if known is None else known.number
    step = Step(StepKind.RELEASE, path, f"make release {number} of the blank: {lacks.words}")
    return replace(applied, steps=(*applied.steps, step), lacks=None)


@dataclass(slots=True)
class _Work:
    config: Config
    machine: Machine
    root: int
    shown: bytes  # where the system's "/" is mounted
    dry_run: bool
    steps: list[Step] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def apply(self) -> Applied:
        known = facts.gather(self.config, self.machine, self.root, self.shown, mounts.read())
        found = seeds.find(self.config.placements, self.root, known.waiting)
        known = replace(known, there=known.there | found.keys(), waiting=known.waiting - found.keys())
        whole = plan.make(self.config.placements, known, self.config.given)
        files = units.compiled(whole)
        has_state = self.machine.has_state()
        handed = has_state and self._has_record()
        before = store.read(self.machine) if has_state else None
        first = {source: path for path, source in found.items()}
        for made in whole.made:
            if (path := first.get(made.path)) is not None:
                words = f"copy {to_text(path)} to {to_text(made.path)}"
                self._do(StepKind.COPY, made.path, words, partial(seeds.sow, self.root, path, made.path))
            else:
                self._make(made)
        if has_state:
            self._compile(files, before)
        lacks = None
        if self.shown == b"/":
            volume = fallback.volume_with_systemd(self.machine) if handed else None
            here: Mapping[str, bytes] = {}
            if (whole.kept or whole.given) and (not handed or volume is not None):
                here = units.compiled(whole, lines=os.fsdecode(store.LOCAL.lines))
            self._install(here, files, handed=handed)
            self._match(whole, before or {})
            if volume is not None:
                lacks = fallback.look(self.machine, volume, here, whole)
            if volume is not None and lacks is not None and self.dry_run:
                words = f"make a release of the blank: {lacks.words}"
                self.steps.append(Step(StepKind.RELEASE, volume.blank or b"", words))
        return Applied(tuple(self.steps), tuple(self.left), tuple(files), handed, lacks)

    def _has_record(self) -> bool:
        """Return whether the next boot's hook has a record: on the disk, or as this boot's in its initrd."""
        if os.path.lexists(self.machine.at(ROLLBACK)):
            return True
        boot = None
        with contextlib.suppress(RecordError):
            boot = good.result() if self.shown == b"/" else None
        return boot is not None and boot.action != "off"

    def _do(self, kind: StepKind, path: bytes, words: str, act: Callable[[], object]) -> None:
        """Do one step, and note that, or why it could not be done."""
        if not self.dry_run:
            try:
                act()
            except (OSError, Unsafe) as error:
                why = error.strerror if isinstance(error, OSError) else error
                self.left.append(Left(path, f"could not {words}: {why}", failed=True))
                return
        self.steps.append(Step(kind, path, words))

    def _make(self, made: Made) -> None:
        in_store = any(made.path.startswith(persist + b"/") for persist in self.config.persist)
        if self.shown != b"/" and not in_store:
            return  # the boot of that system makes it
        try:
            there = places.exists(self.root, made.path) is not None
            nothing = made.kind in (Kind.COPY, Kind.GIVEN) and places.exists(self.root, made.target) is None
        except OSError as error:
            self.left.append(Left(made.path, f"{to_text(made.path)}: {error.strerror}", failed=True))
            return
        if not there and not nothing:
            self._do(StepKind.MAKE, made.path, _words(made), partial(seeds.create, self.root, made))

    def _compile(self, files: Mapping[str, bytes], before: Mapping[str, bytes] | None) -> None:
        if before == files:
            return
        if not self.dry_run:
            store.write(self.machine, files)
        words = f"compile {len(files)} files into {to_text(COMPILED)}, which the initrd hands over"
        self.steps.append(Step(StepKind.COMPILE, COMPILED, words))

    def _install(self, here: Mapping[str, bytes], files: Mapping[str, bytes], *, handed: bool) -> None:
        """Give the units to the running system, and `here` to its boots without the hook."""
        booted = is_booted()
        before = len(self.steps)
        for host, wanted in ((store.LOCAL, here), (store.RUN, files if handed else {})):
            if (host is store.LOCAL or booted) and store.differs(host, wanted):
                words = f"{'install' if wanted else 'remove'} the units in {to_text(host.units)}"
                self._do(StepKind.INSTALL, host.units, words, partial(store.install, host, wanted))
        if len(self.steps) > before and booted and not self.dry_run:
            try:
                command.run(["systemctl", "daemon-reload"], apart=True)
                if f"units/{units.SYNC_PATH}" in files:
                    command.run(["systemctl", "restart", units.SYNC_PATH, units.SYNC_LAST], apart=True)
            except CommandError as error:
                self.left.append(Left(store.RUN.units, error.message, error.hint or "", failed=True))

    def _match(self, whole: Plan, before: Mapping[str, bytes]) -> None:
        """Mount what can be mounted now, and say of everything else why it is not."""
        with Live(self.root) as live:
            for mount in whole.mounts:
                outcome = live.mount(mount, dry_run=self.dry_run)
                if outcome is not None and outcome.done:
                    self.steps.append(Step(StepKind.MOUNT, mount.path, outcome.words))
                elif outcome is not None:
                    self.left.append(Left(mount.path, outcome.words, outcome.hint, outcome.failed))
            for one in whole.kept:
                if not one.mounts and (words := live.misfit(one)) is not None:
                    path = one.placement.declaration.path
                    self.left.append(Left(path, words, f"impermanence persist {to_text(path)}"))
            declared = {mount.path for mount in whole.mounts}
            for path, source in units.mounts_of(before).items():
                if path not in declared and live.is_mounted(path):
                    words = f"{to_text(path)} is no longer declared: it stays mounted until the next boot"
                    self.left.append(Left(path, words, f"its data stays in {to_text(source)}"))


def _words(made: Made) -> str:
    path, owner = to_text(made.path), made.owner
    if made.kind is Kind.LINK:
        return f"link {path} to {to_text(made.target)}"
    if made.kind in (Kind.COPY, Kind.GIVEN):
        return f"copy {to_text(made.target)} to {path}"
    return f"make the {made.kind} {path} ({owner.mode:04o}, {owner.uid}:{owner.gid})"
