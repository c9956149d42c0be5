"""What each step of a set-up does.  Each can be repeated: it looks at what is done, and does the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace

import btrfsutil

from ..boots import identity, setup
from ..config.load import load
from ..errors import ImpermanenceError
from ..kernel import openat2
from ..kernel.holders import Holder
from ..releases import lock, promotion
from ..releases.record import Maker
from ..system import atomic, command
from ..system.services import Services
from ..text import to_text
from ..volumes.machine import Machine
from . import blank, drop_in, fstab, images, job, keeping, presets
from .job import Job, Way
from .plan import ACCOUNTS, Accounts, Kind, Plan, Step, place_in
from .told import Told
from .whitelist import PERSIST
from .work import Act, Work

OTHERS = ("impermanenced.service", "impermanence-boot-good.service", "impermanence-alert.service")


# Debian's; Arch's; Fedora's and openSUSE's.
_MENUS = (
    ("update-grub",),
    ("grub-mkconfig", "-o", "/boot/grub/grub.cfg"),
    ("grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"),
)


class Setup:
    """A set-up on its way; `machine` can be written to."""

    def __init__(self, machine: Machine, plan: Plan, told: Told, stopped: tuple[str, ...] = ()) -> None:
        self._machine = machine
        self._plan = plan
        found = Job(
            Way.SET_UP,
            root=plan.names.root,
            persist=plan.names.persist,
            blank=plan.names.blank,
            trial=plan.trial,
            directories=tuple(one.path for one in plan.kept if one.directory),
            files=tuple(one.path for one in plan.kept if not one.directory),
            presets=presets.names_of(plan.kept),
            without=plan.without,
            accounts=plan.accounts,
            stopped=stopped,
        )
        self._work = Work(machine, found, told)
        self._names = plan.names

    def run(self) -> tuple[Holder, ...]:
        """Do all steps, and return who still works in what was mounted over."""
        acts: Mapping[Kind, Act] = {
            Kind.STATE: self._state,
            Kind.PERSIST: self._persist,
            Kind.CONFIGURATION: self._configuration,
            Kind.STOP: self._stop,
            Kind.KEEP: self._keep,
            Kind.START: lambda _: self._work.start(),
            Kind.INITRD: lambda _: images.bring(self._plan.facts.files),
            Kind.MENU: self._menu,
            Kind.BLANK: self._blank,
            Kind.RECORD: self._record,
        }
        self._work.run(self._plan.steps, acts)
        job.write(self._machine, replace(self._work.job, at=None))
        return self._work.left

    def _state(self, _: Step) -> None:
        for step in setup.directories(load(None), self._machine):
            step.act()

    def _persist(self, _: Step) -> None:
        machine, persist = self._machine, self._names.persist
        place = machine.at(persist)
        if not machine.is_subvolume(persist):
            btrfsutil.create_subvolume(place)
            os.chmod(place, 0o755)
        os.makedirs(PERSIST, exist_ok=True)
        before = fstab.read()
        content = fstab.without_number(before, self._names.root)
        if PERSIST not in fstab.mount_points(before):
            fsid = identity.filesystem_uuid(machine)
            content = fstab.with_lines(content, [fstab.volume_line(fsid, persist, PERSIST, content)])
        fstab.write(before, content)
        if keeping.mounted_at(PERSIST) is None:
            options = "subvol=/" + os.fsdecode(persist)
            command.run(["mount", "-t", "btrfs", "-o", options, machine.device, PERSIST])
        found = keeping.mounted_at(PERSIST)
        if found is None or found.root != b"/" + persist:
            raise ImpermanenceError(
                f"something else than {to_text(persist)} is mounted at {to_text(PERSIST)}", "unmount it"
            )

    def _configuration(self, _: Step) -> None:
        plan = self._plan
        content = drop_in.content(plan.kept, plan.without, PERSIST, trial=plan.trial)
        os.makedirs(os.path.dirname(drop_in.DROP_IN), exist_ok=True)
        if not _is_content(drop_in.DROP_IN, content):
            atomic.replace(drop_in.DROP_IN, content, mode=0o644)
        load(None)  # it is refused before anything rests on it

    def _stop(self, _: Step) -> None:
        paths = [one.path for one in self._plan.kept if not keeping.is_kept(one.path, self._names.persist)]
        self._work.stop(paths)

    def _keep(self, step: Step) -> None:
        assert step.kept is not None
        path, persist = step.kept.path, self._names.persist
        source = place_in(PERSIST, path)
        line = fstab.bind_line(source, path, PERSIST)
        if not keeping.is_kept(path, persist):
            with openat2.root(b"/") as root, openat2.root(PERSIST) as kept:
                places = keeping.copy(root, kept, path, self._work.told.copied)
                with openat2.root(self._machine.at(self._names.root)) as under:
                    keeping.make_places(under, kept, path, places)
            self._machine.sync()
        before = fstab.read()
        fstab.write(before, fstab.with_lines(before, [line]))
        if not keeping.is_kept(path, persist):
            keeping.mount_over(source, path)

    def _menu(self, _: Step) -> None:
        if (argv := menu_command()) is not None:
            command.run(argv, timeout=images.TIMEOUT)

    def _blank(self, _: Step) -> None:
        units = (*OTHERS, *((ACCOUNTS,) if self._plan.accounts is Accounts.FOLLOW else ()))
        Services().enable(units)
        self._machine.sync()
        blank.make(self._machine, self._names.root, self._names.blank)

    def _record(self, _: Step) -> None:
        config = load(None)
        with Machine(config.volumes) as machine, lock.held(machine):  # it knows the blank
            volume = next(one for one in machine.volumes if one.path == b"/")
            promotion.count_current(machine, volume, maker=Maker.SETUP, words="impermanence setup")
            setup.run(config, machine, dry_run=False)


def menu_command() -> tuple[str, ...] | None:
    """Return the command that writes the boot menu of GRUB anew, or None if there is none."""
    for argv in _MENUS:
        if shutil.which(argv[0]) and os.path.isdir(os.path.dirname(argv[-1]) or "/"):
            return argv
    return None


def _is_content(path: bytes, content: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return stream.read() == content
    except FileNotFoundError:
        return False
