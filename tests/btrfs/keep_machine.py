"""A persist volume in the system of a test, and what is mounted from it."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import sh

from .cli.machine import System


def persist_volume(system: System) -> Path:
    """A subvolume of its own, mounted at /persist of the system."""
    system.filesystem.subvolume("persist")
    return system.filesystem.mount(system.root / "persist", "subvol=persist")


def bind(system: System, source: Path, path: str) -> None:
    """Mount a source at a path of the system, which is made as what the source is."""
    place = system.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        place.mkdir(exist_ok=True)
    else:
        place.touch()
    sh("mount", "--bind", source, place)
    system.filesystem.mounts.append(place)
