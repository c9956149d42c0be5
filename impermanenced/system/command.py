"""The one way to run other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import CommandError
from ..lazy import Deferred
from ..text import to_text

subprocess: Any = Deferred("subprocess")


def run(
    argv: Sequence[str | bytes], *, timeout: float = 60.0, input: bytes | None = None, apart: bool = False
) -> bytes:
    """Return the standard output of a program that succeeded.  Raises CommandError, which says
    what failed.

    There is no shell; the locale is C in UTF-8; the program can read nothing but `input`.  Ctrl-C at the
    terminal does not reach one that runs `apart`.
    """
    name = to_text(os.fsencode(argv[0]))
    try:
        result = subprocess.run(
            argv,
            input=input if input is not None else b"",
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            process_group=0 if apart else None,
        )
    except FileNotFoundError:
        raise CommandError(f"{name}: not found", f"install the package that has {name}") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"{name}: no answer within {timeout:.0f} s") from None
    if result.returncode != 0:
        words = to_text(result.stderr.strip().rpartition(b"\n")[2])
        raise CommandError(f"{name} failed with status {result.returncode}: {words or 'it said nothing'}")
    return bytes(result.stdout)


def show(argv: Sequence[str | bytes], *, environment: Mapping[str, str], quiet: bool = False) -> int:
    """Run a program that has the terminal, and return its exit status, or minus the signal that ended it.

    With `quiet`, what it says goes to stderr.  Raises CommandError if there is no such program.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        result = subprocess.run(argv, stdout=2 if quiet else None, check=False, env=dict(environment))
    except FileNotFoundError:
        name = to_text(os.fsencode(argv[0]))
        raise CommandError(f"{name}: not found", f"install the package that has {name}") from None
    return int(result.returncode)
