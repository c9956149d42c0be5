"""A machine that has lived several times, each life with files of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .machine import Machine, as_another_boot, boot_id_of

Life = Callable[[Path], object]


def live(machine: Machine, lives: Sequence[Life]) -> None:
    """One boot after another; each but the running one, which is the last, gets a boot id of its own."""
    for number, life in enumerate(lives, 1):
        machine.boot()
        life(machine.root)
        if number > 1:
            as_another_boot(machine, number - 1, boot_id_of(number - 1))


def writes(**files: str) -> Life:
    """A life that writes these files into /etc."""

    def life(root: Path) -> None:
        for name, content in files.items():
            (root / "etc" / name).write_text(content)

    return life
