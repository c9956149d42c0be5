"""By what a filesystem is known, and what is in it."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import sh
from tests.shell.hook import System


def label_of(system: System) -> str:
    """The filesystem gets one that no other test has."""
    label = sh("mktemp", "--dry-run", "label-XXXXXXXXXX").strip()
    sh("btrfs", "filesystem", "label", system.top, label)
    system.filesystem.sync()
    return label


def fsid_of(device: str) -> str:
    return sh("blkid", "-p", "-s", "UUID", "-o", "value", device).strip()


def tree(top: Path) -> str:
    """All that is there, with what a change would change (a stub has the time of now)."""
    return sh("find", top, "-not", "-inum", "2", "-printf", "%P %i %C@ %s %M\n")
