"""A machine that has lived several times, each life with files of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from .machine import Machine, as_another_boot, boot_id_of

Life = Callable[[Path], object]

_NAMES = ["d" * 200] * 30
DEEP = "/" + "/".join([*_NAMES, "file"])  # longer than the kernel takes in one call


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


def writes_deep(root: Path) -> None:
    """A life that writes the file DEEP."""
    fd = os.open(root, os.O_RDONLY)
    for name in _NAMES:
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
