"""Whether a release can boot, asked before it becomes the blank: what the hook would refuse, the kernels that
a boot loader may start, and their initrds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from ..boots import initrds, kernels, loaders
from ..boots.doctor import ERROR, WARNING, Finding
from ..config.load import Config
from ..errors import CommandError
from ..kernel import openat2
from ..model import Volume
from ..text import first_of, to_text
from ..volumes.machine import Machine
from .listing import Place

MOST = 5  # paths that are named


def examine(config: Config, machine: Machine, volume: Volume, place: Place, *, hook: bool) -> list[Finding]:
    """Return what is wrong with a release of this volume, the errors first; `hook` says that the initrds must
    have the hook.
    """
    root = machine.at(place.path)
    blank = machine.at(volume.blank or b"")
    found = list(_required(config, volume, root))
    if volume.path == b"/":
        found += _init(root, blank)
        found += modules(volume.mountpoint, blank, root)
        found += _initrds(root) if hook and in_root(volume.mountpoint) else []
    return sorted(found, key=lambda finding: finding.severity != ERROR)


def in_root(root: bytes) -> bool:
    """Return whether the /boot of a system lies in its root, so that a boot loader reads it
    before the wipe.
    """
    boot = os.path.join(root, b"boot")
    try:
        return os.stat(boot).st_dev == os.stat(root).st_dev
    except OSError:
        return False


def is_followed(root: bytes, release: bytes) -> bool:
    """Return whether the /boot of a system becomes what a release has there.

    One that is a filesystem of its own stays as it is for a release without a copy of it: the first blank has
    none, since a set-up leaves out what lies under mounts.
    """
    if in_root(root):
        return True
    try:
        return bool(os.listdir(os.path.join(release, b"boot")))
    except OSError:
        return False


def _required(config: Config, volume: Volume, root: bytes) -> Iterator[Finding]:
    if volume.path != b"/":
        return
    missing = [path for path in config.rollback.require if not _has(root, path)]
    if missing:
        what = f"the release lacks what rollback.require names: {first_of(missing, MOST)}"
        yield Finding(ERROR, what, "the initrd would refuse it")


def _init(root: bytes, blank: bytes) -> Iterator[Finding]:
    for path in (b"/sbin/init", b"/usr/lib/systemd/systemd", b"/bin/sh", b"/etc/fstab"):
        if _has(blank, path) and not _has(root, path):
            yield Finding(
                ERROR, f"the release has no {to_text(path)}, which the blank has", "nothing boots it"
            )


def modules(live: bytes, blank: bytes, root: bytes) -> Iterator[Finding]:
    """Compare the modules of the release with the kernels that may be started with it."""
    have = kernels.releases(root)
    before = kernels.releases(blank) | kernels.releases(live)
    if not before and not have:
        return
    newest = loaders.next_kernel(root) if in_root(live) else loaders.next_kernel(live)
    staying = kernels.installed(root)
    # What the release has no more, the running /boot will not have either.
    going = {one.image for one in kernels.installed(blank)} - {one.image for one in staying}
    if not is_followed(live, root):
        going = set()
    there = kernels.installed(live)
    wanted = {one.release for one in (*there, *staying) if one.image not in going}
    running = os.fsencode(os.uname().release)
    if newest is None or not any(one.release == running and one.image in going for one in there):
        wanted.add(running)
    for release in sorted(wanted, key=kernels.age, reverse=True):
        if release in have or release not in before:
            continue
        serious = newest is not None and newest.release == release
        serious = serious or (release == running and newest is None)
        which = "the kernel that boots next" if serious else "a kernel that a boot loader may start"
        yield Finding(
            ERROR if serious else WARNING,
            f"the release has no modules for {to_text(release)}, {which}: the rollback would be refused",
            "install that kernel's package in it, or remove the kernel",
        )
    if newest is not None and newest.release not in have and newest.release not in before:
        yield Finding(ERROR, f"the release has no modules for {to_text(newest.release)}, its newest kernel",
                      "its package was not configured")  # fmt: skip


def _initrds(root: bytes) -> Iterator[Finding]:
    """Look into the initrd of the kernel that boots next, of a /boot that lies in the root."""
    kernel = loaders.next_kernel(root)
    if kernel is None:
        return
    name = to_text(kernel.release)
    if kernel.initrd is None:
        yield Finding(ERROR, f"kernel {name} of the release has no initrd", "build it in the release")
        return
    try:
        content = initrds.look(root.rstrip(b"/") + kernel.initrd)
    except CommandError as error:
        yield Finding(WARNING, f"the initrd of kernel {name} cannot be looked into: {error.message}", "")
        return
    if not content.hook:
        what = f"the initrd of kernel {name} in the release has no hook: its boots would wipe nothing"
        yield Finding(ERROR, what, "install impermanenced in the release, and build the initrd anew")


def errors(found: Sequence[Finding]) -> list[Finding]:
    """Return what keeps a release from becoming the blank."""
    return [finding for finding in found if finding.severity == ERROR]


def _has(root: bytes, path: bytes) -> bool:
    """Return whether a root has such a path; a link at its end counts, and those on the way are its own."""
    try:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return openat2.exists_inside(fd, path)
    finally:
        os.close(fd)
