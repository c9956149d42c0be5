"""What makes a declaration so: the line that mounts or links its path at each boot, as this system has it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from ..config.placement import Placement
from ..kernel import openat2
from ..lazy import regex
from ..model import Advice, AdviceKind, Declaration, Volume
from ..text import to_text

NIXOS = b"etc/NIXOS"
_PLAIN = regex(r"[^\s\"'\\]+")


class Fulfilment:
    """The lines for the declarations of one system; `root` is a descriptor of one of its volumes."""

    def __init__(self, placements: Iterable[Placement], root: int, volume: Volume) -> None:
        self._methods = {one.declaration.path: one.method for one in placements}
        self._nixos = False
        if volume.path == b"/":
            with contextlib.suppress(OSError):
                os.close(openat2.open_path(root, NIXOS))
                self._nixos = True

    def advice(self, declaration: Declaration | None) -> tuple[Advice, ...]:
        """Return what makes a declaration so, or nothing where there is none."""
        if declaration is None:
            return ()
        if self._nixos:
            return (Advice(AdviceKind.MODULE, to_text(declaration.persist)),)
        if self._methods.get(declaration.path) == "symlink":
            return (Advice(AdviceKind.TMPFILES, tmpfiles_line(declaration)),)
        return (Advice(AdviceKind.FSTAB, fstab_line(declaration)),)


def fstab_line(declaration: Declaration) -> str:
    """Return the line of fstab(5) that mounts a declared path from its persist volume."""
    source = declaration.persist.rstrip(b"/") + declaration.path
    return f"{_fstab_word(source)} {_fstab_word(declaration.path)} none bind 0 0"


def tmpfiles_line(declaration: Declaration) -> str:
    """Return the line of tmpfiles.d(5) that makes a declared path a link into its persist volume."""
    target = declaration.persist.rstrip(b"/") + declaration.path
    return f"L {_tmpfiles_word(declaration.path)} - - - - {_tmpfiles_word(target)}"


def _fstab_word(path: bytes) -> str:
    # Whatever is not plain is octal there: blanks, backslashes, and bytes of other characters too.
    return "".join(chr(byte) if 0x21 <= byte < 0x7F and byte != 0x5C else f"\\{byte:03o}" for byte in path)


def _tmpfiles_word(path: bytes) -> str:
    text = to_text(path).replace("%", "%%")
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '\\"') + '"'
