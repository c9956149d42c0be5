"""The pager for long text on a terminal."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess

from ..errors import UsageError

_OPTIONS = "FRSX"


def command() -> tuple[list[str], dict[str, str]]:
    """Return the pager's arguments and environment.

    A user who comes by sudo or the like must not get from the pager to a shell of root, nor choose the
    program: then it is less, without its commands for other programs.
    """
    environment = {**os.environ, "LESSCHARSET": "utf-8"}
    environment.setdefault("LESS", _OPTIONS)
    if os.geteuid() == 0 and ("SUDO_UID" in os.environ or "PKEXEC_UID" in os.environ):
        return ["less"], {**environment, "LESS": _OPTIONS, "LESSSECURE": "1"}
    try:
        chosen = shlex.split(os.environ.get("PAGER", ""))
    except ValueError:
        raise UsageError("PAGER has a quote that does not end", "unset PAGER, or use --no-pager") from None
    return chosen or ["less"], environment


def page(text: str) -> bool:
    """Show text in the pager, and return whether one has shown it."""
    argv, environment = command()
    if argv == ["cat"]:
        return False
    try:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    # Ctrl-C is for the pager, where it stops a search.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # Leaving the pager early is no error.
        process.communicate(text.encode("utf-8", "backslashreplace"))
    finally:
        signal.signal(signal.SIGINT, before)
    return True
