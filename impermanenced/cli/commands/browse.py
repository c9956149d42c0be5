"""`browse`: an old root as a read-only directory that goes away by itself."""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from ...boots import compared
from ...boots.moments import Moment, find, opened
from ...errors import CommandError, ImpermanenceError
from ...state import RUN
from ...system import command
from ...text import to_text
from ...volumes.configured import configured
from ...volumes.machine import Machine
from .. import arguments, output
from ..verb import Shared, Verb

PLACE = RUN + b"/boots"
IDLE = "10min"  # for which nobody has looked into it before it goes away
OPTIONS = "ro,nosuid,nodev,noexec,noatime"

# In a mount namespace of its own: a directory for the roots, each root, and the shell.  The arguments are the
# place, the device, and pairs of options and place, up to a lone "--"; then the shell's words.
SCRIPT = """
set -e
place=$1 device=$2; shift 2
mkdir -p "$place"
mount -t tmpfs -o mode=755,size=64k impermanence "$place"
while [ "$1" != -- ]; do
    [ -d "$2" ] || mkdir "$2"
    mount -t btrfs -o "$1" "$device" "$2"
    shift 2
done
shift
cd "$1"; shift
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Options:
    moment: str
    shell: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.know_moments(parser)
    parser.add_argument("--shell", action="store_true", help="only for a shell in it, until that ends")
    parser.add_argument("moment", metavar="N", nargs="?", help="the number of the boot; default: -1")


def read_options(found: argparse.Namespace) -> Options:
    return Options(arguments.moment(found.moment or "-1"), found.shell)


def run(options: Options, shared: Shared) -> int:
    with configured(shared.config) as (config, machine):
        moment = find(options.moment, compared.history_of(config, machine), machine)
        if not moment.roots:
            raise ImpermanenceError(
                f"{moment.name}: no volume has one", "impermanence boots lists the old roots"
            )
        places = list(_places(machine, moment))
        device = machine.device
        for one in places:
            with opened(moment.roots[one.volume], machine):
                pass  # it is there, and not about to go
    if options.shell:
        _become_shell(device, places)
    for one in places:
        _mount(device, one)
    output.write(f"{to_text(places[0].path)}\n")
    return 0


verb = Verb(add_arguments, read_options, run)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one volume's root is mounted."""

    volume: str
    path: bytes
    options: str


def _places(machine: Machine, moment: Moment) -> Iterator[Place]:
    """Yield where each root goes: those of other volumes where they were in the system, so the outermost
    first.
    """
    boot = moment.boot
    name = moment.name if boot is None or boot.number is None else str(boot.number)
    top = PLACE + b"/" + os.fsencode(name.replace("/", "_").replace(" ", "-"))
    volumes = sorted(machine.volumes, key=lambda volume: len(volume.path))
    there = [volume for volume in volumes if volume.name in moment.roots]
    for volume in there:
        inside = volume.path.strip(b"/") if volume is not there[0] else b""
        path = top + b"/" + inside if inside else top
        yield Place(volume.name, path, f"{OPTIONS},subvolid={moment.roots[volume.name].id}")


def _mount(device: bytes, place: Place) -> None:
    """Have systemd mount it when somebody looks, and unmount it when nobody has for a while."""
    words = ["--collect", "--no-ask-password", "--fsck=no", "--automount=yes", f"--timeout-idle-sec={IDLE}"]
    try:
        command.run(
            ["systemd-mount", *words, "--type=btrfs", f"--options={place.options}", device, place.path]
        )
    except CommandError as error:
        raise ImpermanenceError(error.message, "impermanence browse --shell needs no systemd") from None


def _become_shell(device: bytes, places: list[Place]) -> None:
    """Replace this process by a shell that alone sees the roots; they go away with it.

    Who comes by sudo or the like gets a shell as oneself, and sees what is one's own.
    """
    pairs = [word for place in places for word in (place.options.encode(), place.path)]
    argv: list[str | bytes] = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--",
        "/bin/sh",
        "-c",
        SCRIPT,
    ]
    argv += ["sh", PLACE, device, *pairs, "--", places[0].path, *_shell()]
    if shutil.which("unshare") is None:
        raise ImpermanenceError("unshare: not found", "install util-linux")
    os.execvp("unshare", argv)


def _shell() -> list[str]:
    caller = os.environ.get("SUDO_UID") or os.environ.get("PKEXEC_UID")
    if caller is None:
        return [os.environ.get("SHELL") or "/bin/sh"]
    try:
        user = pwd.getpwuid(int(caller))
    except (KeyError, ValueError):
        raise ImpermanenceError(f"user {caller} is not known", "call it from a shell of root") from None
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    return ["setpriv", *ids, "--inh-caps=-all", "--", user.pw_shell or "/bin/sh"]
