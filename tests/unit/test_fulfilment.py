"""The line that makes a declaration so, whatever bytes are in its path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.config.placement import Ownership, Placement
from impermanenced.kernel.mounts import unescape
from impermanenced.model import AdviceKind, Declaration, Volume
from impermanenced.report.fulfilment import Fulfilment, fstab_line, tmpfiles_line

ROOT = Volume("root", b"/", b"/", b"root", 256, None, None)


def declared(path: bytes, persist: bytes = b"/persist") -> Declaration:
    return Declaration(path, True, persist, "config.toml, here")


@pytest.mark.parametrize(
    "path",
    [b"/var/lib/x", b"/My Games", b"/tab\tnew\nline", b"/back\\slash", b"/\xff\xfe", "/\u00e4".encode()],
)
def test_a_line_of_fstab_has_four_words_that_come_back(path: bytes) -> None:
    line = fstab_line(declared(path)).encode("ascii")
    assert line.isascii() and b"\n" not in line
    source, where, *rest = line.split()
    assert (unescape(source), unescape(where)) == (b"/persist" + path, path)
    assert rest == [b"none", b"bind", b"0", b"0"]


def test_a_line_of_tmpfiles() -> None:
    assert tmpfiles_line(declared(b"/home/a/.x")) == "L /home/a/.x - - - - /persist/home/a/.x"
    assert tmpfiles_line(declared(b"/a b%")) == 'L "/a b%%" - - - - "/persist/a b%%"'


def test_each_system_and_method_has_its_own(tmp_path: Path) -> None:
    bind, link = declared(b"/bind"), declared(b"/link")
    placements = [
        Placement(bind, "bind", False, Ownership(), Ownership()),
        Placement(link, "symlink", False, Ownership(), Ownership()),
    ]
    root = os.open(tmp_path, os.O_PATH)
    try:
        plain = Fulfilment(placements, root, ROOT)
        assert plain.advice(None) == ()
        assert [plain.advice(one)[0].kind for one in (bind, link)] == [AdviceKind.FSTAB, AdviceKind.TMPFILES]
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/NIXOS").touch()
        (advice,) = Fulfilment(placements, root, ROOT).advice(bind)
        assert advice == (AdviceKind.MODULE, "/persist")
    finally:
        os.close(root)
