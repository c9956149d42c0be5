"""The boots that lost something grave, which nobody has looked at, and whose old roots are left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container

from ..errors import ImpermanenceError
from ..state import BOOTS, BootFile, boot_file, boot_files, first_spelling, parse_archive_name
from ..volumes.machine import Machine
from . import records


def unreviewed(machine: Machine, archive: bytes, classes: Container[str | None]) -> list[int]:
    """Return the numbers of the boots whose worst loss is of one of these classes, the newest first.

    Only names are read, and the records of the boots that may be among them.
    """
    try:
        numbers = boot_files(os.listdir(machine.at(BOOTS)))
        names = os.listdir(machine.at(archive))
    except (FileNotFoundError, NotADirectoryError):
        return []
    parsed = (parse_archive_name(first_spelling(name)) or parse_archive_name(name) for name in names)
    there = {one[0] for one in parsed if one is not None}
    found = {}
    for kind in (BootFile.END, BootFile.LOST):  # a look at the old root knows more than the daemon did
        for number in (numbers[kind] & there) - numbers[BootFile.REVIEWED]:
            path = boot_file(number, kind)
            with contextlib.suppress(ImpermanenceError, OSError):
                found[number] = records.parse_end(records.read(machine.at(path), path), path).worst
    return sorted((number for number, worst in found.items() if worst in classes), reverse=True)
