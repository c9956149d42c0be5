"""The set-up of the machine: the state directory, and the file that the hook in the initrd reads.

This is the step that switches wiping on.  It changes nothing in the volumes and can be repeated.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import btrfsutil

from ..config.load import Config, VolumeSettings
from ..errors import NotSetUp, RecordError
from ..lazy import regex
from ..model import Volume
from ..state import BOOTS, DIRECTORIES, NEXT, ROLLBACK, STATE, VOLUME_NAME, passing_path, uuid_text
from ..system import atomic
from ..text import to_text
from ..volumes.machine import Machine
from . import identity, places, records, remedy
from .records import RollbackEnv, RollbackVolume, path_fault

_VOLUME_NAME = regex(VOLUME_NAME)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the set-up."""

    words: str  # for a person, in the infinitive
    act: Callable[[], None]


def rollback_env(config: Config, machine: Machine) -> RollbackEnv:
    """Return the configuration as the hook needs it.  Raises NotSetUp with the reason if the hook would
    refuse it.
    """
    pairs = zip(config.volumes, machine.volumes, strict=True)
    rollback = RollbackEnv(
        volumes=tuple(_volume(settings, volume, config, machine) for settings, volume in pairs),
        fsid=identity.filesystem_uuid(machine),
        archive=config.archive.directory,
        wipe=config.rollback.wipe,
        on_failure=config.rollback.on_failure,
        on_missing_blank=config.rollback.on_missing_blank,
    )
    if fault := records.layout_fault(rollback):
        raise NotSetUp(f"the initrd would refuse this layout: {fault}", "see impermanence-config(5)")
    return rollback


def _volume(settings: VolumeSettings, volume: Volume, config: Config, machine: Machine) -> RollbackVolume:
    require = config.rollback.require if volume.path == b"/" else ()
    _check_names(volume)
    if volume.blank is None or volume.blank_id is None:
        if settings.blank is None:
            blank = volume.subvolume + b"-blank"
            raise NotSetUp(
                f"volume {volume.name} has no blank to go back to",
                'configure blank = "" for an empty one, or take one: '
                + remedy.joined(remedy.snapshot(machine.device, volume.subvolume, blank)),
            )
        return RollbackVolume(volume.name, volume.subvolume, None, None, require)
    path = to_text(volume.blank)
    if not btrfsutil.get_subvolume_read_only(machine.at(volume.blank)):
        raise NotSetUp(
            f"blank {path} of volume {volume.name} can be written to",
            "make it read-only: "
            + remedy.joined(remedy.set_read_only(machine.device, volume.blank, value=True)),
        )
    blank_uuid = uuid_text(machine.subvolume(volume.blank_id).uuid)
    return RollbackVolume(volume.name, volume.subvolume, volume.blank, blank_uuid, require)


def _check_names(volume: Volume) -> None:
    """Raise NotSetUp for a name that cannot stand in rollback.env, with what to do about it."""
    if not _VOLUME_NAME.fullmatch(volume.name):
        raise NotSetUp(
            f"the subvolume {to_text(volume.subvolume)} gives its volume the name {volume.name!r}, "
            "which is no plain name for files and units",
            'name it in the configuration: name = "root" below [[volume]]',
        )
    for path in filter(None, (volume.subvolume, volume.blank)):
        if fault := path_fault(path):
            raise NotSetUp(
                f"the initrd takes no subvolume {to_text(path)}: its path {fault}",
                "rename it (mv, below the top level), and name it anew in rootflags= and in fstab",
            )


def run(config: Config, machine: Machine, *, dry_run: bool) -> list[str]:
    """Do what is still to be done, or with `dry_run` nothing, and return the steps in words."""
    steps = plan(config, machine)
    if not dry_run:
        for step in steps:
            step.act()
        machine.sync()
    return [step.words for step in steps]


