"""The mount units of a system, as systemd.mount(5) has them, read from their files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..lazy import NamedTuple, regex
from . import unit_files

_NAME = regex(rb"[A-Za-z0-9:_.\\-]+\.mount")
_SETTING = regex(rb"^[ \t]*(What|Where|Type|Options)[ \t]*=[ \t]*((?:[^\\\n]|\\.|\\\n)*)$", re.MULTILINE)
_ESCAPE = regex(rb"\\x([0-9a-f]{2})")


class MountUnit(NamedTuple):
    """What one unit mounts."""

    file: bytes  # the path of its own file in the system; drop-ins count as well
    what: bytes
    where: bytes
    fstype: bytes  # "auto" if the unit does not say
    options: bytes


def read(root: int) -> Iterator[MountUnit]:
    """Yield the mount units of a system, in the order of their names; `root` is a descriptor of its root."""
    for name, files in sorted(unit_files.files_of(root, _NAME).items()):
        content = b"\n".join(unit_files.read_file(root, path) for path in files)
        values = {key: value.replace(b"\\\n", b" ").strip() for key, value in _SETTING.findall(content)}
        if values:
            yield MountUnit(
                files[0],
                values.get(b"What", b""),
                values.get(b"Where") or path_of(name),
                values.get(b"Type") or b"auto",
                values.get(b"Options", b""),
            )


def path_of(unit: bytes) -> bytes:
    """Return the mount point that a unit is named for, as systemd-escape(1) --unescape --path does."""
    stem = unit.removesuffix(b".mount")
    if stem == b"-":
        return b"/"
    slashes = stem.replace(b"-", b"/")
    return b"/" + _ESCAPE.sub(lambda match: os.fsencode(chr(int(match[1], 16))), slashes)
