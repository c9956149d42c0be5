"""The deletion of one old root with all subvolumes that are nested in it.

Hard facts
    A user may nest subvolumes in one another without end: nothing here recurses, and nothing needs a path.
    Deleting by number fails with ENAMETOOLONG where the path from the top level is longer than PATH_MAX, as
    the kernel builds that path first.  Deleting by name in a directory needs none.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import btrfsutil

from ...config.load import Config
from ...errors import ImpermanenceError
from ...kernel import btrfs
from ...kernel.btrfs import delete as kernel
from ...text import to_text
from ...volumes.machine import Machine
from ..old_roots import Archive, OldRoot
from . import protection


class Stop(Protocol):
    """A flag that is asked between two deletions; threading.Event is one."""

    def is_set(self) -> bool:
        """Return whether to stop."""

    def wait(self, timeout: float) -> bool:
        """Wait this many seconds, or until it is set; return whether it is."""


@dataclass(frozen=True, slots=True)
class Node:
    """A subvolume and its place."""

    id: int
    uuid: bytes
    parent: int  # the subvolume that it lies in
    directory: int  # the inode of its directory there
    name: bytes


def delete(config: Config, machine: Machine, archive: Archive, root: OldRoot, stop: Stop) -> bool:
    """Delete an old root with all that is nested in it; return False if stopped on the way.

    Raises OSError, and ImpermanenceError for what may not go or is not what it was.
    """
    top = Node(root.id, root.uuid, archive.parent, archive.inode, os.path.basename(root.path))
    with _locked(machine, root.id):
        return _delete_all(config, machine, archive, root, top, stop)


@contextlib.contextmanager
def _locked(machine: Machine, number: int) -> Iterator[None]:
    """Hold the lock that keeps readers away.  Raises ImpermanenceError if one is there (`boots.moments`)."""
    fd = _open(machine, number, btrfs.BTRFS_FIRST_FREE_OBJECTID)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ImpermanenceError("it is being read") from None
    finally:
        os.close(fd)


def _delete_all(
    config: Config, machine: Machine, archive: Archive, root: OldRoot, top: Node, stop: Stop
) -> bool:
    for node in nodes(machine, top):
        if stop.is_set():
            return False
        guard = protection.look(config, machine, archive)
        if reason := guard.reason(root.path, frozenset({node.id})):
            raise ImpermanenceError(reason)
        if node.parent != archive.parent:
            _make_writable(machine, node.parent)
        _delete(machine, node)
    return True


def nodes(machine: Machine, top: Node) -> list[Node]:
    """Return a subvolume and all that are nested in it, each after those that lie in it."""
    found, seen = [top], {top.id}
    for node in found:  # it grows as it is read
        for child, (directory, name) in btrfs.Tree(machine.top, node.id).nested().items():
            if child not in seen:  # one that is moved meanwhile is met twice
                seen.add(child)
                found.append(Node(child, machine.subvolume(child).uuid, node.id, directory, name))
    found.reverse()
    return found


def _open(machine: Machine, number: int, inode: int) -> int:
    """Return a descriptor of a directory of a subvolume, by number."""
    item = btrfs.Tree(machine.top, number).inode(inode)
    if item is None:
        raise ImpermanenceError(f"subvolume {number} is gone")
    return btrfs.open_inode(machine.top, number, inode, item.generation)


def _make_writable(machine: Machine, number: int) -> None:
    """Make a subvolume that is about to go writable: nothing can be removed from a read-only one."""
    fd = _open(machine, number, btrfs.BTRFS_FIRST_FREE_OBJECTID)
    try:
        if btrfsutil.get_subvolume_read_only(fd):
            btrfsutil.set_subvolume_read_only(fd, False)
    finally:
        os.close(fd)


def _delete(machine: Machine, node: Node) -> None:
    """Delete by number, after a last look at whether that is still the same subvolume at the same place."""
    place = btrfs.Tree(machine.top, node.parent).nested().get(node.id)
    if place != (node.directory, node.name) or machine.subvolume(node.id).uuid != node.uuid:
        raise ImpermanenceError(f"{to_text(node.name)} is not what it was a moment ago")
    try:
        kernel.snap_destroy(machine.top, node.id)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        fd = _open(machine, node.parent, node.directory)
        try:
            kernel.snap_destroy_name(fd, node.name)
        finally:
            os.close(fd)
