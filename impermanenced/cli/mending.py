"""What `doctor --fix` does: the commands of findings that can be mended safely, each after a question."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..boots.doctor import Finding
from ..errors import CommandError, UsageError
from ..system import command
from . import asking, output
from .verb import Shared

TIMEOUT = 3600.0  # seconds that one command may take; it may build an initrd


def mend(found: Sequence[Finding], shared: Shared, *, yes: bool) -> bool:
    """Mend what can be, and return whether anything was tried.

    Raises UsageError where something can be mended, and nobody is there to ask.
    """
    if shared.config is not None:
        raise UsageError("doctor: --fix is about the system that runs, and takes no --config")
    tried = False
    done: set[tuple[str, ...]] = set()
    for one in found:
        if not one.safe or one.commands in done:
            continue
        done.add(one.commands)
        question = f"{one.what}\n  {'; '.join(one.commands)}\nDo this?"
        if not yes and not asking.agreed(question, "--yes mends them, and without --fix they are only shown"):
            continue
        tried = True
        try:
            for words in one.commands:
                command.run(shlex.split(words), timeout=TIMEOUT)
        except CommandError as error:
            output.complain(error.message, error.hint or f"by hand: {'; '.join(one.commands)}")
        else:
            output.complain(f"done: {'; '.join(one.commands)}")
    return tried
