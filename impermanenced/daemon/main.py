"""The program impermanenced, which watches what the next boot would lose, and tells."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import systemd.daemon

from .. import __version__
from ..errors import ImpermanenceError
from ..kernel import libc
from ..lazy import Deferred, put_off
from ..text import failure_to_text
from .begun import begin, come_forward

SWITCH = 0.0005  # seconds that a report keeps the watch from new programs; Python's own is ten times that

_argparse = Deferred("argparse")
_daemon = Deferred("impermanenced.daemon.daemon")


def _be_frugal() -> None:
    """Have the C library use one heap for all threads, and give large buffers back to the kernel.

    Call it before there is a second thread.
    """
    libc.mallopt(libc.M_ARENA_MAX, 1)
    libc.mallopt(libc.M_MMAP_THRESHOLD, 64 << 10)


def _handed() -> int | None:
    """Return the descriptor that the program before this one has marked, or None."""
    found = {name: fd for fd, name in systemd.daemon.listen_fds_with_names().items()}
    return found.get("fanotify")


def parse(argv: Sequence[str]) -> bytes | None:
    """Return the configuration file that is named, or None."""
    match argv:  # what a unit says needs no parser, which takes 0.6 MB with what it loads
        case []:
            return None
        case ["--config", file] if file and not file.startswith("-"):
            return os.path.abspath(os.fsencode(file))
    parser = _argparse.ArgumentParser(
        prog="impermanenced", description="Watch what the next boot would lose, and tell."
    )
    parser.add_argument("--config", metavar="FILE", type=os.fsencode, help="read only this file")
    parser.add_argument("--version", action="version", version=f"impermanenced {__version__}")
    named: bytes | None = parser.parse_args(argv).config
    return os.path.abspath(named) if named else None


def _load() -> Any:
    """Load the daemon and return its class."""
    with put_off("gi._option"):  # GLib's parser of command lines, which brings optparse: 0.4 MB
        return _daemon.Daemon


def command() -> NoReturn:
    """Run `main` as a process of its own, and end that without taking the interpreter down.

    Gio's thread for D-Bus never ends, and what it hands to a connection while Python finalises is a crash.
    """
    code = main()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # either may be closed
        stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon until it is told to end, and return the exit code."""
    config_file = parse(sys.argv[1:] if argv is None else argv)
    _be_frugal()
    sys.setswitchinterval(SWITCH)
    try:
        begun = begin(config_file, _handed())
        if begun.fan is not None:  # logins, which wait for it, need not wait for the rest
            systemd.daemon.notify("READY=1")
        daemon = _load()
        come_forward(os.environ.pop("IMPERMANENCED_NICE", None))  # a thread begun before would stay behind
        return int(daemon(begun).run())
    except ImpermanenceError as error:
        sys.stderr.write(
            f"impermanenced: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else "")
        )
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"impermanenced: {failure_to_text(error)}\n")
        return 4 if isinstance(error, PermissionError) else 1


if __name__ == "__main__":
    command()
