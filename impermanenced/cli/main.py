"""The command `impermanence`: it parses the words, runs the verb, and explains errors."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import ImpermanenceError, NotPermitted
from ..text import failure_to_text
from . import output
from .parse import load, parse


def command() -> int:
    """Run `main` as a process of its own, and return the exit code.

    The process ends before garbage in cycles could matter, and collecting it, above all when the interpreter
    ends, is a twentieth of the time of a report.
    """
    gc.disable()
    try:
        code = main()
    finally:
        gc.freeze()
    if "gi" in sys.modules:
        # Gio's thread for D-Bus never ends; what it hands to a connection while Python finalises is a crash.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with contextlib.suppress(OSError, ValueError):  # closed meanwhile
                stream.flush()
        os._exit(code)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code; every expected error becomes a line on stderr."""
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except ImpermanenceError as error:
        output.complain(error.message, error.hint)
        return error.exit_code
    except BrokenPipeError:
        # The reader has closed the pipe; the interpreter must not write to it once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE  # not 0: `status --exit-code | head` has not said "nothing"
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        output.complain(failure_to_text(error))
        return NotPermitted.exit_code if isinstance(error, PermissionError) else 1


def _run(argv: Sequence[str]) -> int:
    parsed = parse(argv)
    if parsed.verb == "help":
        output.write(parsed.help)
    elif parsed.verb == "version":
        output.write(f"impermanence {__version__}\n")
    else:
        return load(parsed.verb).run(parsed.options, parsed.shared)
    return 0