def plan(config: Config, machine: Machine) -> list[Step]:
    """Return what is still to be done, in order; nothing is changed before a step's `act`."""
    rollback = rollback_env(config, machine)
    there = machine.has_state()
    record = machine.at(ROLLBACK)
    before = _read(record, ROLLBACK) if there else None
    _check_place(machine, rollback, before)
    content = records.format_rollback(_with_releases(machine, rollback, before))
    steps = directories(config, machine)
    for directory in (STATE, BOOTS) if there else ():
        if os.path.lexists(machine.at(directory)):
            for name in atomic.leftovers(machine.at(directory)):
                path = directory + b"/" + name
                words = f"remove {to_text(path)}, which a process that was killed has left"
                steps.append(Step(words, _remover(machine.at(path))))
    if before != content:
        words = f"write {to_text(ROLLBACK)}, which the initrd obeys"
        steps.append(Step(words, lambda: atomic.replace(record, content)))
    if there and _switched_off(machine):
        words = f"remove {to_text(NEXT)}, by which setup --off keeps the root"
        steps.append(Step(words, lambda: os.unlink(machine.at(NEXT))))
    return steps


def _with_releases(machine: Machine, rollback: RollbackEnv, before: bytes | None) -> RollbackEnv:
    """Return the record with the release before each blank, where the old record names it and it is there."""
    try:
        old = {} if before is None else {one.name: one for one in records.parse_rollback(before).volumes}
    except RecordError:
        return rollback
    return rollback._replace(
        volumes=tuple(_with_release(machine, one, old.get(one.name)) for one in rollback.volumes)
    )


def _with_release(machine: Machine, volume: RollbackVolume, old: RollbackVolume | None) -> RollbackVolume:
    if old is None or old.before is None or (old.blank, old.blank_uuid) != (volume.blank, volume.blank_uuid):
        return volume
    for path in (old.before, passing_path(old.blank or b"")):
        if machine.is_subvolume(path):
            number = int(btrfsutil.subvolume_id(machine.at(path)))
            if uuid_text(machine.subvolume(number).uuid) == old.before_uuid:
                return volume._replace(before=old.before, before_uuid=old.before_uuid)
    return volume


def directories(config: Config, machine: Machine) -> list[Step]:
    """Return the steps that make what is missing of the state directory and the archive."""
    steps = []
    if not machine.has_state():
        steps.append(Step(f"make the subvolume {to_text(STATE)}", lambda: make_state(machine.at(STATE))))
    for directory in DIRECTORIES:
        if not os.path.lexists(path := machine.at(directory)):
            steps.append(Step(f"make {to_text(directory)}", _maker(path)))
    archive = machine.at(config.archive.directory)
    if not os.path.lexists(archive):
        words = f"make {to_text(config.archive.directory)} for the old roots"
        steps.append(Step(words, lambda: os.makedirs(archive, mode=0o700)))
    return steps


def _switched_off(machine: Machine) -> bool:
    with contextlib.suppress(RecordError):
        asked = _read(machine.at(NEXT), NEXT)
        return asked is not None and records.parse_next(asked, NEXT).off
    return False


def _check_place(machine: Machine, rollback: RollbackEnv, before: bytes | None) -> None:
    """Raise NotSetUp if what is there, `before` in rollback.env, is another system's or of no use."""
    with contextlib.suppress(RecordError):  # what nobody can understand is replaced
        if before is not None:
            identity.refuse_other_system(machine, records.parse_rollback(before))
    places.refuse_unfit(machine, rollback)


def make_state(path: bytes) -> None:
    """Make the state directory at this path, a subvolume that root alone may enter."""
    btrfsutil.create_subvolume(path)
    os.chmod(path, 0o700)


def _maker(path: bytes) -> Callable[[], None]:
    return lambda: os.mkdir(path, 0o700)


def _remover(path: bytes) -> Callable[[], None]:
    return lambda: os.unlink(path)


def _read(path: bytes, name: bytes) -> bytes | None:
    try:
        return records.read(path, name)
    except FileNotFoundError:
        return None
