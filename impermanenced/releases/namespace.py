"""A command inside the next release, with what it needs around it, in namespaces of its own.

Its mounts are seen by nobody else and go with it, and so does every process that it leaves behind.  It sees
the persist volumes, which it cannot write to, and the package manager's downloads, which it shares with the
running system; whatever else it writes, the release has.

Hard facts
    A chroot in which /run/systemd/system is missing makes systemctl a no-op.  invoke-rc.d would start scripts
    of System V there, unless policy-rc.d forbids it with 101.
    A process that ends as the first of a PID namespace takes all others of it along.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..config.load import Config
from ..kernel import mounts
from ..state import INSIDE, RUN
from ..system import command
from ..volumes.machine import Machine
from .listing import Place

# The downloads of package managers: not in the release, and there for the next one.
CACHES = (
    b"/var/cache/apt/archives",
    b"/var/lib/apt/lists",
    b"/var/cache/dnf",
    b"/var/cache/libdnf5",
    b"/var/cache/zypp",
    b"/var/cache/pacman/pkg",
    b"/var/lib/pacman/sync",
)
FIRMWARE = (b"/boot/efi", b"/efi")  # partitions that a boot loader is installed to
POLICY = b"usr/sbin/policy-rc.d"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "SYSTEMD_OFFLINE": "1",
    "IMPERMANENCE_UPDATE": "1",  # for hooks of package managers: this is no live system
}
_KEPT = ("TERM", "LANG", "http_proxy", "https_proxy", "no_proxy", "DEBIAN_FRONTEND")

# DEVICE SUBVOLID PLACE [MODE SOURCE TARGET]... -- COMMAND...
_SCRIPT = """\
device=$1 number=$2 place=$3; shift 3
mkdir -p "$place"
mount -t btrfs -o "subvolid=$number" -- "$device" "$place"
mount --make-private "$place"
mount -t proc proc "$place/proc"
mount --rbind /sys "$place/sys"
mount --rbind /dev "$place/dev"
mount -t tmpfs -o mode=0755 tmpfs "$place/run"
mount -t tmpfs -o mode=1777 tmpfs "$place/tmp"
while [ "$1" != -- ]; do
    case $1 in
        copy) mkdir -p "$(dirname "$place$3")"; cp -- "$2" "$place$3" ;;
        ro) mount --bind -- "$2" "$place$3"; mount -o remount,bind,ro "$place$3" ;;
        rw) mount --bind -- "$2" "$place$3" ;;
    esac
    shift 3
done
shift
cd "$place"
exec chroot "$place" "$@"
"""
_UNSHARE = (
    "setpriv",
    "--pdeathsig",
    "KILL",  # whoever kills the update ends the command, too
    "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--ipc", "--uts",
)  # fmt: skip


def is_inside() -> bool:
    """Return whether this process runs in a release that is being made."""
    return "IMPERMANENCE_UPDATE" in os.environ


@dataclass(frozen=True, slots=True)
class Bind:
    """Something of the running system that is shown inside."""

    source: bytes
    target: bytes  # in the release
    mode: str = "ro"  # or "rw", or "copy"


def run(
    machine: Machine,
    place: Place,
    binds: Iterable[Bind],
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> int:
    """Run a command in the release and return its exit status; it has the terminal.

    With `quiet`, what it says goes to stderr.
    """
    words = [word for bind in binds for word in (bind.mode, bind.source, bind.target)]
    script = [
        "sh",
        "-euc",
        _SCRIPT,
        "impermanence",
        machine.device,
        str(place.id),
        RUN + b"/" + INSIDE,
        *words,
        "--",
        *argv,
    ]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return command.show(
        [*_UNSHARE, *script], environment={**kept, **ENVIRONMENT, **(environment or {})}, quiet=quiet
    )


def binds(config: Config, root: bytes, release: int) -> list[Bind]:
    """Return what a command needs of the running system whose root is at `root`.

    `release` is a descriptor of the release, which gets the places that are missing.
    """
    found = [Bind(_at(root, path), path) for path in config.persist if os.path.isdir(_at(root, path))]
    found += [Bind(_at(root, path), path, "rw") for path in CACHES if os.path.isdir(_at(root, path))]
    table = {mount.path for mount in mounts.read()}
    found += [Bind(_at(root, path), path, "rw") for path in FIRMWARE if _at(root, path) in table]
    found = [bind for bind in found if _made(release, bind.target)]
    return [*found, *_resolver(root, release)]


def _at(root: bytes, path: bytes) -> bytes:
    return root.rstrip(b"/") + path


def _made(release: int, path: bytes) -> bool:
    """Make a directory to mount at, if it is missing; return whether it is one."""
    place = b"/proc/self/fd/%d%s" % (release, path)
    if not os.path.lexists(place):
        os.makedirs(place, mode=0o755)
    return os.path.isdir(place) and not os.path.islink(place)


def _resolver(root: bytes, release: int) -> list[Bind]:
    """Return what makes names of the network known: the running system's resolv.conf."""
    source = _at(root, b"/etc/resolv.conf")
    if not os.path.isfile(source):
        return []
    place = b"/proc/self/fd/%d/etc/resolv.conf" % release
    try:
        facts = os.lstat(place)
    except FileNotFoundError:
        return []
    if stat.S_ISREG(facts.st_mode):
        return [Bind(source, b"/etc/resolv.conf")]
    target = os.path.normpath(os.path.join(b"/etc", os.readlink(place)))
    return [Bind(source, target, "copy")] if target.startswith(b"/run/") else []
