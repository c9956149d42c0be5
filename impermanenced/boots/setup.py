"""The set-up of the machine: the state directory, and the file that the hook in the initrd reads.

This is the step that switches wiping on.  It changes nothing in the volumes and can be repeated.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import btrfsutil

from ..config.load import Config, VolumeSettings
from ..errors import NotSetUp
from ..model import Volume
from ..state import DIRECTORIES, ROLLBACK, STATE
from ..system import atomic
from ..text import to_text
from ..volumes.machine import Machine
from . import records
from .records import RollbackEnv, RollbackVolume


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
        fsid=str(uuid.UUID(bytes=machine.filesystem)),
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
    if volume.blank is None or volume.blank_id is None:
        if settings.blank is None:
            name = to_text(volume.subvolume)
            raise NotSetUp(
                f"volume {volume.name} has no blank to go back to",
                f"take one (btrfs subvolume snapshot -r, as {name}-blank at the top level), "
                'or configure blank = "" for an empty one',
            )
        return RollbackVolume(volume.name, volume.subvolume, None, None, require)
    path = to_text(volume.blank)
    if not btrfsutil.get_subvolume_read_only(machine.at(volume.blank)):
        raise NotSetUp(
            f"blank {path} of volume {volume.name} can be written to",
            "make it read-only: btrfs property set -ts PATH ro true",
        )
    blank_uuid = str(uuid.UUID(bytes=machine.subvolume(volume.blank_id).uuid))
    return RollbackVolume(volume.name, volume.subvolume, volume.blank, blank_uuid, require)


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
    content = records.format_rollback(rollback_env(config, machine))
    steps = []
    if not machine.has_state():
        steps.append(Step(f"make the subvolume {to_text(STATE)}", lambda: _make_state(machine.at(STATE))))
    for directory in DIRECTORIES:
        if not os.path.lexists(path := machine.at(directory)):
            steps.append(Step(f"make {to_text(directory)}", _maker(path)))
    archive = machine.at(config.archive.directory)
    if not os.path.lexists(archive):
        words = f"make {to_text(config.archive.directory)} for the old roots"
        steps.append(Step(words, lambda: os.makedirs(archive, mode=0o700)))
    record = machine.at(ROLLBACK)
    if _read(record) != content:
        words = f"write {to_text(ROLLBACK)}, which the initrd obeys"
        steps.append(Step(words, lambda: atomic.replace(record, content)))
    return steps


def _make_state(path: bytes) -> None:
    btrfsutil.create_subvolume(path)
    os.chmod(path, 0o700)


def _maker(path: bytes) -> Callable[[], None]:
    return lambda: os.mkdir(path, 0o700)


def _read(path: bytes) -> bytes | None:
    try:
        return records.read(path, ROLLBACK)
    except FileNotFoundError:
        return None
